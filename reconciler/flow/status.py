"""Decides what `status` says of each export: as the Exports page of Customer Insights shows it, but true."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from reconciler.core.due import RUNS, Story, newest_first, timing
from reconciler.core.status import ConnectionStatus, StatusRow
from reconciler.flow.turns import names_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from reconciler.core.due import Calendar, Past, Timing
    from reconciler.core.model import Declarations, Export, Schedule
    from reconciler.core.ports import LedgerReader
    from reconciler.core.record import RecordedExport

GONE = "no longer declared: the next run retires it"


@dataclass(frozen=True, slots=True)
class Asked:
    """When `status` is asked for, and by which calendar schedules are read."""

    now: dt.datetime
    calendar: Calendar


def overview(
    declarations: Declarations, ledger: LedgerReader, asked: Asked
) -> tuple[tuple[StatusRow, ...], tuple[ConnectionStatus, ...]]:
    """Give a row for each export, declared or recorded, and one for each connection that has a limit."""
    recorded = {(name, e.name): e for name in ledger.connections() for e in ledger.exports(name)}
    story = Story(newest_first(ledger.runs(limit=RUNS)))
    rows = [_declared(export, declarations, recorded, story, asked) for export in declarations.exports.values()]
    declared = {name for export in declarations.exports.values() for name in _names(export, declarations)}
    rows += [
        StatusRow(e.name, name, "autopilot", "Not started", e.people, detail=GONE)
        for (name, _), e in sorted(recorded.items())
        if (name, e.name) not in declared
    ]
    connections = tuple(
        ConnectionStatus(c.name, c.display_name, people(ledger, c.name), c.limit)
        for c in declarations.connections.values()
    )
    return tuple(rows), connections


def people(ledger: LedgerReader, connection: str) -> int:
    """Count the distinct people recorded over all exports of a connection."""
    return sum(1 for _ in groupby(ledger.claims(connection), key=lambda claim: claim.key))


def _names(export: Export, declarations: Declarations) -> list[tuple[str, str]]:
    """Give what an export may be known by, its present name first."""
    connection = declarations.connections[export.connection] if export.connection else None
    former = connection.previous_name if connection else None
    present = (export.connection or "", export.name)
    return sorted(names_of(export, former or present[0]), key=lambda name: name != present)


def _declared(
    export: Export,
    declarations: Declarations,
    recorded: Mapping[tuple[str, str], RecordedExport],
    story: Story,
    asked: Asked,
) -> StatusRow:
    connection = export.connection or ""
    names = _names(export, declarations)
    known = next((recorded[name] for name in names if name in recorded), None)
    found = story.of(names)
    status, detail = _words(export, found)
    due = timing_of(asked.calendar, export, found, asked.now)
    return StatusRow(
        export=export.name,
        connection=connection,
        type=declarations.connections[connection].type if connection else "",
        status=status,
        people=known.people if known else 0,
        refreshed=found.fresh[0].ended if found.fresh else None,
        schedule=_schedule(export.schedule),
        detail=detail,
        pending=found.last[1].rejected if found.last else 0,
        due=due is not None and due.now,
        next_due=due.next if due else None,
        overdue=due.since if due else None,
        late=asked.now - due.since if due and due.since else None,
        skipped="; ".join(found.skipped.reasons) if found.skipped else "",
    )


def timing_of(calendar: Calendar, export: Export, found: Past, now: dt.datetime) -> Timing | None:
    """Judge the schedule of an export that is run by one."""
    idle = export.connection is None or export.suspended or "schedule" not in export.triggers
    return None if idle or export.schedule is None else timing(calendar, export.schedule, found, now)


def _words(export: Export, found: Past) -> tuple[str, str]:
    if export.connection is None:
        return "Detached", "it has no connection, and does not run"
    if found.last is None:
        return ("Suspended" if export.suspended else "Not started"), ""
    done = found.last[1]
    return ("Suspended" if export.suspended else done.status.value), "; ".join(done.reasons)


def _schedule(schedule: Schedule | None) -> str:
    if schedule is None:
        return "with every refresh"
    if schedule.cron is not None:
        return f"cron {schedule.cron} ({schedule.timezone})"
    days = f" on {', '.join(schedule.on)}" if schedule.on else ""
    return f"every {schedule.every}{days} at {', '.join(schedule.at)} ({schedule.timezone})"
