"""A plan in other hands: SARIF for code scanning, JSON for policies and for comments, hooks for pre-commit."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML
from support.command import PROGRAM, reconciler
from support.project import Project, connection, export, segment, source

from reconciler.core.diagnostics import Diagnostic, Severity, Where
from reconciler.core.errors import ReconcilerError
from reconciler.core.plan import Action, ConnectionPlan, Counts, ExportPlan, Plan, Reason, Waiver
from reconciler.report.comment import commented
from reconciler.report.document import plan_json
from reconciler.report.markdown import LIMIT, plan_markdown
from reconciler.report.reread import reread
from reconciler.report.sarif import RESULTS, plan_sarif
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
POLICIES = ROOT / "examples" / "policy"
COLUMNS = ("id", "email", "first", "all")

BLOCKED = ExportPlan(
    "lapsed",
    "mail",
    Action.BLOCKED,
    (Reason("consent", "consent does not cover Phone", Where("exports/lapsed.yaml", 12, 5)),),
)
LARGE = ExportPlan("gold", "mail", Action.UPDATE, profiles=Counts(90, 0, 0, 90, 10), notes=("a note",))
SMALL = ExportPlan("small", "mail", Action.UPDATE, profiles=Counts(96, 0, 0, 96, 4))
RETIRED = ExportPlan("old", "mail", Action.RETIRE, profiles=Counts(leave=3))
ALLOWED = ExportPlan("lyon", "mail", Action.NONE, allowed=(Waiver("removals", 9, "9 people leave", "closed"),))
WARNING = Diagnostic(Where("exports/a.yaml", 3, 1), "unused", "nothing uses it", Severity.WARNING)


def plan(*exports: ExportPlan, diagnostics: tuple[Diagnostic, ...] = ()) -> Plan:
    return Plan((ConnectionPlan("mail", "Mail", 1, 2, 20, exports=exports),), (), diagnostics)


# SARIF


def results(text: str) -> list[dict[str, Any]]:
    document = json.loads(text)
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    for result in run["results"]:
        assert result["ruleId"] in rules
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert not place["artifactLocation"]["uri"].startswith(("/", ".."))
        assert place["region"]["startLine"] >= 1
        assert place["region"]["startColumn"] >= 1
    return list(run["results"])


def test_what_is_blocked_is_an_error_what_leaves_a_warning_the_rest_a_note() -> None:
    found = results(plan_sarif(plan(SMALL, LARGE, ALLOWED, RETIRED, BLOCKED, diagnostics=(WARNING,)), "mail"))
    assert [(result["level"], result["ruleId"]) for result in found] == [
        ("error", "consent"),
        ("warning", "large-removal"),
        ("warning", "allowed-removals"),
        ("warning", "retire"),
        ("warning", "unused"),
        ("note", "note"),
    ]
    place = found[0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "mail/exports/lapsed.yaml"
    assert place["region"] == {"startLine": 12, "startColumn": 5}


def test_a_finding_stays_the_same_one_when_only_its_figure_or_its_line_moves() -> None:
    moved = ExportPlan(
        "lapsed", "mail", Action.BLOCKED, (Reason("consent", "other", Where("exports/lapsed.yaml", 40)),)
    )
    larger = ExportPlan("gold", "mail", Action.UPDATE, profiles=Counts(50, 0, 0, 50, 50), notes=("a note",))
    marks = [
        [result["partialFingerprints"] for result in results(plan_sarif(plan(*exports)))]
        for exports in ((BLOCKED, LARGE, RETIRED), (moved, larger, RETIRED))
    ]
    assert marks[0] == marks[1]
    assert len({json.dumps(mark) for mark in marks[0]}) == len(marks[0])


def test_of_too_many_findings_the_worst_are_given_and_the_cut_is_said() -> None:
    noisy = [ExportPlan(f"e{n}", "mail", Action.NONE, notes=("a note",)) for n in range(RESULTS + 5)]
    text = plan_sarif(plan(*noisy, BLOCKED))
    assert len(results(text)) == RESULTS
    assert results(text)[0]["level"] == "error"
    (told,) = json.loads(text)["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"].startswith("6 findings not shown")


# the JSON read back


def test_what_is_read_back_says_the_same() -> None:
    made = plan(SMALL, LARGE, ALLOWED, RETIRED, BLOCKED, diagnostics=(WARNING,))
    again, checksum = reread(plan_json(made))
    assert plan_markdown(again, checksum=checksum) == plan_markdown(made)


@pytest.mark.parametrize(
    "text", ["[]", "{}", "null", "nonsense", '{"format": 2, "command": "plan"}', '{"format": 1, "command": "apply"}']
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ReconcilerError):
        reread(text)


def test_a_comment_is_needed_where_something_changes_or_stands_in_the_way() -> None:
    def needed(made: Plan) -> bool:
        return commented(plan_json(made), "a" * 40, "b" * 40).needed

    assert [needed(made) for made in (plan(ALLOWED), plan(SMALL), plan(BLOCKED))] == [False, True, True]
    assert needed(plan(diagnostics=(WARNING,)))


def test_a_comment_names_its_commits_and_fits() -> None:
    many = [ExportPlan(f"e{n}", "mail", Action.UPDATE, notes=("note " * 50,)) for n in range(500)]
    body = commented(plan_json(plan(*many)), "a" * 40, "b" * 40).body
    assert len(body.encode()) <= LIMIT
    assert "Plan of aaaaaaaaaaaa merged into bbbbbbbbbbbb." in body
    assert body.splitlines()[3].startswith("**Cut to fit a comment:**")


def test_a_plan_that_could_not_be_made_is_said() -> None:
    told = commented("", "a" * 40, "b" * 40)
    assert told.needed
    assert "there is no plan of <code>aaaaaaaaaaaa</code>" in told.body


# policies


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Sandbox(switches=Switches(rate=0)) as server:
        made = Project(tmp_path, server.url)
        made.declare(
            connection("autopilot-newsletter", url=server.url, fields=("Email", "FirstName")),
            source(),
            segment("all", "\"all\" = 'Y'"),
            export("news", ["all"], {"Email": "email", "FirstName": "first"}, connection="autopilot-newsletter"),
        )
        yield made


def table(project: Project, size: int) -> None:
    project.people(COLUMNS, [(n, f"person{n:04}@example.com", "Blue", "Y") for n in range(size)])


ENGINE = """\
import json, sys
from regopy import Interpreter
engine = Interpreter()
engine.add_module("policy", open(sys.argv[1]).read())
engine.set_input(json.load(sys.stdin))
print(engine.query(f"data.{sys.argv[2]}.deny"))
"""


def denied(policy: str, package: str, document: Any) -> list[str]:
    """Ask a policy, in a process of its own: two engines in C++ do not share one."""
    words = [sys.executable, "-c", ENGINE, str(POLICIES / policy), package]
    done = subprocess.run(words, input=json.dumps(document), capture_output=True, text=True, check=True)
    return sorted(json.loads(done.stdout)["expressions"][0])


def planned(project: Project) -> Any:
    done = reconciler(project.root, "plan", "--output", "json", environ=project.environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_policy_stops_a_plan_that_takes_too_many_off(project: Project) -> None:
    table(project, 620)
    assert denied("plan.rego", "main", planned(project)) == []
    project.apply()
    table(project, 110)
    told = "news would take 510 people off its lists, and 500 are allowed"
    assert denied("plan.rego", "main", planned(project)) == [told]


def test_a_policy_stops_a_connection_and_a_waiver(project: Project) -> None:
    table(project, 3)
    document = planned(project)
    document["connections"][0]["name"] = "another"
    document["exports"][0]["allowed"] = [{"rule": "removals", "figure": 3, "message": "", "reason": ""}]
    assert denied("plan.rego", "main", document) == [
        "another is no connection that data may go to",
        "news: the rule removals may not be let pass",
    ]


def test_a_policy_stops_a_field(project: Project) -> None:
    news = export("news", ["all"], {"Email": "email", "Income": "first"})
    assert denied("fields.rego", "fields", news) == ["news sends Income, which is no field that may be sent"]
    for path in sorted((project.root / "exports").glob("*.yaml")):
        for document in YAML(typ="safe", pure=True).load_all(path):
            assert denied("fields.rego", "fields", document) == []


# hooks


def hooks() -> list[Any]:
    return list(YAML(typ="safe", pure=True).load(ROOT / ".pre-commit-hooks.yaml"))


def hook(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a hook as pre-commit does: its entry and its arguments, in the repository's folder."""
    (found,) = [each for each in hooks() if each["id"] == name]
    program, *words = shlex.split(found["entry"]) + list(found.get("args", []))
    assert program == "reconciler"
    assert found["pass_filenames"] is False
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_hooks_check_and_lay_out(project: Project) -> None:
    table(project, 1)
    assert [each["id"] for each in hooks()] == ["reconciler-validate", "reconciler-fmt"]
    assert hook("reconciler-validate", project.root).returncode == 0
    file = project.root / "exports" / "all.yaml"
    before = file.read_bytes()
    assert hook("reconciler-fmt", project.root).returncode == 0
    assert file.read_bytes() != before, "pre-commit fails where a hook changed a file"
    laid_out = file.read_bytes()
    assert hook("reconciler-fmt", project.root).returncode == 0
    assert file.read_bytes() == laid_out
    file.write_text("kind: Nothing\n")
    done = hook("reconciler-validate", project.root)
    assert done.returncode == 1
    assert "exports/all.yaml:1:" in done.stdout
