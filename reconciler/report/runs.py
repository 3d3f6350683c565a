"""Decides how the state of exports and their past runs read: as tables, and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from reconciler.core.due import NOT_DUE
from reconciler.core.plan import EXCLUSIONS
from reconciler.core.status import WORDS
from reconciler.report.applied import STATUS_STYLES, outcome, reason_lines_of
from reconciler.report.escape import FORMAT, dumps, visible
from reconciler.report.layout import Line, Style, paragraph, plain, rendered, table
from reconciler.report.summary import occupancy
from reconciler.report.text import WIDTH
from reconciler.report.words import duration, elapsed, left_out, moment, number, on_site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.core.record import ExportRun, Reject, Run
    from reconciler.core.status import ConnectionStatus, StatusRow

PREFIX = 12
"""Hexadecimal digits of a person's keyed digest that are shown."""

MOST_REJECTS = 50
"""Rejected people that `show` lists unless it is asked for all of them."""

_HEADS = ("EXPORT", "CONNECTION", "TYPE", "STATUS", "PEOPLE", "PENDING", "REFRESHED", "NEXT DUE", "OVERDUE", "SCHEDULE")


def status_text(
    rows: Sequence[StatusRow],
    connections: Sequence[ConnectionStatus] = (),
    *,
    color: bool = False,
    width: int = WIDTH,
) -> str:
    """Give the exports as the Exports page shows them, what asks for attention first, and how full connections are."""
    if not rows:
        return "No exports are declared.\n"
    ordered = sorted(rows, key=lambda row: WORDS.index(row.status) if row.status in WORDS else -1)
    lines = table(_HEADS, [_status_cells(row) for row in ordered], "<<<<>><<><")
    notes = [line for row in ordered for text in _notes(row) for line in _note(row, text, width)]
    full = [plain(visible(occupancy(c.name, c.display_name, c.people, c.limit))) for c in connections]
    parts = [part for part in (lines, notes, full) if part]
    return rendered([line for part in parts for line in (*part, plain(""))][:-1], color=color)


def _status_cells(row: StatusRow) -> list[str]:
    return [
        visible(row.export),
        visible(row.connection),
        visible(row.type),
        visible(row.status),
        number(row.people),
        number(row.pending) if row.pending else "",
        moment(row.refreshed),
        "now" if row.due else "" if row.next_due is None else on_site(row.next_due),
        "" if row.late is None else duration(row.late.total_seconds()),
        visible(row.schedule),
    ]


def _notes(row: StatusRow) -> list[str]:
    """Give what is to be read below the table. That an export was not due says no more than when it is due."""
    skipped = row.skipped if row.skipped and not row.skipped.startswith(NOT_DUE) else ""
    return [text for text in (row.detail, skipped and f"skipped: {skipped}") if text]


def _note(row: StatusRow, text: str, width: int) -> list[Line]:
    return [plain(line) for line in reason_lines_of(f"{row.export}: {text}", width)]


def history_text(runs: Sequence[Run], export: str | None = None, *, color: bool = False) -> str:
    """Give past runs in their order, one a line; with `export`, what they did for that one."""
    if not runs:
        return "No runs yet.\n"
    heads = ("RUN", "STARTED", "TRIGGER", "STATUS", "EXPORTS", "SENT", "LEFT", "REJECTED", "REQUESTS", "TIME")
    return rendered(table(heads, [_history_cells(run, export) for run in runs], "<<<<>>>>>>"), color=color)


def _history_cells(run: Run, export: str | None) -> list[str]:
    chosen = [done for done in run.exports if export in {None, done.export}]
    status = chosen[0].status if export is not None and chosen else run.status
    seconds = elapsed(run)
    return [
        visible(run.id),
        moment(run.started),
        visible(run.trigger),
        status.value,
        number(len(chosen)),
        number(sum(done.sent for done in chosen)),
        number(sum(done.left for done in chosen)),
        number(sum(done.rejected for done in chosen)),
        number(run.requests),
        "" if seconds is None else duration(seconds),
    ]


def run_text(
    run: Run, rejects: Sequence[Reject], *, color: bool = False, verbose: bool = False, width: int = WIDTH
) -> str:
    """Give one run: its exports with their reasons, and the people rejected by the beginning of their keyed digest."""
    planned = f", plan {visible(run.checksum[:PREFIX])}" if run.checksum else ""
    facts = f"Started {moment(run.started)}, trigger {visible(run.trigger)}{planned}."
    lines = [*paragraph(outcome(run), width), *paragraph(facts, width), plain("")]
    for done in run.exports:
        lines += _export_lines(done, width)
    if not rejects:
        return rendered(lines, color=color)
    shown = rejects if verbose else rejects[:MOST_REJECTS]
    lines += [plain(""), *_reject_lines(rejects, shown)]
    return rendered(lines, color=color)


