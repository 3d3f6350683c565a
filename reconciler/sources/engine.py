"""The locked engine: DuckDB in memory that reads the files it is given and nothing else; it decides nothing.

What comes in is SQL made by this package. The locks are there for the day that something else gets in: no other file,
no network, no extension, no setting, no spill to disk, no Python variable, SELECT alone, and a limit on its time.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from reconciler.sources import kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from reconciler.core.ports import Row

CHUNK = 4_096
"""Rows that are fetched at a time: two of the engine's own vectors."""

Result = TypeVar("Result")
_AGAIN = 0.01  # seconds between two interrupts

_AT_START = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "enable_external_file_cache": "false",
    "max_temp_directory_size": "0B",
    "python_enable_replacements": "false",
    "temp_directory": "",
}
_LOCKS = (
    "SET TimeZone = 'UTC'",
    # The profiles are streamed, never kept. And what a join finds is not handed to the table below it: where pyarrow is
    # installed, a Delta table's rows pass it, and it fails on texts as they come.
    "SET disabled_optimizers = 'join_order,build_side_probe_side,join_filter_pushdown'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine may use: threads (None: one a core), memory ("1GB"), seconds in the engine for one statement."""

    threads: int | None = None
    memory: str = "1GB"
    timeout: float = 300.0


class Engine:
    """Runs SELECTs over `files`, and over files in `folders`, which end in '/'.

    `objects` is a file system that has some of the files. Every method raises duckdb.Error.

    A statement that spent more than its time in the engine raises duckdb.InterruptException. `cuts` end the pipes that
    it may be waiting for: the engine cannot be interrupted while it waits for a byte.
    """

    def __init__(
        self,
        files: Sequence[str],
        folders: Sequence[str],
        limits: Limits,
        objects: Any = None,
    ) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {**_AT_START, "memory_limit": limits.memory}
        if limits.threads is not None:
            config["threads"] = limits.threads
        self._connection = duckdb.connect(":memory:", config=config)
        self._timeout = limits.timeout
        self.cuts: list[Callable[[], None]] = []
        self._lent: dict[str, object] = {}
        if objects is not None:
            self._connection.register_filesystem(objects)
        self._connection.execute(f"SET allowed_paths = [{', '.join(map(kinds.literal, files))}]")
        self._connection.execute(f"SET allowed_directories = [{', '.join(map(kinds.literal, folders))}]")
        for lock in _LOCKS:
            self._connection.execute(lock)

    def describe(self, sql: str) -> list[tuple[str, str]]:
        """Give the names and engine types of what a SELECT gives, planned in full and run over no row."""
        with self._statement(f"SELECT * FROM ({sql}) LIMIT 0") as (cursor, _):  # noqa: S608  # our own SQL
            return [(str(column[0]), str(column[1])) for column in cursor.description or ()]

    def rows(self, sql: str) -> Generator[Sequence[Row], None, None]:
        """Stream what a SELECT gives, in chunks. The time that the reader takes between them does not count.

        The engine is at the next chunk while the reader is at this one.
        """
        with self._statement(sql) as (cursor, watch):
            following = watch.begin(lambda: cursor.fetchmany(CHUNK))
            try:
                while chunk := watch.wait(following):
                    following = watch.begin(lambda: cursor.fetchmany(CHUNK))
                    yield chunk
            finally:
                watch.end(following)

    @contextmanager
    def lent(self, name: str, stream: object) -> Iterator[None]:
        """Let the statements of the block read, once, a stream of Arrow's C interface as a table of this name."""
        self._lent[name] = stream
        try:
            yield
        finally:
            del self._lent[name]

    def close(self) -> None:
        """Give the memory back. May be called twice."""
        self._connection.close()

    @contextmanager
    def _statement(self, sql: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, _Watch]]:
        """Start a SELECT on a cursor of its own, so that it does not end one that is still streamed."""
        cursor = self._connection.cursor()
        try:
            statements = cursor.extract_statements(sql)
            if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
                raise duckdb.PermissionException("one SELECT at a time and nothing else")
            for name, stream in self._lent.items():
                cursor.register(name, stream)
            with ThreadPoolExecutor(1, "engine") as worker:
                watch = _Watch(cursor, worker, self._timeout, self.cuts)
                watch.run(lambda: cursor.execute(statements[0]))
                yield cursor, watch
        finally:
            cursor.close()


class _Watch:
    """Lets a statement run for `seconds` in the engine.

    The engine works on another thread, because it does not look for Ctrl-C while it works: this one waits, and can be
    woken by a signal or by the clock, and then interrupts the engine.
    """

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        worker: ThreadPoolExecutor,
        seconds: float,
        cuts: Sequence[Callable[[], None]],
    ) -> None:
        self._cursor = cursor
        self._worker = worker
        self._left = seconds
        self._cuts = cuts

    def run(self, work: Callable[[], Result]) -> Result:
        """Run one piece of the statement. Raises duckdb.Error, of which InterruptException when the time is up."""
        return self.wait(self.begin(work))

    def begin(self, work: Callable[[], Result]) -> Future[Result]:
        """Begin one piece of the statement; wait for it, or end it, before the next."""
        return self._worker.submit(work)

    def wait(self, future: Future[Result]) -> Result:
        """Give what a piece gives. Raises as `run` does."""
        began = time.monotonic()
        try:
            wait([future], max(0.0, self._left))
        finally:
            self._left -= time.monotonic() - began
            self.end(future)
        try:
            return future.result()
        except UnicodeDecodeError:  # the engine cuts what it quotes, also within a character
            raise duckdb.Error("the engine refused, in words that cannot be read") from None

    def end(self, future: Future[Result]) -> None:
        """Interrupt a piece that is not done."""
        for cut in () if future.done() else tuple(self._cuts):
            cut()
        while not future.done():
            with suppress(duckdb.ConnectionException):  # closed meanwhile: it ends by itself
                self._cursor.interrupt()  # again and again: one that comes before the engine has begun is lost
            wait([future], _AGAIN)
