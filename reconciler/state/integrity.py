"""Whether a ledger is whole and makes sense. It decides what is looked at on opening, and what when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.errors import StateError
from reconciler.state import opening, schema, seal
from reconciler.state.faults import RESTORE
from reconciler.state.files import NAME

if TYPE_CHECKING:
    import sqlite3

    from reconciler.state.files import Files

_COUNTED = ("connections", "exports", "lists", "claims", "contacts", "foreign_members", "intents", "runs", "rejects")

_MOST = 3
"""Findings of SQLite that are told; one damaged page makes hundreds."""


def as_left(files: Files) -> bool:
    """Tell whether the file is sealed; one that is another than was sealed is refused. Raises StateError, OSError."""
    broken = seal.broken(files.database)
    if broken:
        raise StateError(
            f"{NAME}: it is not as the last run left it, so it is damaged, or was put there by hand; {RESTORE}, "
            "and `reconciler state push FILE` takes in another"
        )
    return broken is not None


def glance(files: Files, db: sqlite3.Connection) -> None:
    """Refuse a ledger that is damaged, in the cheapest way that finds it. Raises StateError, sqlite3.Error, OSError."""
    sealed = as_left(files)
    if not sealed or not opening.whole(files):
        found = db.execute("PRAGMA quick_check(1)").fetchall()
        if found != [("ok",)]:
            raise StateError(f"{NAME}: it is damaged, as `reconciler state check` shows; {RESTORE}")


def faults(db: sqlite3.Connection) -> tuple[str, ...]:
    """Look at everything: give what is wrong in sentences, none when the ledger is sound. Raises sqlite3.Error."""
    if schema.shape(db) != schema.proper():
        return ("its tables are not those of a ledger",)
    told = [f"SQLite finds: {line}" for line in _findings(db)]
    orphans = len(db.execute("PRAGMA foreign_key_check").fetchall())
    if orphans:
        told.append(f"{orphans:,} rows belong to nothing that is recorded")
    lists = set(db.execute("SELECT connection, slot FROM lists"))
    if any((connection, slot) not in lists for connection, slot in _slots(db)):
        told.append("people are recorded on lists that are not")
    return tuple(told)


def _findings(db: sqlite3.Connection) -> list[str]:
    rows = [str(row) for (row,) in db.execute(f"PRAGMA integrity_check({_MOST})")]
    return [line for row in rows for line in row.splitlines() if line != "ok" and not line.startswith("***")][:_MOST]


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """Count the rows of each table. Raises sqlite3.Error."""
    return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _COUNTED}  # noqa: S608  # ours


def behind(db: sqlite3.Connection) -> int:
    """Count the lists that are read again before anybody is taken off them. Raises sqlite3.Error."""
    count: int = db.execute("SELECT count(*) FROM lists WHERE behind").fetchone()[0]
    return count


def _slots(db: sqlite3.Connection) -> set[tuple[int, int]]:
    """Give (connection, slot) of every list on which somebody is recorded; one that cannot be read is none."""
    pairs = set()
    for connection, slots in db.execute("SELECT DISTINCT connection, slots FROM claims"):
        pairs |= {(connection, int(slot) if slot.isdecimal() else 0) for slot in str(slots).split()}
    return pairs
