"""Writes what a run acknowledged and announced, into the tables. It decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from reconciler.core.ports import Acknowledged, ClaimWrite
    from reconciler.state.slots import Written

_CLAIM = (
    "INSERT INTO claims VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (connection, key, export) DO UPDATE SET digest = excluded.digest, slots = excluded.slots"
)
_NO_CLAIM = "DELETE FROM claims WHERE connection = ? AND key = ? AND export = ?"
_CONTACT = (
    "INSERT INTO contacts VALUES (?, ?, ?) ON CONFLICT (connection, key) DO UPDATE SET contact_id = excluded.contact_id"
)
_NO_CONTACT = "DELETE FROM contacts WHERE connection = ? AND key = ?"
_INTENT = "INSERT OR REPLACE INTO intents VALUES (?, ?, ?, ?, ?, ?)"
_NO_INTENT = "DELETE FROM intents WHERE connection = ? AND serial = ? AND number = ?"


def write(db: sqlite3.Connection, number: int, batch: Acknowledged, written: Written) -> None:
    """Write all of a batch but the rejects, for the connection of this number."""
    _write_claims(db, number, batch.claims, written)
    contacts = batch.contacts.items()
    db.executemany(_CONTACT, [(number, key, contact) for key, contact in contacts if contact is not None])
    db.executemany(_NO_CONTACT, [(number, key) for key, contact in contacts if contact is None])
    db.executemany(_NO_INTENT, [(number, *one) for one in batch.settled])
    db.executemany(_INTENT, [(number, *one[:-1], b"".join(one.keys)) for one in batch.intents])


def _write_claims(db: sqlite3.Connection, number: int, claims: Iterable[ClaimWrite], written: Written) -> None:
    last = {(write.key, write.export): write for write in claims}
    held, gone = [], []
    for place, each in last.items():
        if each.digest is None:
            gone.append((number, *place))
        else:
            held.append((number, *place, each.digest, written[each.slots]))
    db.executemany(_CLAIM, held)
    db.executemany(_NO_CLAIM, gone)
