"""Decides what a GitHub workflow is told about a plan and a run: outputs, faults at file and line, the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Diagnostic, Severity, Where
from reconciler.core.plan import Action
from reconciler.core.record import RunStatus
from reconciler.report.applied import STATUS_STYLES, outcome
from reconciler.report.escape import clipped, code, prose
from reconciler.report.words import number, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.core.plan import Plan
    from reconciler.core.record import ExportRun, Run

SUMMARY = 1024 * 1024
"""Bytes of Markdown that GitHub takes from one step."""

_LONGEST = 300
"""Characters of a value that is not ours."""

_ROWS = 500
"""Exports whose outcome is named."""

_RANK = {status: rank for rank, status in enumerate(STATUS_STYLES)}
_UNWELL = {RunStatus.FAILED, RunStatus.CANCELED, RunStatus.INTERRUPTED}


def outputs(values: Mapping[str, str], delimiter: str) -> str:
    """Give what is appended to $GITHUB_OUTPUT: each value one line, between lines that nobody can guess."""
    return "".join(f"{name}<<{delimiter}\n{clipped(value, _LONGEST)}\n{delimiter}\n" for name, value in values.items())


def plan_values(plan: Plan, run: Run | None = None) -> dict[str, str]:
    """Give the outputs of a plan, or of the run that carried it out; the reason says the worst, and how many more."""
    failed = [e for e in run.exports if e.status in _UNWELL and e.action != Action.BLOCKED.value] if run else []
    reasons = [
        *(f"{export.export}: {(*export.reasons, export.status.value)[0]}" for export in failed),
        *(f"{export.name} is blocked: {sentence(export.reasons[0])}" for export in plan.blocked if export.reasons),
    ]
    return {
        "changes": "true" if plan.changes else "false",
        "checksum": plan.checksum,
        "failure-reason": _first(reasons),
    }


def _first(reasons: Sequence[str]) -> str:
    more = f" (and {len(reasons) - 1:,} more)" if len(reasons) > 1 else ""
    return f"{clipped(reasons[0], _LONGEST - len(more))}{more}" if reasons else ""


def plan_faults(plan: Plan) -> list[Diagnostic]:
    """Give what stands in the way at file and line: why exports are blocked, then what else was found."""
    reasons = (
        Diagnostic(reason.where or Where("exports"), reason.rule, f"{export.name} is blocked: {sentence(reason)}")
        for export in plan.exports
        if export.action is Action.BLOCKED
        for reason in export.reasons
    )
    return [*reasons, *plan.diagnostics]


def fault_values(found: Sequence[Diagnostic]) -> dict[str, str]:
    """Give the output that says why declarations are refused: the first error, and how many more."""
    errors = [fault for fault in found if fault.severity is Severity.ERROR]
    return {"failure-reason": _first([str(fault) for fault in errors])}


def outdated_faults(files: Iterable[str], remedy: str) -> list[Diagnostic]:
    """Give one fault for each file that is not what a command would write."""
    return [Diagnostic(Where(file), "outdated", f"this file {remedy}") for file in files]


def run_markdown(run: Run) -> str:
    """Give the outcome of a run as Markdown: the worst exports first, and first of all how many are not named."""
    exports = sorted(run.exports, key=lambda export: _RANK[export.status])
    cut = len(exports) - _ROWS
    told = f"**Cut:** {number(cut)} exports not shown; `reconciler show` has them all.\n\n" if cut > 0 else ""
    head = "| Export | | Sent | Left | Rejected | |\n|---|---|--:|--:|--:|---|\n" if exports else ""
    return f"{prose(outcome(run), 1000)}\n\n{told}{head}{''.join(map(_row, exports[:_ROWS]))}\n"


def _row(export: ExportRun) -> str:
    counts = " | ".join(number(figure) if figure else "" for figure in (export.sent, export.left, export.rejected))
    return f"| {code(export.export)} | {export.status.value} | {counts} | {prose(' '.join(export.reasons))} |\n"
