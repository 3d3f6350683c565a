"""A safety rule is let through for one export, once, for no more people than the plan showed, and for a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.project import KEY, Project, connection, export, segment, source
from typer.testing import CliRunner

from reconciler.cli.main import app
from reconciler.core.allow import WAIVABLE, Allowance, allowances, settled
from reconciler.core.errors import ReconcilerError
from reconciler.core.guard import RULES, Facts, judge, verdict
from reconciler.core.model import Connection, Consent, Count, EnvSecret, Export, FieldMatch, Safety, SegmentUse
from reconciler.core.plan import Counts, Waiver
from reconciler.core.record import RecordedExport
from reconciler.core.roster import Entry, Mode
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

EXPORT = Export(
    "news",
    "profiles",
    "account",
    (FieldMatch("Email", "email"), FieldMatch("Phone", "phone")),
    (SegmentUse("all", "all"), SegmentUse("gone", "gone")),
    safety=Safety(Count(0), Count(0)),
)
ACCOUNT = Connection(
    "account",
    "Account",
    EnvSecret("KEY"),
    "https://api.example.com",
    100,
    20,
    Consent(accepted=True, fields=("Email",)),
)
EVERYTHING = Facts(
    entry=Entry(1, "news", EXPORT, RecordedExport(1, "news", 1000), Mode.RUN, (1, 2)),
    connection=ACCOUNT,
    people=101,
    counts=Counts(desired=10, create=1),
    removals=9,
    updates=7,
    members=(0, 0),
    recognised=(True, False),
)
"""An export that breaks nearly every rule."""


def asked(*rules: str, figure: int | None = None) -> dict[str, Allowance]:
    return {rule: Allowance("news", rule, "because", figure) for rule in rules}


def test_no_other_rule_than_those_with_a_figure_is_ever_let_through() -> None:
    names = {reason.rule for reason in judge(EVERYTHING)}
    failing = replace(EVERYTHING, failure="people.csv: gone", counts=None)
    bare = replace(EVERYTHING, connection=replace(ACCOUNT, consent=None))
    retired = replace(EVERYTHING, connection=None, entry=replace(EVERYTHING.entry, export=None))
    mute = replace(EVERYTHING, entry=replace(EVERYTHING.entry, export=replace(EXPORT, match=())))
    for facts in (EVERYTHING, failing, bare, retired, mute):
        every = asked(*(reason.rule for reason in judge(facts)), *names)
        blocking, waived = verdict(replace(facts, allowances=every))
        assert [reason.rule for reason in blocking] == [r.rule for r in judge(facts) if r.rule not in WAIVABLE]
        assert blocking
        assert {waiver.rule for waiver in waived} <= set(WAIVABLE)
    assert len(RULES) == 10


@given(st.integers(0, 50), st.integers(0, 50), st.none() | st.integers(0, 50))
def test_no_more_people_pass_than_were_seen(removals: int, bound: int, figure: int | None) -> None:
    export = replace(EXPORT, match=EXPORT.match[:1], segments=(), safety=Safety(Count(bound), Count(0)))
    entry = replace(EVERYTHING.entry, export=export)
    facts = replace(EVERYTHING, entry=entry, people=1, removals=removals, updates=0, members=(), recognised=())
    blocking, waived = verdict(replace(facts, allowances=asked("removals", figure=figure)))
    if removals <= bound:
        assert (blocking, waived) == ((), ())
    elif figure is None or removals <= figure:
        assert (blocking, [(w.rule, w.figure, w.reason) for w in waived]) == ((), [("removals", removals, "because")])
    else:
        assert waived == ()
        assert f"only {figure} were let through" in blocking[0].message


def test_what_was_not_needed_lets_nobody_pass_later() -> None:
    wanted = allowances(["news:removals=a", "news:updates=b"])
    bounded = settled(wanted, [("news", Waiver("removals", 12, "", "a")), ("other", Waiver("updates", 5, "", "x"))])
    assert [one.figure for one in bounded] == [12, 0]


@pytest.mark.parametrize(
    "text",
    ["", "news", "news:removals", "news:removals=", "news:removals=  ", ":removals=x", "news:=x", "=x",
     "news=removals:x",
     "news:removals:x=y", f"news:removals={'x' * 501}", *(f"news:{rule}=x" for rule in (
         "consent", "consent-field", "cap", "protected", "connection-gone", "email-required", "missing-segment",
         "empty-segment", "source", "Removals", "everything"))],
)  # fmt: skip
def test_what_may_not_be_let_through_is_one_line(text: str) -> None:
    with pytest.raises(ReconcilerError) as refused:
        allowances([text])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "rule", ["consent", "consent-field", "cap", "empty-segment", "missing-segment", "Removals", "x"]
)
def test_whoever_asks_for_another_rule_is_told_which_there_are(rule: str) -> None:
    with pytest.raises(ReconcilerError, match="only removals and updates may be let pass"):
        allowances([f"news:{rule}=x"])


def test_a_reason_may_hold_anything_and_one_rule_has_one() -> None:
    (one,) = allowances(["news:updates= it = that: was so "])
    assert one == Allowance("news", "updates", "it = that: was so")
    with pytest.raises(ReconcilerError, match="twice"):
        allowances(["news:updates=a", "news:updates=b"])


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(key=KEY, switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    made = Project(tmp_path, sandbox.url)
    made.declare(
        connection(url=sandbox.url),
        source(),
        segment("all", "true"),
        export("news", ["all"], safety={"maxRemovals": 2, "maxUpdates": 2}),
        export("other", [{"name": "all", "list": "others"}], safety={"maxRemovals": 2}),
    )
    people(made, 20)
    assert run(made, "apply", "--yes").exit_code == 0
    people(made, 15)
    sandbox.forget_requests()
    return made


def people(project: Project, number: int) -> None:
    project.people(("id", "email"), [(f"{i:03}", f"person{i}@example.com") for i in range(number)])


def run(project: Project, *words: str) -> Result:
    environ = {**project.environ, "RECONCILER_STATE_KEY": "ab" * 32}
    return CliRunner(env=environ).invoke(app, ["-C", str(project.root), *words])


def told(done: Result) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(done.stdout)["exports"]}


REASON = "two shops closed \x1b[31m::error::"


def test_one_export_passes_and_the_other_stays_blocked(project: Project, sandbox: Sandbox) -> None:
    done = run(project, "apply", "--yes", "--allow", f"news:removals={REASON}", "--output", "json")
    assert done.exit_code == 3
    exports = told(done)
    (waiver,) = exports["news"]["allowed"]
    assert (waiver["rule"], waiver["figure"], waiver["reason"]) == ("removals", 5, REASON)
    assert (exports["news"]["status"], exports["other"]["action"], exports["other"]["allowed"]) == (
        "Successful", "blocked", [],
    )  # fmt: skip
    assert (len(sandbox.world.members("all")), len(sandbox.world.members("others"))) == (15, 20)
    latest = json.loads(run(project, "history", "--output", "json").stdout)["runs"][0]
    kept = {one["name"]: one["allowed"] for one in latest["exports"]}
    assert REASON in kept["news"][0]
    assert kept["other"] == []
    shown = run(project, "show", latest["id"]).stdout
    assert "allowed: removals (two shops closed" in shown
    assert "\x1b" not in shown


def test_it_is_shown_before_it_is_done_and_escaped(project: Project, sandbox: Sandbox) -> None:
    for form in ("text", "markdown"):
        planned = run(project, "plan", "--allow", f"news:removals={REASON}", "--output", form)
        assert planned.exit_code == 3
        assert "allowed: removals (two shops closed" in planned.stdout.replace("&#40;", "(")
        assert "\x1b" not in planned.stdout
        assert "\n::error" not in planned.stdout
        assert "5 people would be taken off a list" in planned.stdout
    assert sandbox.requests == ()
    text = run(project, "apply", "--yes", "--allow", f"news:removals={REASON}").stdout
    assert text.count("allowed: removals (two shops closed") == 2  # as planned, and as done
    assert "\x1b" not in text


def test_it_passes_once(project: Project, sandbox: Sandbox) -> None:
    allow = ("--allow", "news:removals=x", "--allow", "other:removals=y")
    assert run(project, "apply", "--yes", *allow).exit_code == 0
    people(project, 10)
    assert run(project, "apply", "--yes").exit_code == 3
    assert len(sandbox.world.members("all")) == 15


def test_an_allowance_that_nothing_needs_is_noted(project: Project) -> None:
    done = run(project, "plan", "--allow", "news:updates=x", "--output", "json")
    assert told(done)["news"]["notes"] == ["nothing needs --allow news:updates"]
    assert told(done)["other"]["notes"] == []


def test_an_export_that_is_not_there_is_an_error(project: Project, sandbox: Sandbox) -> None:
    for command in (("plan",), ("apply", "--yes")):
        done = run(project, *command, "--allow", "newz:removals=x")
        assert done.exit_code == 1
        assert 'did you mean "news"' in done.stderr
    assert sandbox.requests == ()


@pytest.mark.parametrize("rule", ["consent", "cap", "protected", "source"])
def test_what_is_never_let_through_is_a_usage_error(project: Project, sandbox: Sandbox, rule: str) -> None:
    for command in (("plan",), ("apply", "--yes")):
        done = run(project, *command, "--allow", f"news:{rule}=x")
        assert done.exit_code == 2
        assert "only removals and updates may be let pass" in " ".join(done.stderr.split())
    assert sandbox.requests == ()


def test_a_saved_plan_bounds_it_by_what_was_reviewed(project: Project, sandbox: Sandbox, tmp_path: Path) -> None:
    file = str(tmp_path / "saved.plan")
    words = ("--out", file, "--allow", "news:removals=x", "--allow", "other:removals=y")
    assert run(project, "plan", *words).exit_code == 0
    people(project, 14)  # 6 would leave, and 5 were reviewed
    done = run(project, "apply", file, "--yes", "--drift", "100")
    assert done.exit_code == 1
    assert "news was reviewed as “update”, and is “blocked” now" in done.stderr
    assert len(sandbox.world.members("all")) == 20
    people(project, 16)  # 4 leave
    assert run(project, "apply", file, "--yes", "--drift", "20").exit_code == 0
    assert len(sandbox.world.members("all")) == 16
