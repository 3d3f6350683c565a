"""The runs as rows. It decides how much of the past is kept, and nothing else."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from reconciler.core.errors import StateError
from reconciler.core.record import ExportRun, Reject, Run, RunStatus

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

RUNS_KEPT = 500
REJECTS_KEPT = 20
"""How many of the last runs keep the list of those whom Autopilot refused."""

_OLD = "serial NOT IN (SELECT serial FROM runs ORDER BY serial DESC LIMIT ?)"
# A schedule that is asked every few minutes writes runs by the thousand in which most exports were not due. What an
# export was when it was seen first, in its last run and in its last success outlives them: without it nobody could
# tell whether it is due.
_NEEDED = (
    "SELECT min(run) FROM run_exports GROUP BY connection, export"
    " UNION SELECT max(run) FROM run_exports WHERE status <> 'Skipped' GROUP BY connection, export"
    " UNION SELECT max(run) FROM run_exports WHERE status = 'Successful' GROUP BY connection, export"
    " UNION SELECT max(run) FROM run_exports WHERE source_mark <> '' GROUP BY connection, export"
)

_RUN = "SELECT serial, id, started, ended, asked, status, checksum, requests FROM runs"
_OF_EXPORT = "?1 IS NULL OR EXISTS (SELECT 1 FROM run_exports e WHERE e.run = runs.serial AND e.export = ?1)"
_LAST = f"{_RUN} WHERE {_OF_EXPORT} ORDER BY serial DESC LIMIT ?2"
_ONE = f"{_RUN} WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id = ?1 DESC, serial DESC LIMIT 2"
_EXPORT = (
    "SELECT export, connection, status, action, created, updated, gone, unchanged, sent, rejected, excluded, reasons,"
    " allowed, source_mark, coalesce(snapshot, '')"
    " FROM run_exports LEFT JOIN run_snapshots USING (run, position) WHERE run = ? ORDER BY position"
)


def begin(db: sqlite3.Connection, serial: int, run: Run) -> None:
    """Write a run that starts, and drop what is too old."""
    db.execute(
        "INSERT INTO runs VALUES (?, ?, ?, NULL, ?, ?, ?, 0)",
        (serial, run.id, run.started.isoformat(), run.trigger, RunStatus.RUNNING.value, run.checksum),
    )
    if run.seal:
        db.execute("INSERT INTO used_plans VALUES (?, ?)", (run.seal, serial))
    _write_exports(db, serial, run.exports)
    db.execute(f"DELETE FROM runs WHERE {_OLD} AND serial NOT IN ({_NEEDED})", (RUNS_KEPT,))  # noqa: S608  # ours
    db.execute(
        "DELETE FROM rejects WHERE run NOT IN (SELECT serial FROM runs ORDER BY serial DESC LIMIT ?)", (REJECTS_KEPT,)
    )


def end(
    db: sqlite3.Connection,
    run_id: str,
    *,
    ended: dt.datetime,
    status: RunStatus,
    requests: int,
    exports: Sequence[ExportRun],
) -> None:
    """Write how a run ended, in place of what was said at its start. Raises StateError for one that never began."""
    row = db.execute("SELECT serial FROM runs WHERE id = ?", (run_id,)).fetchone()
    if row is None:
        raise StateError(f"no run {run_id!r} is recorded")
    serial: int = row[0]
    db.execute(
        "UPDATE runs SET ended = ?, status = ?, requests = ? WHERE serial = ?",
        (ended.isoformat(), status.value, requests, serial),
    )
    db.execute("DELETE FROM run_exports WHERE run = ?", (serial,))
    db.execute("DELETE FROM run_snapshots WHERE run = ?", (serial,))
    _write_exports(db, serial, exports)


def cut_off(db: sqlite3.Connection) -> None:
    """Say of every run that has no end, and of its exports, that it was cut off: its writer is gone."""
    words = (RunStatus.INTERRUPTED.value, RunStatus.RUNNING.value)
    db.execute("UPDATE runs SET status = ? WHERE status = ?", words)
    db.execute("UPDATE run_exports SET status = ? WHERE status = ?", words)


def refuse(db: sqlite3.Connection, serial: int, rejects: Iterable[Reject]) -> None:
    """Write whom the destination refused in a run; the last reason for a person stands."""
    db.executemany(
        "INSERT INTO rejects VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (run, connection, export, key) DO UPDATE SET reason = excluded.reason",
        [(serial, r.connection, r.export, r.key, r.reason) for r in rejects],
    )


def rename(db: sqlite3.Connection, *, connection: tuple[str, str], export: tuple[str, str] | None = None) -> None:
    """Let the past follow a rename, each from (old, new); a connection's, or one export's within it."""
    for table in ("run_exports", "rejects"):
        if export is None:
            db.execute(f"UPDATE {table} SET connection = ? WHERE connection = ?", connection[::-1])  # noqa: S608  # ours
        else:
            db.execute(
                f"UPDATE {table} SET export = ? WHERE connection = ? AND export = ?",  # noqa: S608  # ours
                (export[1], connection[0], export[0]),
            )


def last(db: sqlite3.Connection, export: str | None, limit: int, *, writing: bool) -> tuple[Run, ...]:
    """Give past runs, the newest first. `writing` says that a writer is at work, so that a run may be going on."""
    rows = db.execute(_LAST, (export, limit)).fetchall()
    return tuple(_run(db, row, writing=writing) for row in rows)


def one(db: sqlite3.Connection, run_id: str, *, writing: bool) -> tuple[Run, tuple[Reject, ...]]:
    """Give one run by its id or the beginning of it, with its rejects. Raises StateError: none, or several."""
    rows = db.execute(_ONE, (run_id,)).fetchall()
    if not rows:
        raise StateError(f"no run {run_id!r} is recorded; `reconciler history` lists them")
    if len(rows) > 1 and rows[0][1] != run_id:
        raise StateError(f"several runs begin with {run_id!r}; write more of the id")
    rejects = db.execute(
        "SELECT connection, export, key, reason FROM rejects WHERE run = ? ORDER BY connection, export, key",
        (rows[0][0],),
    )
    return _run(db, rows[0], writing=writing), tuple(Reject(*reject) for reject in rejects)


def _write_exports(db: sqlite3.Connection, serial: int, exports: Sequence[ExportRun]) -> None:
    db.executemany(
        "INSERT INTO run_exports VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(serial, position, e.export, e.connection, e.status.value, e.action),
                *(e.created, e.updated, e.left, e.unchanged, e.sent, e.rejected),
                *(json.dumps(dict(e.excluded)), json.dumps(e.reasons), json.dumps(e.allowed)),
                e.source_mark,
            )
            for position, e in enumerate(exports)
        ],
    )
    read = [(serial, position, e.snapshot) for position, e in enumerate(exports) if e.snapshot]
    db.executemany("INSERT INTO run_snapshots VALUES (?, ?, ?)", read)


def _run(db: sqlite3.Connection, row: tuple[int, str, str, str | None, str, str, str, int], *, writing: bool) -> Run:
    serial, run_id, started, ended, trigger, status, checksum, requests = row
    exports = tuple(_export_run(export, writing=writing) for export in db.execute(_EXPORT, (serial,)))
    return Run(
        id=run_id,
        started=dt.datetime.fromisoformat(started),
        ended=None if ended is None else dt.datetime.fromisoformat(ended),
        trigger=trigger,
        status=_status(status, writing=writing),
        checksum=checksum,
        requests=requests,
        exports=exports,
    )


def _export_run(row: tuple[Any, ...], *, writing: bool) -> ExportRun:
    export, connection, status, action, created, updated, left, unchanged, sent, rejected, *rest = row
    *texts, source_mark, snapshot = rest
    excluded, reasons, allowed = map(json.loads, texts)
    return ExportRun(
        export=export,
        connection=connection,
        status=_status(status, writing=writing),
        action=action,
        created=created,
        updated=updated,
        left=left,
        unchanged=unchanged,
        sent=sent,
        rejected=rejected,
        excluded=excluded,
        reasons=tuple(reasons),
        allowed=tuple(allowed),
        source_mark=source_mark,
        snapshot=snapshot,
    )


def _status(word: str, *, writing: bool) -> RunStatus:
    status = RunStatus(word)
    return RunStatus.INTERRUPTED if status is RunStatus.RUNNING and not writing else status
