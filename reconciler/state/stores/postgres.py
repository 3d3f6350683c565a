"""The store in a PostgreSQL database: one table, one row each. It decides what a URL may say, and that TLS is used.

A version is a random number that the writer draws, not one of a sequence: a writer that lost the answer to a write
finds out by it whether the write was carried out, and fewer rights are needed.
"""

from __future__ import annotations

import re
import secrets
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from reconciler.core.errors import StateError, StoreConflict
from reconciler.core.store import Stored
from reconciler.state.stores.names import below, checked
from reconciler.state.stores.postgres_faults import fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from urllib.parse import SplitResult

    from psycopg import Connection

TABLE = "reconciler_objects"
PASSWORDS = "RECONCILER_STATE_PASSWORD", "PGPASSWORD"
"""The variables that hold the password when the URL does not, the first one first."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+")
_QUERY = {"schema", "sslmode", "sslrootcert"}
_SAFE = {"require", "verify-ca", "verify-full"}
_OWN = {"localhost", "127.0.0.1", "::1"}

# In seconds, and milliseconds: no wait is without an end
_LIMITS: dict[str, str | int] = {
    "connect_timeout": 10,
    "tcp_user_timeout": 60_000,
    "keepalives_idle": 30,
    "application_name": "reconciler",
}
_SESSION = "SET statement_timeout = '60s'", "SET lock_timeout = '30s'", "SET synchronous_commit = on"


def open_url(url: SplitResult, environ: Mapping[str, str], root: Path) -> PostgresStore:  # noqa: ARG001  # as every opener
    """Open a database, without a connection yet. Raises StateError; ValueError for a URL of another form."""
    host, database, query = url.hostname or "", unquote(url.path.removeprefix("/")), _query(url.query)
    schema = query.pop("schema", None)
    if not _HOST.fullmatch(host) or not database or "/" in database or (schema and not _WORD.fullmatch(schema)):
        raise ValueError
    mode = query.setdefault("sslmode", "prefer" if host in _OWN else "require")
    if mode not in _SAFE and host not in _OWN:
        raise StateError(f"state.url: sslmode must be one of {', '.join(sorted(_SAFE))}; others are for loopback alone")
    told: dict[str, str | int | None] = {
        "host": host,
        "port": url.port,
        "dbname": database,
        "user": unquote(url.username) if url.username else None,
        "password": _password(url, environ),
        "target_session_attrs": "primary",  # a replica may lag behind what was written
    }
    place = f"postgresql://{host}/{database}" if _WORD.fullmatch(database) else f"postgresql://{host}/…"
    return PostgresStore(make_conninfo("", **told | query | _LIMITS), schema, place)


class PostgresStore:
    """Rows of one table, over one connection that is made when it is needed, and once more when it was lost."""

    def __init__(self, conninfo: str, schema: str | None, place: str) -> None:
        self._conninfo = conninfo
        self._place = place
        self._table = sql.Identifier(schema, TABLE) if schema else sql.Identifier(TABLE)
        self._lock = threading.Lock()
        self._db: Connection | None = None

    def read(self, name: str) -> Stored | None:
        """Give an object."""
        found = self._ask("SELECT data, version FROM {} WHERE name = %s", checked(name))
        return Stored(bytes(found[0][0]), str(found[0][1])) if found else None

    def create(self, name: str, data: bytes) -> str:
        """Write an object that is not there yet."""
        version = _fresh()
        insert = "INSERT INTO {} (name, version, data) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING version"
        written = self._ask(insert, checked(name), version, data, makes=True)
        return self._written(name, version, written=bool(written))

    def replace(self, name: str, data: bytes, version: str) -> str:
        """Write an object in place of this version."""
        fresh = _fresh()
        update = "UPDATE {} SET data = %s, version = %s WHERE name = %s AND version::text = %s RETURNING version"
        return self._written(name, fresh, written=bool(self._ask(update, data, fresh, checked(name), version)))

    def delete(self, name: str) -> None:
        """Remove an object."""
        self.delete_all([name])

    def delete_all(self, names: Sequence[str]) -> None:
        """Remove several, all or none."""
        self._ask("DELETE FROM {} WHERE name = ANY(%s) RETURNING name", [checked(name) for name in names])

    def names(self, folder: str) -> tuple[str, ...]:
        """Give the names below a folder."""
        start = f"{folder}/" if folder else ""
        return below(folder, (row[0] for row in self._ask("SELECT name FROM {} WHERE starts_with(name, %s)", start)))

    def close(self) -> None:
        """Leave it; a later use would connect again."""
        with self._lock:
            self._leave()

    def _written(self, name: str, version: int, *, written: bool) -> str:
        """Give the version, when this write is the one that counts: also one that was repeated after a lost answer."""
        if not written and not self._ask("SELECT 1 FROM {} WHERE name = %s AND version = %s", name, version):
            raise StoreConflict(f"{self._place}: {name}: another run was quicker")
        return str(version)

    def _ask(self, words: str, *values: Any, makes: bool = False) -> list[Any]:
        """Run one statement, a transaction of its own. Without the table there is nothing; a first write makes it."""
        with self._lock:
            try:
                return self._twice(words, values)
            except errors.UndefinedTable:
                if not makes:
                    return []
            except psycopg.Error as error:
                raise fault(error, self._place) from None
            try:
                self._make()
                return self._twice(words, values)
            except psycopg.Error as error:
                raise fault(error, self._place) from None

    def _make(self) -> None:
        columns = '(name text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, data bytea NOT NULL)'
        try:
            self._twice(f"CREATE TABLE IF NOT EXISTS {{}} {columns}", ())
        except (errors.UniqueViolation, errors.DuplicateTable, errors.DuplicateObject):
            return  # another one made it at the same moment

    def _twice(self, words: str, values: Sequence[Any]) -> list[Any]:
        """Run a statement, once more on a new connection when this one is gone; each of ours may be repeated."""
        fresh = self._db is None
        try:
            return self._once(words, values)
        except psycopg.OperationalError:
            lost = self._db is not None and self._db.broken
            self._leave()
            if fresh or not lost:
                raise
        return self._once(words, values)

    def _once(self, words: str, values: Sequence[Any]) -> list[Any]:
        db = self._db = self._db or self._connected()
        # The words are ours, and the table's name is quoted
        cursor = db.execute(sql.SQL(words).format(self._table), values or None, binary=True)  # half the bytes of text
        return cursor.fetchall() if cursor.description else []

    def _connected(self) -> Connection:
        db = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        try:
            for setting in _SESSION:
                db.execute(setting)
        except BaseException:
            db.close()
            raise
        return db

    def _leave(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _password(url: SplitResult, environ: Mapping[str, str]) -> str | None:
    if url.password:
        return unquote(url.password)
    return next((environ[name] for name in PASSWORDS if environ.get(name)), None)


def _fresh() -> int:
    return secrets.randbits(63)


def _query(text: str) -> dict[str, str]:
    """Read what follows `?`. Raises ValueError for what is not known: `host=` would go round the look at the host."""
    pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    if len(dict(pairs)) != len(pairs) or not {name for name, _ in pairs} <= _QUERY:
        raise ValueError
    return dict(pairs)
