"""Decides what `status` says of each export: as the Exports page of Customer Insights shows it, but true."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from reconciler.core.record import RunStatus
from reconciler.core.status import ConnectionStatus, StatusRow

if TYPE_CHECKING:
    import datetime as dt

    from reconciler.core.model import Declarations, Export, Schedule
    from reconciler.core.ports import LedgerReader
    from reconciler.core.record import ExportRun, RecordedExport, Run

GONE = "no longer declared: the next run retires it"


def overview(
    declarations: Declarations, ledger: LedgerReader
) -> tuple[tuple[StatusRow, ...], tuple[ConnectionStatus, ...]]:
    """Give a row for each export, declared or recorded, and one for each connection that has a limit."""
    recorded = {(name, e.name): e for name in ledger.connections() for e in ledger.exports(name)}
    last = _last(ledger.runs())
    rows = [_declared(export, declarations, recorded, last) for export in declarations.exports.values()]
    declared = {(export.connection, export.name) for export in declarations.exports.values()}
    former = {(export.connection, export.previous_name) for export in declarations.exports.values()}
    rows += [
        StatusRow(e.name, name, "autopilot", "Not started", e.people, detail=GONE)
        for (name, _), e in sorted(recorded.items())
        if (name, e.name) not in declared | former
    ]
    connections = tuple(
        ConnectionStatus(c.name, c.display_name, people(ledger, c.name), c.limit)
        for c in declarations.connections.values()
    )
    return tuple(rows), connections


def people(ledger: LedgerReader, connection: str) -> int:
    """Count the distinct people recorded over all exports of a connection."""
    return sum(1 for _ in groupby(ledger.claims(connection), key=lambda claim: claim.key))


def _last(runs: tuple[Run, ...]) -> dict[tuple[str, str], tuple[Run, ExportRun]]:
    """Find the newest run of each export that was not skipped, or else the newest; a run cut off has no exports."""
    found: dict[tuple[str, str], tuple[Run, ExportRun]] = {}
    for run in runs:
        for export in run.exports:
            where = (export.connection, export.export)
            if where not in found or found[where][1].status is RunStatus.SKIPPED is not export.status:
                found[where] = (run, export)
    return found


def _declared(
    export: Export,
    declarations: Declarations,
    recorded: dict[tuple[str, str], RecordedExport],
    last: dict[tuple[str, str], tuple[Run, ExportRun]],
) -> StatusRow:
    connection = export.connection or ""
    names = [(connection, export.name), (connection, export.previous_name or "")]
    known = next((recorded[name] for name in names if name in recorded), None)
    run, done = next((last[name] for name in names if name in last), (None, None))
    status, detail = _words(export, done)
    return StatusRow(
        export=export.name,
        connection=connection,
        type=declarations.connections[connection].type if connection else "",
        status=status,
        people=known.people if known else 0,
        refreshed=_refreshed(run, done),
        schedule=_schedule(export.schedule),
        detail=detail,
        pending=done.rejected if done else 0,
    )


def _words(export: Export, done: ExportRun | None) -> tuple[str, str]:
    detail = "; ".join(done.reasons) if done else ""
    if export.connection is None:
        return "Detached", "it has no connection, and does not run"
    if export.suspended:
        return "Suspended", detail
    return (done.status.value, detail) if done else ("Not started", "")


def _refreshed(run: Run | None, done: ExportRun | None) -> dt.datetime | None:
    if run is None or done is None or done.status is not RunStatus.SUCCESSFUL:
        return None
    return run.ended


def _schedule(schedule: Schedule | None) -> str:
    if schedule is None:
        return "with every refresh"
    if schedule.cron is not None:
        return f"cron {schedule.cron} ({schedule.timezone})"
    days = f" on {', '.join(schedule.on)}" if schedule.on else ""
    return f"every {schedule.every}{days} at {', '.join(schedule.at)} ({schedule.timezone})"
