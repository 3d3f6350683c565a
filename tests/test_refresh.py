"""Whatever hands do between two runs, `apply --refresh` brings the declared world back, and spares what is not ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.command import PROGRAM, reconciler
from support.project import FREELY, Project, connection, export, segment, source

from reconciler.core.plan import ExportDrift, ListDrift
from reconciler.core.record import RunStatus
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.plan import ExportPlan, Plan
    from reconciler.sandbox.world import World

COLUMNS = ("id", "email", "first", "one", "two")
TITLES = ("one", "two")
UNIVERSE = 7
STRANGERS = 3
counter = iter(range(1, 1_000_000))


def address(number: int) -> str:
    return f"person{number}@example.com"


def rows(members: dict[int, tuple[bool, bool]]) -> list[tuple[object, ...]]:
    """Give the table: who is in which of the two segments."""
    return [
        (number, address(number), f"First{number}", "Y" if one else "N", "Y" if two else "N")
        for number, (one, two) in sorted(members.items())
    ]


def wanted(members: dict[int, tuple[bool, bool]], title: str) -> set[str]:
    return {address(number) for number, places in members.items() if places[TITLES.index(title)]}


@dataclass
class Hands:
    """What was done by hand, and who is on which list by hand alone: kept apart from the record of the product."""

    world: World
    ids: dict[str, str]  # title -> the list that is ours
    ours: dict[str, set[str]]  # title -> whom the first run put there
    stay: dict[str, set[str]] = field(default_factory=lambda: {title: set() for title in TITLES})

    def play(self, deed: tuple[str, str, int]) -> None:
        getattr(self, f"_{deed[0]}")(deed[1], deed[2])

    def _off(self, title: str, number: int) -> None:
        if self.world.contact(address(number)) is not None and title in self.ids:
            self.world.remove_member(self.ids[title], address(number))
            self.stay[title].discard(address(number))

    def _on(self, title: str, number: int) -> None:
        if title in self.ids:
            self.world.add_contact({"Email": address(number), "Company": "Contoso"})
            self.world.add_member(self.ids[title], address(number))
            if address(number) not in self.ours[title]:
                self.stay[title].add(address(number))

    def _delete(self, _: str, number: int) -> None:
        self.world.remove_contact(address(number))
        for people in self.stay.values():
            people.discard(address(number))

    def _unsubscribe(self, _: str, number: int) -> None:
        self.world.unsubscribe(address(number))

    def _unlist(self, title: str, _: int) -> None:
        if title in self.ids:
            self.world.remove_list(self.ids.pop(title))
            self.stay[title].clear()

    def _nameless(self, title: str, _: int) -> None:
        if title in self.ids:
            self.world.add_member(self.ids[title], self.world.add_contact({"FirstName": "Nameless"}))


deeds = st.lists(
    st.tuples(
        st.sampled_from(["off", "off", "on", "on", "delete", "unsubscribe", "unlist", "nameless"]),
        st.sampled_from(TITLES),
        st.integers(0, UNIVERSE + STRANGERS - 1),
    ),
    max_size=8,
)
people = st.dictionaries(st.integers(0, UNIVERSE - 1), st.tuples(st.booleans(), st.booleans()))
switches = st.builds(
    Switches,
    rate=st.just(0.0),
    bulk_lists=st.sampled_from(["honoured", "ignored"]),
    unknown_list=st.sampled_from(["text", "empty"]),
    not_modified=st.booleans(),
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


def declare(project: Project, **spec: Any) -> None:
    match = {"Email": "email", "FirstName": "first"}
    project.declare(
        connection(url=project.url, fields=("Email", "FirstName")),
        source(),
        segment("one", "one = 'Y'"),
        segment("two", "two = 'Y'"),
        export("first", ["one", "two"], match, allowEmpty=True, **spec),
        export("second", ["two"], {"Email": "email"}, allowEmpty=True),
    )


@settings(max_examples=30)
@given(before=people, after=people, deeds=deeds, switches=switches)
def test_after_apply_refresh_the_world_is_the_declared_one(
    sandbox: Sandbox,
    before: dict[int, tuple[bool, bool]],
    after: dict[int, tuple[bool, bool]],
    deeds: list[tuple[str, str, int]],
    switches: Switches,
) -> None:
    key = f"{next(counter):032x}"
    sandbox.switches = replace(switches)
    world = sandbox.account(key)
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), sandbox.url, {"AUTOPILOT_API_KEY": key})
        declare(project)
        project.people(COLUMNS, rows(before))
        assert project.apply()[1].status is RunStatus.SUCCESSFUL
        ids = {title: found[0] for title in TITLES if (found := world.lists_titled(title))}
        hands = Hands(world, ids, {title: wanted(before, title) for title in TITLES})
        for deed in deeds:
            hands.play(deed)
        project.people(COLUMNS, rows(after))
        silent = len(sandbox.requests)
        planned = project.plan(refresh=True)
        assert {entry.method for entry in sandbox.requests[silent:]} <= {"GET"}
        applied, run = project.apply(refresh=True)
        assert run.status is RunStatus.SUCCESSFUL, run
        assert applied.checksum == planned.checksum  # what was shown without writing is what was done
        check(world, hands, after)
        again, _ = project.apply(refresh=True)
        assert not again.changes
        assert not project.plan().changes


def check(world: World, hands: Hands, after: dict[int, tuple[bool, bool]]) -> None:
    for title in TITLES:
        lists = world.lists_titled(title)
        assert len(lists) <= 1
        assert world.members(title) == wanted(after, title) | hands.stay[title]
    for number in {n for n, places in after.items() if any(places)}:
        contact = world.contact(address(number))
        assert contact is not None
        assert contact.fields["FirstName"] == f"First{number}"


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:  # what one test leaves unanswered would be met in another
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    return applied(tmp_path, sandbox)


def applied(tmp_path: Path, sandbox: Sandbox) -> Project:
    sandbox.switches = Switches(rate=0)
    made = Project(tmp_path, sandbox.url, {"AUTOPILOT_API_KEY": f"{next(counter):032x}"})
    declare(made)
    made.people(COLUMNS, rows({number: (True, number < 2) for number in range(5)}))
    made.apply()
    return made


def world_of(project: Project, sandbox: Sandbox) -> World:
    return sandbox.account(project.environ["AUTOPILOT_API_KEY"])


def first(plan: Plan) -> ExportPlan:
    return next(one for one in plan.exports if one.name == "first")


def test_a_plan_tells_each_kind_of_drift(project: Project, sandbox: Sandbox) -> None:
    world = world_of(project, sandbox)
    one, two = world.lists_titled("one")[0], world.lists_titled("two")[0]
    world.remove_member(one, address(3))
    world.remove_contact(address(4))
    world.add_contact({"Email": "guest@example.com"})
    world.add_member(one, "guest@example.com")
    world.remove_list(two)
    drift = first(project.plan(refresh=True)).drift
    assert drift == ExportDrift((ListDrift("one", taken_off=1, added=1), ListDrift("two", vanished=True)), contacts=1)
    done = reconciler(project.root, "plan", "--refresh", "--exit-code", environ=project.environ)
    assert done.returncode == 2, done.stderr
    for words in ("1 person was taken off one", "whom no run put there", "1 contact is gone", "two is gone"):
        assert words in " ".join(done.stdout.split())
    assert "Read 2 lists at Autopilot" in done.stdout
    markdown = reconciler(project.root, "plan", "--refresh", "--output", "markdown", environ=project.environ).stdout
    assert "taken off one by hand" in markdown
    told = json.loads(reconciler(project.root, "plan", "--refresh", "--output", "json", environ=project.environ).stdout)
    assert told["connections"][0]["look"]["lists"] == 2
    assert {one["name"]: one["drift"]["contacts"] for one in told["exports"]} == {"first": 1, "second": 0}
    assert "guest" not in done.stdout + markdown + json.dumps(told)


def test_without_a_look_nothing_is_said_of_drift_and_nothing_is_asked(project: Project, sandbox: Sandbox) -> None:
    sandbox.forget_requests()
    plan = project.plan()
    assert sandbox.requests == ()
    assert [one.drift for one in plan.exports] == [None, None]


def test_a_renamed_list_is_kept_by_its_id(project: Project, sandbox: Sandbox) -> None:
    world = world_of(project, sandbox)
    one = world.lists_titled("one")[0]
    members = world.members_of(one)
    world.add_list("uno \x1b[31m", one)  # the same list under another title
    for each in members:
        world.add_member(one, each)
    told = first(project.plan(refresh=True))
    assert told.drift == ExportDrift((ListDrift("one", renamed="uno \x1b[31m"),))
    done = reconciler(project.root, "plan", "--refresh", environ=project.environ)
    assert "is called uno" in done.stdout
    assert "\x1b" not in done.stdout
    project.people(COLUMNS, rows(dict.fromkeys(range(4), (True, False))))
    project.apply(refresh=True)
    assert world.members_of(one) == {address(number) for number in range(4)}
    assert world.lists_titled("one") == ()


def test_one_list_under_two_names_is_refused(project: Project, sandbox: Sandbox) -> None:
    world = world_of(project, sandbox)
    one = world.lists_titled("one")[0]
    members = world.members_of(one)
    world.add_list("uno", one)  # the same list under another title
    for each in members:
        world.add_member(one, each)
    more = export("more", [{"name": "one", "list": "uno"}], safety=dict(FREELY))
    project.declare(more, file="more.yaml")
    _, run = project.apply()
    (failed,) = [each for each in run.exports if each.status is RunStatus.FAILED]
    assert (failed.export, failed.reasons[0].split(";")[0]) == (
        "more",
        'the list "uno" is the one that a segment knows as "one": somebody renamed it at Autopilot',
    )
    assert world.members_of(one) == members


def test_who_was_put_back_is_no_removal_and_no_update(project: Project, sandbox: Sandbox) -> None:
    declare(project, safety={"maxRemovals": 0, "maxUpdates": 0})
    world = world_of(project, sandbox)
    for number in range(5):
        world.remove_contact(address(number))
    _, run = project.apply(refresh=True)
    assert run.status is RunStatus.SUCCESSFUL
    assert world.members("one") == {address(number) for number in range(5)}


def test_a_contact_that_was_replaced_still_leaves_when_it_is_not_wanted(project: Project, sandbox: Sandbox) -> None:
    world = world_of(project, sandbox)
    one = world.lists_titled("one")[0]
    world.remove_contact(address(4))
    world.add_contact({"Email": address(4)})
    world.add_member(one, address(4))
    project.people(COLUMNS, rows(dict.fromkeys(range(4), (True, False))))
    project.apply(refresh=True)
    assert world.members("one") == {address(number) for number in range(4)}


def test_a_list_that_cannot_be_read_stops_everything_before_anything_is_sent(
    project: Project, sandbox: Sandbox
) -> None:
    world = world_of(project, sandbox)
    before = world.snapshot()
    project.people(COLUMNS, rows({0: (True, True)}))
    sandbox.switches = Switches(rate=0, faults=(Fault("401-from-now", path="/list/*/contacts"),))
    sandbox.forget_requests()
    for command in (["plan", "--refresh"], ["apply", "--refresh", "--yes"]):
        done = reconciler(project.root, *command, environ=project.environ)
        assert done.returncode == 1
        assert done.stderr.startswith("error: GET /list")
    assert {entry.method for entry in sandbox.requests} == {"GET"}
    sandbox.switches = Switches(rate=0)
    assert world.snapshot() == before


def test_only_the_connections_that_run_are_looked_at(project: Project, sandbox: Sandbox) -> None:
    other = connection("other", url="http://127.0.0.1:9/v1")
    project.declare(other, export("third", ["one"], connection="other"), file="other.yaml")
    done = reconciler(project.root, "plan", "--refresh", "--export", "first", environ=project.environ)
    assert done.returncode == 0, done.stderr
    assert sandbox.requests


def test_people_in_doubt_are_not_taken_for_strangers(project: Project, sandbox: Sandbox) -> None:
    """A run that is cut off between the request and its record leaves people on the list whom nobody recorded."""
    world = world_of(project, sandbox)
    project.people(COLUMNS, rows(dict.fromkeys(range(8), (True, False))))
    sandbox.switches = Switches(
        rate=0, faults=(Fault("401-from-now", path="/nothing"), Fault("partial", method="POST", path="/contacts"))
    )
    project.apply()  # carried out, and every second person was left out of the answer
    sandbox.switches = Switches(rate=0)
    assert len(world.members("one")) == 8
    project.people(COLUMNS, rows(dict.fromkeys(range(8), (True, False))))
    assert first(project.plan(refresh=True)).drift == ExportDrift()
    project.apply(refresh=True)
    project.people(COLUMNS, rows({0: (True, False)}))
    project.apply()
    assert world.members("one") == {address(0)}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_look_that_is_interrupted_says_so_by_its_exit_code(
    tmp_path: Path, own_sandbox: Sandbox, number: signal.Signals, code: int
) -> None:
    project = applied(tmp_path, own_sandbox)
    own_sandbox.switches = Switches(rate=0, latency=0.5)
    own_sandbox.forget_requests()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "-C", str(project.root), "apply", "--refresh", "--yes"],
        env={**os.environ, **project.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not own_sandbox.requests and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "error" not in said
