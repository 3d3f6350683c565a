"""The ledger's tables, their format, and which ledgers are refused.

The table `ledger` and the two header numbers keep their shape in every format, so that a refusal never needs to
understand the rest.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from reconciler.core.errors import StateError
from reconciler.state.faults import RESTORE
from reconciler.state.files import NAME
from reconciler.state.tables import SNAPSHOTS, TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 2
APPLICATION = 0x52434E4C
"""Says in the file's header that this is a ledger of ours ("RCNL")."""

Upgrade = tuple[str, ...]
UPGRADES: Mapping[int, Upgrade] = {1: (SNAPSHOTS,)}
"""The statements that lead from a format to the next one. Format 1 is the first; 2 says which data a run read."""


def key_print(key: bytes) -> bytes:
    """Give what tells state keys apart and says nothing about them."""
    return hashlib.blake2b(b"reconciler state key", key=key, digest_size=16).digest()


def create(db: sqlite3.Connection, *, lineage: str, key: bytes) -> None:
    """Fill an empty database, in one transaction."""
    db.execute("BEGIN IMMEDIATE")
    for table in TABLES:
        db.execute(table)
    db.execute("INSERT INTO ledger VALUES (1, ?, 0, ?, 0)", (lineage, key_print(key)))
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute("COMMIT")


def admit(db: sqlite3.Connection, key: bytes) -> int:
    """Give the format of a ledger that may be opened: ours, not newer than this version, and made with this key.

    An older one is admitted: who writes upgrades it, who reads refuses it. Raises StateError and sqlite3.Error.
    """
    if _number(db, "application_id") != APPLICATION:
        raise StateError(f"{NAME}: it is not a ledger of reconciler; {RESTORE}")
    found = _number(db, "user_version")
    if found > FORMAT:
        raise StateError(
            f"{NAME}: written by a newer version of reconciler (format {found}, this one reads {FORMAT}); "
            "upgrade reconciler"
        )
    row = db.execute("SELECT key_print FROM ledger").fetchone()
    if row is None or not isinstance(row[0], bytes) or not hmac.compare_digest(row[0], key_print(key)):
        raise StateError(
            f"{NAME}: made with another state key; check RECONCILER_STATE_KEY, which wins over .reconciler/key"
        )
    return found


def admit_current(db: sqlite3.Connection, key: bytes) -> None:
    """Admit only what needs no upgrade, which a reader cannot make. Raises as `admit`."""
    found = admit(db, key)
    if found < FORMAT:
        raise StateError(
            f"{NAME}: written by an older version of reconciler (format {found}, this one reads {FORMAT}); "
            "`reconciler apply` upgrades it"
        )


def upgrade(
    db: sqlite3.Connection, found: int, *, steps: Mapping[int, Upgrade] = UPGRADES, target: int = FORMAT
) -> None:
    """Bring an older ledger to the target format, all steps in one transaction. Raises StateError when a step lacks."""
    if found == target:
        return
    # The first alone: a damaged header may say that there are two thousand million of them
    missing = next((number for number in range(found, target) if number not in steps), None)
    if missing is not None:
        raise StateError(f"{NAME}: format {missing} was never in use, or is no longer upgraded; {RESTORE}")
    db.execute("BEGIN IMMEDIATE")
    try:
        for number in range(found, target):
            for statement in steps[number]:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {target}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def generation(db: sqlite3.Connection) -> tuple[int, int]:
    """Give the serial, and the fence that tells its writers apart."""
    row: tuple[int, int] = db.execute("SELECT serial, fence FROM ledger").fetchone()
    return row


def shape(db: sqlite3.Connection) -> frozenset[tuple[str, str, str]]:
    """Give what the database is made of: tables with their columns; anything else, such as a trigger, by its kind."""
    parts = set()
    for kind, name in db.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"):
        columns = db.execute("SELECT name FROM pragma_table_xinfo(?)", (name,)) if kind == "table" else ()
        parts.add((str(kind), str(name), " ".join(str(column) for (column,) in columns)))
    return frozenset(parts)


def proper() -> frozenset[tuple[str, str, str]]:
    """Give the shape of a ledger of this format."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        create(db, lineage="", key=bytes(1))
        return shape(db)


def _number(db: sqlite3.Connection, pragma: str) -> int:
    row: tuple[int] = db.execute(f"PRAGMA {pragma}").fetchone()
    return row[0]
