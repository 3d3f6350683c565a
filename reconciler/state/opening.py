"""Opens SQLite for reading or for writing, and decides how a reader leaves no trace.

A reader must see what is committed, also by a writer that is at work or was killed, and must not write a byte.

- The -wal and -shm files are there (a writer is at work, was killed, or has left: ours never removes them): the
  database is opened read-only, the shared index too. Locks on the index keep checkpoints off what is being read, and
  an index that a dead writer left is rebuilt in memory. This works in a read-only folder.
- They are not there (the file was restored, or tidied by another tool): SQLite would have to make them, so the file is
  opened as immutable, which takes no locks. That is safe only as long as nobody writes. Our writer leaves both files
  behind, so `disturbed` tells afterwards whether one came.
- There is a -wal and no -shm: part of the state is in the -wal, and only a writer can make the index. Refused.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from reconciler.core.errors import StateError
from reconciler.state import schema, seal
from reconciler.state.faults import RESTORE
from reconciler.state.files import NAME, Files, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 5.0
"""Seconds to wait for a lock inside SQLite, which a reader or another writer holds for an instant."""


def recorded(files: Files) -> bool:
    """Tell whether anything was ever recorded. Raises StateError when only a part is left; OSError."""
    try:
        files.database.lstat()  # unlike `exists`, it does not take what it may not see for what is not there
    except FileNotFoundError:
        pass
    else:
        if files.database.is_dir():
            raise StateError(f"{NAME}: it is a folder; remove it, and {RESTORE}")
        return True
    if _size(files.wal):
        raise StateError(
            f"{NAME}: it is gone, and a part of it is left in {NAME}-wal; {RESTORE}, "
            "or remove that file too to begin anew"
        )
    return False


def shared(files: Files) -> bool:
    """Tell whether the files are there through which readers and writers keep out of each other's way."""
    return files.wal.exists() and files.shm.exists()


def orphaned(files: Files) -> bool:
    """Tell whether a part of the state can be reached by a writer only."""
    return bool(_size(files.wal)) and not files.shm.exists()


def whole(files: Files) -> bool:
    """Tell whether all of the state is in the one file."""
    return not _size(files.wal)


def reading(files: Files) -> sqlite3.Connection:
    """Open the database so that nothing is written, nor any file made. Raises sqlite3.Error, StateError, OSError."""
    if shared(files):
        return _connect(files.database, "mode=ro&readonly_shm=1", "PRAGMA query_only = ON")
    if orphaned(files):
        raise StateError(
            f"{NAME}: {NAME}-wal belongs to it and {NAME}-shm is missing; copy all three, or run `reconciler apply`, "
            "which mends it"
        )
    return alone(files.database)


def alone(path: Path) -> sqlite3.Connection:
    """Open a ledger that nobody else has open, to read it, without a trace. Raises sqlite3.Error."""
    return _connect(path, "mode=ro&immutable=1", "PRAGMA query_only = ON", "PRAGMA trusted_schema = OFF")


def fresh(path: Path) -> sqlite3.Connection:
    """Open a ledger that is not in its place yet, to write it. Raises sqlite3.Error."""
    return _connect(path, "mode=rw", "PRAGMA synchronous = FULL", "PRAGMA trusted_schema = OFF")


def replaying(path: Path) -> sqlite3.Connection:
    """Open a ledger that nobody else has open, to carry out what others wrote. Raises sqlite3.Error.

    The file is a copy, so nothing need be durable; and it is left whole, without files beside it.
    """
    return _connect(
        path,
        "mode=rw",
        "PRAGMA synchronous = OFF",
        "PRAGMA journal_mode = MEMORY",
        "PRAGMA foreign_keys = ON",
        "PRAGMA trusted_schema = OFF",
    )


def disturbed(files: Files) -> StateError | None:
    """Say, after reading without locks, whether a writer came meanwhile."""
    if shared(files):
        return StateError(f"{NAME}: a run began to write it while it was read; run it again")
    return None


def writing(files: Files, factory: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    """Open the database for the one writer. Raises sqlite3.Error."""
    return _connect(
        files.database,
        "mode=rw",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        "PRAGMA secure_delete = ON",
        factory=factory,
    )


def create(files: Files, *, lineage: str, key: bytes) -> None:
    """Make the ledger: whole, under another name first, so that a half-made one is never met. Raises as `reading`."""
    new = files.fresh
    for leftover in (new, new.with_name(f"{new.name}-journal"), files.wal, files.shm, seal.place(files.database)):
        leftover.unlink(missing_ok=True)
    # Made here, because SQLite would give it the modes of the umask; the -wal and -shm files take after it
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(fresh(new)) as db:
        schema.create(db, lineage=lineage, key=key)
        db.execute("PRAGMA journal_mode = WAL")
    new.replace(files.database)
    sync_folder(files.home)


def _connect(
    path: Path, query: str, *pragmas: str, factory: type[sqlite3.Connection] = sqlite3.Connection
) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{query}"
    # Connections run side by side: who asks on which thread is settled by whoever holds this one
    db = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=PATIENCE, factory=factory, check_same_thread=False
    )
    try:
        for pragma in pragmas:
            db.execute(pragma)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
