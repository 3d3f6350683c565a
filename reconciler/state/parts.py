"""Takes a ledger apart by connection, and puts parts together again. It decides how runs of several parts are numbered.

A state that machines share is kept by connection, a local one in a single file: what moves between the two goes
through here.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

from reconciler.state import opening, schema
from reconciler.state.faults import translated

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

_OF_CONNECTION = ("exports", "segments", "lists", "foreign_members", "claims", "contacts", "intents", "erasures")
_OF_RUN = ("run_exports", "used_plans", "rejects")


def connections(source: Path) -> tuple[str, ...]:
    """Name the connections of a ledger. Raises StateError."""
    with translated(), closing(opening.alone(source)) as db:
        return tuple(name for (name,) in db.execute("SELECT name FROM connections ORDER BY name"))


def erased(source: Path) -> tuple[bytes, ...]:
    """Give the keys of those who were erased. Raises StateError."""
    with translated(), closing(opening.alone(source)) as db:
        return tuple(key for (key,) in db.execute("SELECT key FROM suppressed ORDER BY key"))


def part(source: Path, connection: str, target: Path) -> None:
    """Write a ledger that holds only one connection, with the runs that were about it. Raises StateError."""
    with translated():
        shutil.copyfile(source, target)
        with closing(opening.replaying(target)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("DELETE FROM connections WHERE name <> ?", (connection,))
            for table in ("run_exports", "rejects"):
                db.execute(f"DELETE FROM {table} WHERE connection <> ?", (connection,))  # noqa: S608  # ours
            db.execute("DELETE FROM runs WHERE serial NOT IN (SELECT run FROM run_exports)")
            db.execute("COMMIT")
            db.execute("VACUUM")


def together(parts: Sequence[Path], target: Path, *, key: bytes, lineage: str) -> None:
    """Write one ledger out of parts, each of other connections. `target` is a new file. Raises StateError."""
    with translated():
        target.touch(0o600)
        with closing(opening.replaying(target)) as db:
            schema.create(db, lineage=lineage, key=key)
            for source in parts:
                db.execute("ATTACH ? AS part", (str(source),))
                db.execute("BEGIN IMMEDIATE")
                _add(db)
                db.execute("COMMIT")
                db.execute("DETACH part")
            db.execute("UPDATE ledger SET serial = max(serial, (SELECT coalesce(max(serial), 0) FROM runs))")


def _add(db: sqlite3.Connection) -> None:
    """Add what is attached, under connections and runs that are numbered anew."""
    (offset,) = db.execute("SELECT coalesce(max(id), 0) FROM connections").fetchone()
    db.execute("INSERT INTO connections SELECT id + ?, name, bulk_lists FROM part.connections", (offset,))
    for table in _OF_CONNECTION:
        columns = [name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,))]
        rest = ", ".join(columns[1:])
        assert columns[0] == "connection"
        db.execute(f"INSERT INTO {table} SELECT connection + ?, {rest} FROM part.{table}", (offset,))  # noqa: S608  # ours
    db.execute("INSERT INTO suppressed SELECT key FROM part.suppressed WHERE true ON CONFLICT (key) DO NOTHING")
    db.execute("UPDATE ledger SET serial = serial + (SELECT serial FROM part.ledger)")
    _add_runs(db)


def _add_runs(db: sqlite3.Connection) -> None:
    numbers: dict[int, int] = {}
    known = dict(db.execute("SELECT id, serial FROM runs"))
    spare = max(known.values(), default=0)
    for serial, run_id in db.execute("SELECT serial, id FROM part.runs ORDER BY serial").fetchall():
        if run_id not in known:
            spare += 1
            db.execute(
                "INSERT INTO runs SELECT ?, id, started, ended, asked, status, checksum, requests FROM part.runs"
                " WHERE serial = ?",
                (spare, serial),
            )
        numbers[serial] = known.get(run_id, spare)
    db.execute("CREATE TEMP TABLE numbers (old INTEGER PRIMARY KEY, new INTEGER)")
    db.executemany("INSERT INTO numbers VALUES (?, ?)", numbers.items())
    for table in _OF_RUN:
        columns = [name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,))]
        shown = ", ".join(_column(name) for name in columns)
        db.execute(
            f"INSERT INTO {table} SELECT {shown} FROM part.{table} p JOIN numbers ON old = p.run"  # noqa: S608  # ours
            " WHERE true ON CONFLICT DO NOTHING"
        )
    db.execute("DROP TABLE numbers")


def _column(name: str) -> str:
    """Give a column of a part's run; rows of several connections stand side by side in the run that they share."""
    match name:
        case "run":
            return "new"
        case "position":
            return "position + (SELECT count(*) FROM run_exports WHERE run = new)"
        case _:
            return f"p.{name}"
