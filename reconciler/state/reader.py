"""Reads the ledger out of SQLite. It decides nothing.

A reader sees one moment: what was committed when it was opened, whatever a writer adds meanwhile. It may be asked from
every thread: one question, or one transaction of a writer, after another.
"""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

from reconciler.core.digest import SIZE
from reconciler.core.record import Claim, Identity, Intent, RecordedExport, RecordedList
from reconciler.state import history
from reconciler.state.faults import legible, translated
from reconciler.state.slots import Parsed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from reconciler.core.errors import StateError
    from reconciler.core.record import Reject, Run

_ASKED_AT_ONCE = 500
"""Keys in one query; the text of a full query is always the same, so SQLite prepares it once."""


class SqliteReader:
    """A LedgerReader. `writing`: one is at work; `disturbed` says why what was read may not be whole."""

    def __init__(self, db: sqlite3.Connection, *, writing: bool, disturbed: Callable[[], StateError | None]) -> None:
        self._db = db
        self._turn = threading.RLock()
        self._writing = writing
        self._disturbed = disturbed

    def identity(self) -> Identity | None:
        """Say which ledger this is."""
        with legible():
            ((lineage, serial),) = self._rows("SELECT lineage, serial FROM ledger")
            ((number,),) = self._rows("PRAGMA user_version")
        return Identity(lineage, serial, number)

    def connections(self) -> tuple[str, ...]:
        """Name every connection that has recorded exports, in the order of the alphabet."""
        rows = self._rows(
            "SELECT name FROM connections c WHERE EXISTS (SELECT 1 FROM exports WHERE connection = c.id) ORDER BY name"
        )
        return tuple(name for (name,) in rows)

    def exports(self, connection: str) -> tuple[RecordedExport, ...]:
        """Give the recorded exports of a connection, by number."""
        number = self._number(connection)
        segments: dict[int, dict[str, tuple[str, int]]] = {}
        for export, segment, title, slot in self._rows(
            "SELECT export, name, title, slot FROM segments WHERE connection = ? ORDER BY export, name", number
        ):
            segments.setdefault(export, {})[segment] = (title, slot)
        rows = self._rows(
            "SELECT number, name, protected, keep_retired FROM exports WHERE connection = ? ORDER BY number", number
        )
        # Whose claims they are is asked only where there are several: it takes four times as long as to count them
        group = "GROUP BY export" if len(rows) > 1 else ""
        people = dict(self._rows(f"SELECT export, count(*) FROM claims WHERE connection = ? {group}", number))  # noqa: S608  # ours
        return tuple(
            RecordedExport(export, name, people.get(export, 0), bool(protected), bool(keep), segments.get(export, {}))
            for export, name, protected, keep in rows
        )

    def lists(self, connection: str) -> tuple[RecordedList, ...]:
        """Give the known lists of a connection, by slot."""
        rows = self._rows(
            "SELECT slot, title, list_id, made, behind FROM lists WHERE connection = ? ORDER BY slot",
            self._number(connection),
        )
        return tuple(
            RecordedList(slot, title, list_id, bool(made), bool(behind)) for slot, title, list_id, made, behind in rows
        )

    def claims(self, connection: str) -> Iterator[Claim]:
        """Stream every claim of a connection, ascending by (key, export), in constant memory."""
        yield from self._stream(self._db, connection)
        error = self._disturbed()
        if error is not None:
            raise error

    def contact_ids(self, connection: str, keys: Iterable[bytes]) -> dict[bytes, str]:
        """Give the contact ids of those keys that have one."""
        number = self._number(connection)
        found: dict[bytes, str] = {}
        rest = iter(keys)
        while asked := tuple(islice(rest, _ASKED_AT_ONCE)):
            marks = ",".join("?" * len(asked))
            sql = f"SELECT key, contact_id FROM contacts WHERE connection = ? AND key IN ({marks})"  # noqa: S608  # marks
            found.update(self._rows(sql, number, *asked))
        return found

    def bulk_lists(self, connection: str) -> bool | None:
        """Tell whether bulk items may carry a list, as found out; None: not known yet."""
        for (works,) in self._rows("SELECT bulk_lists FROM connections WHERE name = ?", connection):
            return None if works is None else bool(works)
        return None

    def foreign(self, connection: str) -> dict[bytes, frozenset[int]]:
        """Give the slots of the lists that people were on before we came, by key."""
        found: dict[bytes, frozenset[int]] = {}
        for key, slot in self._rows(
            "SELECT key, slot FROM foreign_members WHERE connection = ?", self._number(connection)
        ):
            found[key] = found.get(key, frozenset()) | {slot}
        return found

    def doubtful(self, connection: str) -> tuple[Intent, ...]:
        """Give what was begun and never settled, by (serial, number, export)."""
        rows = self._rows(
            "SELECT serial, number, export, slot, keys FROM intents WHERE connection = ?"
            " ORDER BY serial, number, export",
            self._number(connection),
        )
        with legible():
            return tuple(
                Intent(serial, number, export, slot, tuple(keys[at : at + SIZE] for at in range(0, len(keys), SIZE)))
                for serial, number, export, slot, keys in rows
            )

    def rejected(self, connection: str) -> frozenset[bytes]:
        """Give everybody whom the destination did not take, as far as runs remember."""
        return frozenset(key for (key,) in self._rows("SELECT key FROM rejects WHERE connection = ?", connection))

    def suppressed(self) -> frozenset[bytes]:
        """Give the keys of those who were erased."""
        return frozenset(key for (key,) in self._rows("SELECT key FROM suppressed"))

    def erasures(self) -> dict[str, dict[bytes, str | None]]:
        """Give whose erasure is not finished, by connection, with the contact ids, as far as they are known."""
        found: dict[str, dict[bytes, str | None]] = {}
        for name, key, contact in self._rows(
            "SELECT name, key, contact_id FROM erasures JOIN connections ON id = connection ORDER BY name, key"
        ):
            found.setdefault(name, {})[key] = contact
        return found

    def runs(self, export: str | None = None, limit: int = 50) -> tuple[Run, ...]:
        """Give past runs, the newest first; a run cut off is INTERRUPTED."""
        with self._turn, legible():
            return history.last(self._db, export, limit, writing=self._writing)

    def run(self, run_id: str) -> tuple[Run, tuple[Reject, ...]]:
        """Give one run, by its id or a beginning that is not ambiguous, with whom Autopilot refused."""
        with self._turn, legible():
            return history.one(self._db, run_id, writing=self._writing)

    def used_by(self, seal: str) -> str | None:
        """Give the id of the run that used a saved plan up."""
        for (run,) in self._rows("SELECT id FROM runs JOIN used_plans ON run = serial WHERE seal = ?", seal):
            return str(run)
        return None

    def close(self) -> None:
        """Close it. May be called twice."""
        with self._turn, translated():
            self._db.close()

    def _number(self, connection: str) -> int | None:
        """Give the number of a connection; None, which no row has, when it was never recorded."""
        for (number,) in self._rows("SELECT id FROM connections WHERE name = ?", connection):
            return int(number)
        return None

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._turn, translated():
            return self._db.execute(sql, values).fetchall()

    @staticmethod
    def _stream(db: sqlite3.Connection, connection: str) -> Iterator[Claim]:
        parsed = Parsed()
        with legible():
            rows = db.execute(
                "SELECT key, export, digest, slots FROM claims"
                " WHERE connection = (SELECT id FROM connections WHERE name = ?) ORDER BY key, export",
                (connection,),
            )
            made = tuple.__new__  # what Claim(…) calls by way of Python, for everybody in every plan
            for key, export, digest, slots in rows:
                yield made(Claim, (key, export, digest, parsed[slots]))
