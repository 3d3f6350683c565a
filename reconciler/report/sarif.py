"""Decides what of a plan is shown by code scanning, as SARIF 2.1.0.

What is blocked is an error, what takes people off lists a warning, what is worth knowing a note. A fingerprint holds
the rule, the export and the connection, and no figure: one finding stays one from day to day.
"""

from __future__ import annotations

import hashlib
import posixpath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler.core.diagnostics import Severity, Where
from reconciler.core.plan import Action
from reconciler.report.escape import clipped, dumps
from reconciler.report.words import count, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.plan import ExportPlan, Plan

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LARGE = 5
"""Of 100 people recorded: who takes off more of them is warned of."""

RESULTS = 5_000
"""What code scanning shows of one file; the worst are given first."""

_LONGEST = 1_000
_LEVELS = ("error", "warning", "note")

Result = dict[str, Any]


def plan_sarif(plan: Plan, prefix: str = "") -> str:
    """Give the plan's findings; `prefix` is the project's folder, from the repository's top."""
    found = [*_of_exports(plan, prefix), *_of_files(plan, prefix)]
    found.sort(key=lambda result: _LEVELS.index(result["level"]))
    cut = max(0, len(found) - RESULTS)
    notice = {"level": "warning", "message": {"text": f"{count(cut, 'finding')} not shown: {RESULTS:,} are the most"}}
    run = {
        "tool": {"driver": {"name": "reconciler", "rules": [{"id": rule} for rule in _rules(found[:RESULTS])]}},
        "automationDetails": {"id": posixpath.join("reconciler", posixpath.normpath(prefix or "."), "")},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": [notice] if cut else []}],
        "properties": {"checksum": plan.checksum, "changes": plan.changes},
        "results": found[:RESULTS],
    }
    return dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _of_exports(plan: Plan, prefix: str) -> Iterator[Result]:
    for export in plan.exports:
        match export.action:
            case Action.BLOCKED:
                for reason in export.reasons:
                    yield _result("error", reason.rule, f"blocked: {sentence(reason)}", export, reason.where, prefix)
            case Action.RETIRE:
                leave = count(export.profiles.leave, "person", "people")
                yield _result("warning", "retire", f"retired: {leave} off its lists", export, None, prefix)
            case Action.CREATE | Action.UPDATE if _large(export):
                leave = count(export.profiles.leave, "person", "people")
                yield _result("warning", "large-removal", f"{leave} would leave its lists", export, None, prefix)
            case _:
                pass
        for waiver in export.allowed:
            yield _result("warning", f"allowed-{waiver.rule}", f"let through: {waiver}", export, None, prefix)
        for note in export.notes:
            yield _result("note", "note", note, export, None, prefix, apart=note)


def _large(export: ExportPlan) -> bool:
    counts = export.profiles
    return counts.leave * 100 > LARGE * (counts.unchanged + counts.update + counts.leave)


def _of_files(plan: Plan, prefix: str) -> Iterator[Result]:
    for fault in plan.diagnostics:
        level = "error" if fault.severity is Severity.ERROR else "warning"
        yield _made(level, fault.rule, fault.message, (fault.where.file, fault.message), fault.where, prefix)


def _result(  # the parts of a finding
    level: str, rule: str, text: str, export: ExportPlan, where: Where | None, prefix: str, *, apart: str = ""
) -> Result:
    said = f"{export.name}: {text}"
    return _made(level, rule, said, (export.connection, export.name, apart), where or Where("exports"), prefix)


def _made(  # the same, of anything
    level: str, rule: str, text: str, identity: tuple[str, ...], where: Where, prefix: str
) -> Result:
    mark = hashlib.sha256("\0".join((rule, *identity)).encode(errors="surrogatepass")).hexdigest()
    file = posixpath.normpath(posixpath.join(prefix, where.file))
    place = {
        "artifactLocation": {"uri": _uri(file), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": where.line, "startColumn": where.column},
    }
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": clipped(text, _LONGEST)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"reconciler/v1": mark},
    }


def _uri(file: str) -> str:
    return quote(file, errors="replace")


def _rules(found: list[Result]) -> list[str]:
    return sorted({str(result["ruleId"]) for result in found})
