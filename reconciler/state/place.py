"""Opens the state of a project, in `.reconciler/` below its folder; decides that reading never makes one."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from reconciler.core.errors import SecretMissing
from reconciler.state import integrity, lock, opening, schema
from reconciler.state.empty import EmptyReader
from reconciler.state.faults import translated
from reconciler.state.files import NAME, Files
from reconciler.state.ledger import SqliteLedger
from reconciler.state.reader import SqliteReader
from reconciler.state.statements import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.core.ports import LedgerReader


def _lineage() -> str:
    return str(uuid.uuid4())


def open_reader(folder: Path, key: bytes | None, *, working: bool = False) -> LedgerReader:
    """Open what is recorded, as it is now, without writing a byte; a project without state has an empty one.

    `folder` holds `exports/`; `key` is None when there is no state key yet; `working` says that a writer is known to be
    at work, so that a run may be going on. Raises StateError for a ledger that cannot
    be used, SecretMissing for one whose key is gone.
    """
    files = Files(folder)
    with translated():
        if not opening.recorded(files):
            return EmptyReader()
        if key is None:
            raise SecretMissing(
                f"{NAME} is there and its key is not: restore .reconciler/key or set RECONCILER_STATE_KEY"
            )
        alone = not opening.shared(files)
        db = opening.reading(files)
        try:
            working = working or lock.held(folder)
            db.execute("BEGIN")  # so that all that is read is of one moment
            schema.admit_current(db, key)
            integrity.as_left(files)
            working = working or lock.held(folder)  # a run may begin or end between two looks, hardly both
        except BaseException:
            db.close()
            raise
    return SqliteReader(
        db,
        writing=working,
        disturbed=partial(opening.disturbed, files) if alone else lambda: None,
    )


def _unguarded() -> None:
    """Say nothing: whoever opens it holds no lock that could be lost."""


def open_ledger(
    folder: Path,
    key: bytes,
    *,
    lineage: Callable[[], str] = _lineage,
    guard: Callable[[], None] = _unguarded,
    ship: Callable[[sqlite3.Connection], None] | None = None,
) -> SqliteLedger:
    """Open the ledger for writing, and make it when there is none. The caller holds the lock, and closes it.

    No reader of the same folder may be open in this process: SQLite shares the read-only index among them.
    An older format is upgraded; a run without an end is marked as cut off. `lineage` names a new ledger; `guard` raises
    StateLocked when the lock is lost, and is asked in every transaction; `ship` is given each transaction before it is
    committed, by a connection that remembers what it wrote.
    Raises StateError.
    """
    files = Files(folder)
    with translated():
        if not opening.recorded(files):
            files.settle()
            opening.create(files, lineage=lineage(), key=key)
        orphaned = opening.orphaned(files)
        if not orphaned:
            with closing(opening.reading(files)) as look:  # a ledger that is refused is not touched, its files included
                schema.admit(look, key)
                integrity.glance(files, look)
        db = opening.writing(files, Recorder if ship else sqlite3.Connection)
        try:
            found = schema.admit(db, key)
            if orphaned:
                integrity.glance(files, db)
            schema.upgrade(db, found)
            db.execute("PRAGMA journal_mode = WAL")  # as it was made; another tool may have changed it
            return SqliteLedger(db, files, guard, ship)
        except BaseException:
            db.close()
            raise