def _export_lines(done: ExportRun, width: int) -> list[Line]:
    figures = (
        (done.created, "new"),
        (done.updated, "changed"),
        (done.left, "left"),
        (done.unchanged, "unchanged"),
        (done.sent, "sent"),
        (done.rejected, "rejected"),
    )
    said = ", ".join(f"{number(amount)} {word}" for amount, word in figures if amount) or "nothing to do"
    status = (f"  {done.status.value:<11}   ", STATUS_STYLES[done.status])
    lines: list[Line] = [(status, (f"{visible(done.export)}: {said}", Style.PLAIN))]
    excluded = left_out(done.excluded)
    below = [f"left out: {excluded}"] if excluded else []
    below += [f"read: {visible(done.snapshot)}"] if done.snapshot else []
    for text in (*below, *(f"allowed: {waiver}" for waiver in done.allowed), *done.reasons):
        lines += [plain(" " * 16 + line) for line in reason_lines_of(text, width - 16)]
    return lines


def _reject_lines(rejects: Sequence[Reject], shown: Sequence[Reject]) -> list[Line]:
    """Give how often each reason came up, then who was rejected."""
    reasons = Counter(visible(reject.reason) for reject in rejects).most_common()
    lines = table(("REJECTED", "REASON"), [(number(people), reason) for reason, people in reasons], "><")
    people = [(reject.key.hex()[:PREFIX], visible(reject.export), visible(reject.reason)) for reject in shown]
    lines += [plain(""), *table(("PERSON", "EXPORT", "REASON"), people, "<<<")]
    hidden = len(rejects) - len(shown)
    if hidden:
        lines.append(plain(f"{number(hidden)} more; `--output json` gives all of them."))
    return lines


def status_json(rows: Sequence[StatusRow], connections: Sequence[ConnectionStatus] = ()) -> str:
    """Give `status` as JSON."""
    exports = [
        {
            "name": row.export,
            "connection": row.connection or None,
            "type": row.type,
            "status": row.status,
            "people": row.people,
            "pending": row.pending,
            "refreshed": None if row.refreshed is None else row.refreshed.isoformat(),
            "schedule": row.schedule,
            "detail": row.detail,
            "due": row.due,
            "next_due": None if row.next_due is None else row.next_due.isoformat(),
            "overdue": None if row.overdue is None else row.overdue.isoformat(),
            "overdue_seconds": None if row.late is None else int(row.late.total_seconds()),
            "skipped": row.skipped,
        }
        for row in rows
    ]
    profiles = [
        {"name": c.name, "displayName": c.display_name, "profiles": {"recorded": c.people, "limit": c.limit}}
        for c in connections
    ]
    return dumps({"format": FORMAT, "command": "status", "connections": profiles, "exports": exports})


def history_json(runs: Sequence[Run]) -> str:
    """Give `history` as JSON."""
    return dumps({"format": FORMAT, "command": "history", "runs": [_run_object(run) for run in runs]})


def run_json(run: Run, rejects: Sequence[Reject]) -> str:
    """Give `show` as JSON."""
    refused = [
        {"connection": r.connection, "export": r.export, "person": r.key.hex(), "reason": r.reason} for r in rejects
    ]
    return dumps({"format": FORMAT, "command": "show", "run": _run_object(run), "rejects": refused})


def _run_object(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "started": run.started.isoformat(),
        "ended": None if run.ended is None else run.ended.isoformat(),
        "seconds": elapsed(run),
        "trigger": run.trigger,
        "status": run.status.value,
        "checksum": run.checksum,
        "requests": run.requests,
        "exports": [_export_object(done) for done in run.exports],
    }


def _export_object(done: ExportRun) -> dict[str, Any]:
    return {
        "name": done.export,
        "connection": done.connection or None,
        "action": done.action,
        "status": done.status.value,
        "profiles": {
            "create": done.created,
            "update": done.updated,
            "unchanged": done.unchanged,
            "leave": done.left,
        },
        "sent": done.sent,
        "rejected": done.rejected,
        "excluded": {**dict.fromkeys(EXCLUSIONS, 0), **done.excluded},
        "reasons": list(done.reasons),
        "allowed": list(done.allowed),
        "snapshot": done.snapshot,
    }
