"""One connection's ledger in a shared store: a base, and the log since. It decides when a new base is worth writing.

Below `connections/NAME/`: `head` says which base is the newest and which are kept, `base/N` is the ledger with every
entry before N carried out, `log/N` are the entries. A ledger is brought here whole, as the file that it is on one
machine, and used there; each of its transactions is in the log before it is in the file.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from reconciler.core.errors import StateError, StoreConflict
from reconciler.state import opening, schema
from reconciler.state.faults import translated
from reconciler.state.files import Files
from reconciler.state.place import open_ledger
from reconciler.state.shared.log import Log
from reconciler.state.shared.sealed import packed, unpacked
from reconciler.state.statements import Recorder, carried_out

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.core.store import Store, Stored
    from reconciler.state.ledger import SqliteLedger

FOLDER = "connections"
KEPT = 3
"""Bases that are kept, the newest included."""

ENTRIES = 64
"""Entries after which a new base is written: each is a request to whoever opens the ledger next."""

SHARE = 0.25
"""Part of the base that the log may be as large as."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is newest. `base` is the number of the first entry after it; `bases` are all that are kept, ascending."""

    connection: str
    lineage: str
    base: int = 0
    bases: tuple[int, ...] = (0,)
    format: int = 1


class Shard:
    """One connection's ledger, by the name that its folder in the store has."""

    def __init__(self, store: Store, name: str, key: bytes) -> None:
        self.name, self.folder = name, f"{FOLDER}/{name}"
        self._store, self._key = store, key
        self._log: Log | None = None
        self._base_size = 0
        self._connection = ""

    def head(self) -> tuple[Head, Stored] | None:
        """Give what is newest, or None when nothing was ever recorded. Raises StateError."""
        found = self._store.read(f"{self.folder}/head")
        if found is None:
            return None
        fields = json.loads(unpacked(self._key, f"{self.folder}/head", found.data))
        if fields.get("format") != 1:
            raise StateError(f"{self.folder}: written by a newer version of reconciler; upgrade reconciler")
        return Head(**fields | {"bases": tuple(fields["bases"])}), found

    def newest(self) -> Head:
        """Give what is newest of a ledger that was there. Raises StateError when it is there no more."""
        known = self.head()
        if known is None:
            raise StateError(f"{self.folder}: it is gone")
        return known[0]

    def bring(self, head: Head, folder: Path, base: int | None = None) -> Files:
        """Make the ledger's file in a folder of ours: as it is now, or as an older base has it. Raises StateError."""
        files = Files(folder)
        with translated():
            shutil.rmtree(files.home, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            files.settle()
            number = head.base if base is None else base
            name = f"{self.folder}/base/{number:012}"
            found = self._store.read(name)
            if found is None:
                raise StateError(f"{name}: it is gone; `reconciler state restore` lists the good copies")
            handle = os.open(files.database, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(unpacked(self._key, name, found.data))
            self._base_size, self._connection = len(found.data), head.connection
            self._log = Log(self._store, self.folder, self._key, number)
            with closing(opening.replaying(files.database)) as db:
                schema.upgrade(db, schema.admit(db, self._key))  # before what newer versions wrote
                if base is None:
                    carried_out(db, self._log.entries())
        return files

    def open(self, folder: Path, head: Head, guard: Callable[[], None]) -> SqliteLedger:
        """Bring it here and open it for writing: from now on, whoever had it before records no more.

        The caller holds the lease. Raises StateLocked when another writer was quicker, StateError.
        """
        self.bring(head, folder)
        return open_ledger(folder, self._key, guard=guard, ship=self._ship)

    def make(self, folder: Path, connection: str, lineage: str) -> Head:
        """Make a ledger that holds nothing yet, and put it there. Raises StoreConflict when somebody else did."""
        files = Files(folder)
        with translated():
            shutil.rmtree(files.home, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            files.settle()
            opening.create(files, lineage=lineage, key=self._key)
        return self.put(files, connection, lineage)

    def put(self, files: Files, connection: str, lineage: str) -> Head:
        """Put a whole ledger there, where there is none. Raises StoreConflict when there is one, StateError."""
        head = Head(connection, lineage)
        self._write_base(files, 0)
        self._store.create(f"{self.folder}/head", self._packed(head))
        return head

    def leave(self, files: Files, connection: str, *, purge: bool) -> None:
        """After the ledger is closed: write a new base when the log has grown, and drop what nobody needs.

        `purge`: somebody was erased who is in every older base and entry, so these go now.
        """
        log = self._log
        if log is None or not opening.whole(files):
            return
        grown = log.length > ENTRIES or log.size > SHARE * self._base_size + _LITTLE
        if not (grown or purge or self._connection != connection):
            return
        known = self.head()
        if known is not None and known[0].base <= log.next:  # or else somebody is further than we are
            self._rebase(*known, files, log.next, connection, kept=1 if purge else KEPT)

    def restore(self, head: Head, stored: Stored, files: Files) -> None:
        """After it was brought here as it is now: let this file be the ledger from here on. Raises StoreConflict."""
        assert self._log is not None
        # The number is taken, so that nobody goes on writing behind what is restored
        self._log.append(b"[]")
        self._rebase(head, stored, files, self._log.next, head.connection, kept=KEPT)

    def _rebase(  # what it was, what it is to be, and how much of the past stays
        self, head: Head, stored: Stored, files: Files, number: int, connection: str, *, kept: int
    ) -> None:
        if number != head.base:
            self._write_base(files, number)
        bases = tuple(sorted({*head.bases, number})[-kept:])
        now = replace(head, connection=connection, base=number, bases=bases)
        self._store.replace(f"{self.folder}/head", self._packed(now), stored.version)
        self._tidy(bases)

    def _tidy(self, bases: tuple[int, ...]) -> None:
        """Remove bases that are not kept, and entries that no base needs: only the newest one is read on from."""
        kept = {f"{self.folder}/base/{number:012}" for number in bases}
        old = [name for name in self._store.names(f"{self.folder}/base") if name not in kept]
        log = f"{self.folder}/log/{bases[-1]:012}"
        old += [name for name in self._store.names(f"{self.folder}/log") if name < log]
        self._store.delete_all(old)

    def _write_base(self, files: Files, number: int) -> None:
        name = f"{self.folder}/base/{number:012}"
        with translated():
            data = packed(self._key, name, files.database.read_bytes())
        try:
            self._store.create(name, data)
        except StoreConflict:
            found = self._store.read(name)
            if found is not None and found.data != data:  # of a run that was cut off before it said so in the head
                self._store.replace(name, data, found.version)
        self._base_size = len(data)

    def _packed(self, head: Head) -> bytes:
        return packed(self._key, f"{self.folder}/head", json.dumps(asdict(head), sort_keys=True).encode())

    def _ship(self, db: sqlite3.Connection) -> None:
        assert isinstance(db, Recorder)
        assert self._log is not None
        entry = db.taken()
        if entry:
            self._log.append(entry)


_LITTLE = 64 * 1024
"""Bytes of log that are never worth a new base."""
