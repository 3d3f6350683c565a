"""The JSON of a plan and of an apply keeps its promised keys, and the published schemas are those in `schemas/`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.command import reconciler

from reconciler.core.diagnostics import Diagnostic, Severity, Where
from reconciler.core.plan import Action, ConnectionPlan, Counts, ExportPlan, Plan, Reason, Requests, SegmentPlan
from reconciler.core.record import ExportRun, Run, RunStatus
from reconciler.report.diagnostics import diagnostics_json, diagnostics_text, workflow_annotations
from reconciler.report.document import plan_document
from reconciler.report.schema import documents, schemas

SCHEMAS = Path(__file__).parent.parent / "schemas"

PLAN = Plan(
    (
        ConnectionPlan(
            "marketing",
            "Marketing",
            10,
            100,
            20,
            Requests(bulk=13, removals=12),
            exports=(
                ExportPlan(
                    "gold",
                    "marketing",
                    Action.UPDATE,
                    profiles=Counts(10, 1, 2, 7, 3, 4),
                    excluded={"no_email": 5},
                    segments=(SegmentPlan("vip", "VIP", 10, 1, 2),),
                ),
                ExportPlan(
                    "lapsed",
                    "marketing",
                    Action.BLOCKED,
                    (
                        Reason(
                            "consent", "consent does not cover Phone", Where("a.yaml", 3, 5), "add it at", Where("c")
                        ),
                    ),
                ),
            ),
        ),
    ),
    (ExportPlan("old", "", Action.SKIPPED, (Reason("detached", "it has no connection"),)),),
    (Diagnostic(Where("a.yaml", 1, 2), "unused", "nothing uses it"),),
)

PROMISED: dict[str, Any] = {
    "format": 1,
    "command": "plan",
    "checksum": PLAN.checksum,
    "changes": True,
    "connections": [{"name": "marketing", "profiles": {"desired": 10, "limit": 100}, "requests": 25, "seconds": 1.25}],
    "exports": [
        {
            "name": "gold",
            "connection": "marketing",
            "action": "update",
            "reasons": [],
            "profiles": {"desired": 10, "create": 1, "update": 2, "unchanged": 7, "leave": 3},
            "excluded": {"no_email": 5, "invalid_email": 0, "duplicate": 0, "no_consent": 0, "suppressed": 0},
            "segments": [{"name": "vip", "list": "VIP", "members": 10, "add": 1, "remove": 2}],
        },
        {"name": "lapsed", "reasons": ["consent does not cover Phone (a.yaml:3:5): add it at c:1:1"]},
        {"name": "old", "connection": None, "action": "skipped", "reasons": ["it has no connection"]},
    ],
    "diagnostics": [
        {
            "file": "a.yaml",
            "line": 1,
            "column": 2,
            "severity": "error",
            "rule": "unused",
            "message": "nothing uses it",
        }
    ],
}


def assert_holds(found: Any, promised: Any) -> None:
    """Every promised key is there with its value; more keys may be."""
    if isinstance(promised, dict):
        for key, value in promised.items():
            assert_holds(found[key], value)
    elif isinstance(promised, list):
        assert len(found) == len(promised)
        for item, value in zip(found, promised, strict=True):
            assert_holds(item, value)
    else:
        assert found == promised


def test_the_promised_keys_of_a_plan_are_there() -> None:
    assert_holds(plan_document(PLAN), PROMISED)


def test_an_apply_adds_the_run_and_what_became_of_each_export() -> None:
    start = dt.datetime(2026, 11, 2, 6, tzinfo=dt.UTC)
    done = ExportRun("gold", "marketing", RunStatus.SUCCESSFUL, "update", sent=3, rejected=1)
    run = Run("20261102-1", start, start + dt.timedelta(seconds=2), "demand", RunStatus.SUCCESSFUL, "c", 25, (done,))
    outcome = {
        "command": "apply",
        "run": "20261102-1",
        "exports": [
            {"name": "gold", "status": "Successful", "sent": 3, "rejected": 1},
            {"name": "lapsed", "status": "Skipped", "sent": 0, "rejected": 0},
            {"name": "old", "status": "Skipped", "sent": 0, "rejected": 0},
        ],
    }
    document = plan_document(PLAN, run)
    assert_holds(document, outcome)
    assert_holds(plan_document(PLAN), {key: value for key, value in PROMISED.items() if key not in outcome})
    assert set(plan_document(PLAN)) <= set(document)


@pytest.mark.parametrize("key", ["checksum", "changes", "connections", "exports", "diagnostics", "format"])
def test_the_schema_refuses_a_plan_that_lacks_a_key(key: str) -> None:
    document = {name: value for name, value in plan_document(PLAN).items() if name != key}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schemas()["plan.schema.json"], jsonschema.Draft202012Validator)


def test_the_schema_refuses_an_apply_that_says_nothing_of_its_run() -> None:
    document = plan_document(PLAN) | {"command": "apply"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schemas()["plan.schema.json"], jsonschema.Draft202012Validator)


@pytest.mark.parametrize("name", sorted(documents()))
def test_the_published_schema_is_the_one_the_code_gives(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas()[name])
    assert (SCHEMAS / name).read_text(encoding="utf-8") == documents()[name]


FAULT = Diagnostic(Where("exports/a,b.yaml", 3, 5), "unknown-key", "50% wrong: 'fo'\n::error::x")


def test_faults_are_counted_and_read_as_editors_expect() -> None:
    assert diagnostics_text((FAULT,)) == (
        "exports/a,b.yaml:3:5: error: [unknown-key] 50% wrong: 'fo'\\n::error::x\n\n1 error.\n"
    )
    assert diagnostics_text(()) == "The declarations are valid.\n"
    assert '"valid": true' in diagnostics_json(())
    assert '"valid": false' in diagnostics_json((FAULT,))


def test_an_annotation_cannot_be_ended_from_within() -> None:
    assert workflow_annotations((FAULT,)) == (
        "::error file=exports/a%2Cb.yaml,line=3,col=5,title=unknown-key::50%25 wrong: 'fo'%0A\\x3a:error::x\n"
    )


def test_annotations_name_files_from_the_top_of_what_was_checked_out(tmp_path: Path) -> None:
    (tmp_path / "mail" / "exports").mkdir(parents=True)
    (tmp_path / "mail" / "exports" / "bad.yaml").write_text("kind: Nothing\n")
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    done = reconciler(tmp_path / "mail", "validate", environ=environ)
    assert done.returncode == 1
    assert done.stderr.startswith("::error file=mail/exports/bad.yaml,line=1,")
    assert "\nexports/bad.yaml:1:" in "\n" + done.stdout
    elsewhere = reconciler(
        tmp_path / "mail", "validate", environ=environ | {"GITHUB_WORKSPACE": str(tmp_path / "other")}
    )
    assert elsewhere.stderr.startswith("::error file=exports/bad.yaml,line=1,")


def test_of_many_faults_the_worst_are_annotated_and_the_cut_is_said_first() -> None:
    warnings = [Diagnostic(Where("exports/a.yaml", line), "w", "a warning", Severity.WARNING) for line in range(1, 9)]
    errors = [Diagnostic(Where("exports/b.yaml", line), "e", "an error") for line in range(1, 5)]
    first, *rest = workflow_annotations([*warnings, *errors]).splitlines()
    assert first == "::error::3 more faults of this step cannot be shown here; its log has them all"
    assert len(rest) == 9
    assert all(line.startswith("::error file=exports/b.yaml") for line in rest[:4])
    assert len(workflow_annotations(warnings + errors[:2]).splitlines()) == 10
