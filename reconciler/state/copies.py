"""The last good copies of the ledger, one file a run that wrote. It decides how many are kept.

A copy is a plain copy of the file, made when everything is in it: 45 ms for 100,000 people with its digest, which is
the seal of the ledger and of the copy at once; SQLite's own backup takes as long and gives no digest.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.custody import Copy
from reconciler.core.errors import StateError
from reconciler.state import integrity, opening, schema, seal
from reconciler.state.faults import translated
from reconciler.state.files import sync_folder

if TYPE_CHECKING:
    from reconciler.state.files import Files

KEPT = 3


def leave(files: Files, serial: int | None) -> None:
    """Seal the ledger, and with a serial keep a copy of it. Everything is in the one file, and nobody writes to it.

    Raises OSError: then there is no seal, or no copy, and nothing else is amiss.
    """
    if serial is None:
        seal.put(files.database, seal.digest(files.database))
        return
    files.copies.mkdir(mode=0o700, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="copy-", dir=files.copies)
    fresh = Path(name)
    try:
        digest = seal.duplicate(files.database, handle)
        seal.put(files.database, digest)
        seal.put(place(files, serial), digest)
        fresh.replace(place(files, serial))
    finally:
        os.close(handle)
        fresh.unlink(missing_ok=True)
    _forget_old(files)


def place(files: Files, serial: int) -> Path:
    """Give where the copy of a serial is."""
    return files.copies / f"{serial}.sqlite"


def serials(files: Files) -> tuple[int, ...]:
    """Give the serials of the copies, the newest first. Raises OSError."""
    found = (path.stem for path in files.copies.glob("*.sqlite"))
    return tuple(sorted((int(stem) for stem in found if stem.isdecimal()), reverse=True))


def listed(files: Files, key: bytes) -> tuple[Copy, ...]:
    """Give the copies, the newest first, each looked at whole. Raises StateError when they cannot be listed."""
    with translated():
        return tuple(_looked_at(files, serial, key) for serial in serials(files))


def _looked_at(files: Files, serial: int, key: bytes) -> Copy:
    path = place(files, serial)
    made = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    try:
        return Copy(serial, made, people=sound(path, key))
    except StateError as error:
        return Copy(serial, made, fault=str(error).partition(": ")[2])


def sound(path: Path, key: bytes) -> int:
    """Look at a copy whole, and give how many people it holds. Raises StateError for one that is not good."""
    with translated():
        if seal.broken(path):
            raise StateError(f"{path.name}: it is damaged: it is not the file that was sealed")
        with closing(opening.alone(path)) as db:
            schema.admit_current(db, key)
            for fault in integrity.faults(db):
                raise StateError(f"{path.name}: it is damaged: {fault}")
            return integrity.counts(db)["contacts"]


def serial_of(path: Path, key: bytes) -> tuple[str, int] | None:
    """Give (lineage, serial) of a ledger, or None when it cannot be read."""
    try:
        with closing(opening.alone(path)) as db:
            schema.admit(db, key)
            lineage: str = db.execute("SELECT lineage FROM ledger").fetchone()[0]
            return lineage, schema.generation(db)[0]
    except (StateError, sqlite3.Error):
        return None


def discard(files: Files) -> None:
    """Remove every copy, and what is kept aside: somebody is erased who is in them. Raises OSError."""
    for folder in (files.copies, files.aside):
        if folder.exists():
            shutil.rmtree(folder)
    sync_folder(files.home)


def _forget_old(files: Files) -> None:
    old = serials(files)[KEPT:]
    for path in (place(files, serial) for serial in old):
        path.unlink(missing_ok=True)
        seal.place(path).unlink(missing_ok=True)
