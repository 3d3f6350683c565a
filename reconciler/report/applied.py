"""Decides how the outcome of `apply` reads on a terminal: what went wrong first, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.plan import Action
from reconciler.core.record import RunStatus
from reconciler.report.escape import visible
from reconciler.report.layout import Line, Style, columns, paragraph, plain, rendered, wrapped
from reconciler.report.summary import titled
from reconciler.report.text import WIDTH, reason_lines
from reconciler.report.words import count, duration, elapsed, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.core.plan import ExportPlan, Plan
    from reconciler.core.record import ExportRun, Run

STATUS_STYLES = {
    RunStatus.FAILED: Style.BAD,
    RunStatus.CANCELED: Style.BAD,
    RunStatus.INTERRUPTED: Style.BAD,
    RunStatus.RUNNING: Style.CHANGED,
    RunStatus.SKIPPED: Style.FAINT,
    RunStatus.SUCCESSFUL: Style.GOOD,
}
_RANK = {status: rank for rank, status in enumerate(STATUS_STYLES)}
_UNFINISHED = {RunStatus.FAILED, RunStatus.CANCELED, RunStatus.INTERRUPTED}


def apply_text(plan: Plan, run: Run, *, color: bool = False, width: int = WIDTH) -> str:
    """Give the outcome of each export, by connection, and of the run."""
    planned = {(export.connection, export.name): export for export in plan.exports}
    titles = {c.name: titled(c.name, c.display_name) for c in plan.connections}
    lines: list[Line] = []
    for connection in dict.fromkeys(export.connection for export in run.exports):
        here = [export for export in run.exports if export.connection == connection]
        title = visible(titles.get(connection, connection) or "Without a connection")
        lines += [*paragraph(title, width, style=Style.STRONG), plain("")]
        lines += _exports(sorted(here, key=lambda e: (not _blocked(e), _RANK[e.status])), planned, width)
        lines.append(plain(""))
    lines += [plain(line) for line in wrapped(outcome(run) + _who(run), width)]
    return rendered(lines, color=color)


def _exports(runs: Sequence[ExportRun], planned: dict[tuple[str, str], ExportPlan], width: int) -> list[Line]:
    names = max(len(visible(run.export)) for run in runs)
    indent = 2 + len(RunStatus.INTERRUPTED.value) + 3 + names + 3
    cells = columns([_cells(run) for run in runs], ">>>>")
    lines: list[Line] = []
    for run, counted in zip(runs, cells, strict=True):
        said = [counted] if counted else []
        plan = planned.get((run.connection, run.export))
        if plan is not None and plan.action is Action.BLOCKED and _blocked(run):
            said += reason_lines(plan.reasons, "blocked", indent, width)
        else:
            told = (*(f"allowed: {waiver}" for waiver in run.allowed), *run.reasons)
            said += [line for reason in told for line in reason_lines_of(reason, width - indent)]
        first, *rest = said or ["nothing to do"]
        status = f"  {run.status.value:<{len(RunStatus.INTERRUPTED.value)}}   "
        lines.append(((status, STATUS_STYLES[run.status]), (f"{visible(run.export):<{names}}   {first}", Style.PLAIN)))
        lines += [plain(" " * indent + line) for line in rest]
    return lines


def reason_lines_of(reason: str, width: int) -> list[str]:
    """Give a recorded reason, escaped and broken to the width."""
    return wrapped(visible(reason), width, "  ")


def _blocked(run: ExportRun) -> bool:
    return run.action == Action.BLOCKED.value


def _cells(run: ExportRun) -> list[str]:
    return [
        f"{number(run.sent)} sent" if run.sent else "",
        f"{number(run.left)} left" if run.left else "",
        f"{number(run.rejected)} rejected" if run.rejected else "",
        f"{number(run.unchanged)} unchanged" if run.unchanged else "",
    ]


def outcome(run: Run) -> str:
    """Give the sentences on the whole run: status, cost, what was blocked, what is left; escaped."""
    seconds = elapsed(run)
    took = "" if seconds is None else f" in {duration(seconds)}"
    blocked = sum(map(_blocked, run.exports))
    said = [f"Run {visible(run.id)}: {run.status.value}. {count(run.requests, 'request')}{took}."]
    if blocked:
        said.append(f"{count(blocked, 'export was', 'exports were')} blocked.")
    if run.status in _UNFINISHED or any(export.status in _UNFINISHED for export in run.exports):
        said.append("The next run takes up what is left.")
    return " ".join(said)


def _who(run: Run) -> str:
    rejected = sum(export.rejected for export in run.exports)
    if not rejected:
        return ""
    were = count(rejected, "person was", "people were")
    return f" {were} rejected; `reconciler show {visible(run.id)}` says why."
