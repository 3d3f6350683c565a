"""What a transaction writes, as statements that can be carried out again elsewhere. It decides what may be.

A ledger that is shared is a file like any other, and each of its transactions is also an entry of a log: the statements
with their values, in order. They depend on nothing but the database, so the same log makes the same ledger anywhere.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from typing import TYPE_CHECKING, Any

from reconciler.core.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_WRITES = ("INSERT", "UPDATE", "DELETE")
_ALLOWED = {
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_DELETE,
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_RECURSIVE,
}
Values = Any
"""A sequence of what SQLite holds."""


class Recorder(sqlite3.Connection):
    """A connection that remembers what was written through it since it was last asked."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._written: list[list[Any]] = []

    def execute(self, sql: str, parameters: Values = (), /) -> sqlite3.Cursor:
        """Execute, and remember a write."""
        cursor = super().execute(sql, parameters)
        if sql.startswith(_WRITES):
            self._written.append([sql, tuple(parameters)])
        elif sql == "BEGIN IMMEDIATE":
            self._written.clear()
        return cursor

    def executemany(self, sql: str, parameters: Iterable[Values], /) -> sqlite3.Cursor:
        """Execute, and remember the writes."""
        rows = [tuple(row) for row in parameters]
        cursor = super().executemany(sql, rows)
        if rows:
            self._written.append([sql, *rows])
        return cursor

    def taken(self) -> bytes:
        """Give what was written, as an entry of the log; empty when nothing was."""
        written, self._written = self._written, []
        return json.dumps(written, default=_bytes, separators=(",", ":")).encode() if written else b""


def carried_out(db: sqlite3.Connection, entries: Iterable[bytes]) -> None:
    """Carry out entries of the log, each in a transaction. Raises StateError for what no run wrote; sqlite3.Error."""
    db.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY)
    try:
        for entry in entries:
            db.execute("BEGIN IMMEDIATE")
            for sql, rows in _parsed(entry):
                db.executemany(sql, rows)
            db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.set_authorizer(None)


def _parsed(entry: bytes) -> Iterator[tuple[str, Sequence[Values]]]:
    try:
        statements = json.loads(entry, object_hook=_unwrapped)
        for sql, *rows in statements:
            yield str(sql), rows
    except (ValueError, TypeError, RecursionError) as error:
        raise StateError("an entry of the log is not one; `reconciler state restore` lists the good copies") from error


def _bytes(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"b": base64.b64encode(value).decode("ascii")}
    raise TypeError(type(value).__name__)


def _unwrapped(found: dict[str, str]) -> bytes:
    return base64.b64decode(found["b"], validate=True)
