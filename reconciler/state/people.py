"""Writes what is about people whatever a run does: a list is adopted, somebody is erased. It decides nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from reconciler.core.digest import SIZE
from reconciler.state import copies, suppressed
from reconciler.state.faults import translated
from reconciler.state.reader import SqliteReader

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from reconciler.core.ports import Acknowledged
    from reconciler.core.record import RecordedExport, RecordedList
    from reconciler.state.files import Files

_PERSON = tuple(
    f"DELETE FROM {table} WHERE connection = ? AND key = ?"  # noqa: S608  # ours
    for table in ("claims", "contacts", "foreign_members", "erasures")
)
_ERASURE = (
    "INSERT INTO erasures"
    " SELECT ?1, ?2, (SELECT contact_id FROM contacts WHERE connection = ?1 AND key = ?2) WHERE true"
    " ON CONFLICT (connection, key) DO UPDATE SET contact_id = coalesce(excluded.contact_id, contact_id)"
)


class PeopleLedger(SqliteReader, ABC):
    """The part of a Ledger that `import`, `forget` and `--refresh` write through."""

    _files: Files

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...

    @abstractmethod
    def _enter(self, connection: str) -> int: ...

    @abstractmethod
    def save_export(self, connection: str, export: RecordedExport) -> None:
        """Record an export's settings and segments."""

    @abstractmethod
    def save_list(self, connection: str, entry: RecordedList) -> None:
        """Record a list under its slot."""

    @abstractmethod
    def commit(self, connection: str, batch: Acknowledged) -> None:
        """Record what was acknowledged."""

    def save_foreign(self, connection: str, slot: int, keys: Sequence[bytes]) -> None:
        """Remember who was on a list before we came; may be called several times for one list."""
        with self._transaction() as db:
            number = self._enter(connection)
            db.executemany(
                "INSERT INTO foreign_members VALUES (?, ?, ?) ON CONFLICT (connection, key, slot) DO NOTHING",
                [(number, key, slot) for key in keys],
            )

    def drop_foreign(self, connection: str, slot: int, keys: Sequence[bytes]) -> None:
        """Forget that these were on a list before us: they are there no more."""
        with self._transaction() as db:
            number = self._number(connection)
            db.executemany(
                "DELETE FROM foreign_members WHERE connection = ? AND key = ? AND slot = ?",
                [(number, key, slot) for key in keys],
            )

    def adopt(self, connection: str, export: RecordedExport, entry: RecordedList, batch: Acknowledged) -> None:
        """Record an export, a list that exists, and its members as ours, whoever put them there: all of it, or none."""
        with self._transaction() as db:
            self.save_export(connection, export)
            self.save_list(connection, entry)
            db.execute(
                "DELETE FROM foreign_members WHERE connection = ? AND slot = ?", (self._number(connection), entry.slot)
            )
            self.commit(connection, batch)

    def suppress(self, key: bytes, connections: Iterable[str]) -> None:
        """Never send this person again, and note that the erasure in these connections is to be finished."""
        suppressed.add(self._files, key)
        with self._transaction() as db:
            db.execute("INSERT INTO suppressed VALUES (?) ON CONFLICT (key) DO NOTHING", (key,))
            db.executemany(_ERASURE, [(self._enter(connection), key) for connection in connections])

    def erased(self, connection: str, key: bytes) -> None:
        """Remove every row about a person in this connection, and the copies: the erasure is finished there."""
        with translated():
            copies.discard(self._files)
        with self._transaction() as db:
            number = self._number(connection)
            for statement in _PERSON:
                db.execute(statement, (number, key))
            db.execute("DELETE FROM rejects WHERE connection = ? AND key = ?", (connection, key))
            _leave_intents(db, number, key)


def _leave_intents(db: sqlite3.Connection, number: int | None, key: bytes) -> None:
    """Take a person out of the requests in doubt; one that was about nobody else goes."""
    rows = db.execute("SELECT serial, number, export, keys FROM intents WHERE connection = ?", (number,)).fetchall()
    for *request, keys in rows:
        people = [keys[at : at + SIZE] for at in range(0, len(keys), SIZE)]
        if key in people:
            rest = b"".join(each for each in people if each != key)
            place = (number, *request)
            db.execute(
                "UPDATE intents SET keys = ? WHERE connection = ? AND serial = ? AND number = ? AND export = ?",
                (rest, *place),
            )
    db.execute("DELETE FROM intents WHERE connection = ? AND keys = x''", (number,))
