"""Looks after the ledger on the day something went wrong. It decides what may take the ledger's place.

What takes its place may be older than what Autopilot holds, so every list in it is marked: a run first notes whoever is
there without being recorded, and never takes them off. What was there before is kept aside.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from reconciler.core.custody import Health
from reconciler.core.errors import SecretMissing, StateError
from reconciler.core.record import Identity
from reconciler.state import copies, integrity, lock, opening, schema, seal
from reconciler.state.faults import RESTORE, translated
from reconciler.state.files import HOME, NAME, Files, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.core.custody import Copy, Holder
    from reconciler.core.ports import Clock

ASIDES = 3
"""Ledgers that are kept aside."""


class Custody:
    """The ledger of one project and its copies; `folder` holds `exports/`. All of it raises StateError.

    Raises SecretMissing when there is something to look after, and no key to it. Who restores or pushes holds the lock.
    """

    def __init__(self, folder: Path, key: bytes | None, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._files = Files(folder)
        with translated():
            if key is None and (opening.recorded(self._files) or copies.serials(self._files)):
                raise SecretMissing(f"{NAME}: its key is not there: restore {HOME}/key or set RECONCILER_STATE_KEY")
        self._key = key or bytes(1)

    def check(self) -> Health:
        """Look at everything. A ledger that cannot be opened at all is a fault like another."""
        kept, holder = copies.listed(self._files, self._key), lock.holder(self._folder, self._clock)
        try:
            with translated():
                if not opening.recorded(self._files):
                    return Health(None, copies=kept, holder=holder)
                with closing(opening.reading(self._files)) as db:
                    return self._health(db, kept, holder)
        except StateError as error:
            return Health(None, (str(error).removeprefix(f"{NAME}: "),), copies=kept, holder=holder)

    def _health(self, db: sqlite3.Connection, kept: tuple[Copy, ...], holder: Holder | None) -> Health:
        db.execute("BEGIN")  # so that all that is read is of one moment
        found = schema.admit(db, self._key)
        (lineage,) = db.execute("SELECT lineage FROM ledger").fetchone()
        faults = integrity.faults(db)
        broken = seal.broken(self._files.database)
        if broken:
            faults += ("the file is not the one that the last run left",)
        return Health(
            Identity(str(lineage), schema.generation(db)[0], found),
            faults,
            {} if faults else integrity.counts(db),
            0 if faults else integrity.behind(db),
            sealed=broken is False,
            copies=kept,
            holder=holder,
        )

    def copies(self) -> tuple[Copy, ...]:
        """Give the good copies, the newest first."""
        return copies.listed(self._files, self._key)

    def restore(self, serial: int, connection: str = "") -> Path | None:
        """Put a copy in place of the ledger; gives where the former is kept. A local one is of all connections."""
        if connection:
            raise StateError("--connection is for a state that machines share: this one is one file, of all of them")
        with translated():
            known = copies.serials(self._files)
            if serial not in known:
                listed = ", ".join(map(str, known)) or "none"
                raise StateError(f"{HOME}/copies: there is no copy of serial {serial}; there is {listed}")
            source = copies.place(self._files, serial)
            copies.sound(source, self._key)
            here = self._here()
            return self._install(source, max(known[0], here[1] if here else 0) + 1)

    def pull(self, target: Path) -> None:
        """Write what is recorded now, all of one moment, into a file that is there whole or not at all."""
        with translated():
            if not opening.recorded(self._files):
                raise StateError("there is no state yet; nothing was ever applied here")
            fresh = target.with_name(f"{target.name}.new")
            fresh.unlink(missing_ok=True)
            os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                with closing(opening.reading(self._files)) as db:
                    schema.admit_current(db, self._key)
                    integrity.as_left(self._files)
                    with closing(sqlite3.connect(fresh)) as into:
                        db.backup(into)
                        into.execute("PRAGMA journal_mode = DELETE")  # one file, whatever opens it next
                fresh.replace(target)
            finally:
                fresh.unlink(missing_ok=True)

    def push(self, source: Path, *, force: bool) -> Path | None:
        """Put a ledger that was pulled in place of this one; gives where the former is kept.

        One of another lineage or of an older serial is refused, unless forced; one that is damaged or made with
        another key is refused in any case.
        """
        with translated():
            there = self._offered(source)
            here = self._here()
            if here is None and opening.recorded(self._files) and not force:
                raise StateError(
                    f"{source.name}: whether it may follow what is here is not known, because {NAME} cannot be read; "
                    f"{RESTORE}, or --force takes in this one"
                )
            if here is not None and here[0] != there[0] and not force:
                raise StateError(
                    f"{source.name}: it is of another lineage ({there[0]}, and here is {here[0]}), so it never was the "
                    "state of this project; --force takes it in all the same"
                )
            if here is not None and there[1] < here[1] and not force:
                raise StateError(
                    f"{source.name}: it is older (serial {there[1]}, and here is {here[1]}), so what was sent since is "
                    "not in it; --force takes it in all the same"
                )
            serial = max(there[1], here[1] + 1 if here and there[1] < here[1] else 0)
            return self._install(source, serial)

    def take_in(self, source: Path) -> None:
        """Let a ledger that was pulled elsewhere be the one here, where nothing is recorded yet, as it stands."""
        with translated():
            self._offered(source)
            if opening.recorded(self._files):
                raise StateError(f"{NAME}: a state is there already; migrate to a place that has none")
            self._files.settle()
            handle = os.open(self._files.fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                seal.duplicate(source, handle)
            finally:
                os.close(handle)
            self._files.fresh.replace(self._files.database)
            sync_folder(self._files.home)

    def _offered(self, source: Path) -> tuple[str, int]:
        try:
            copies.sound(source, self._key)
        except StateError as error:
            raise StateError(f"{source.name}: {str(error).partition(': ')[2]}") from error
        found = copies.serial_of(source, self._key)
        if found is None:
            raise StateError(f"{source.name}: it cannot be read")
        return found

    def _here(self) -> tuple[str, int] | None:
        """Give (lineage, serial) of the ledger that is in its place, or None: there is none, or it cannot be read."""
        try:
            if not opening.recorded(self._files):
                return None
            with closing(opening.reading(self._files)) as db:
                schema.admit(db, self._key)
                (lineage,) = db.execute("SELECT lineage FROM ledger").fetchone()
                return str(lineage), int(schema.generation(db)[0])
        except (StateError, sqlite3.Error, ValueError, TypeError):
            return None

    def _install(self, source: Path, serial: int) -> Path | None:
        """Make a marked copy ready, put what is here aside, and the copy in its place."""
        files = self._files
        files.settle()
        if self._here() is not None:
            self._fold()
        for leftover in files.home.glob(f"{files.fresh.name}*"):
            leftover.unlink()
        handle = os.open(files.fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            seal.duplicate(source, handle)
        finally:
            os.close(handle)
        with closing(opening.fresh(files.fresh)) as db:
            if integrity.faults(db):  # it was changed after it was looked at
                raise StateError(f"{source.name}: it is damaged")
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE lists SET behind = 1")
            db.execute("UPDATE ledger SET serial = ?, fence = fence + 1", (serial,))
            db.execute("COMMIT")
        former = self._put_aside()
        files.fresh.replace(files.database)
        sync_folder(files.home)
        return former

    def _fold(self) -> None:
        """Move everything into the one file, so that a run of this that is cut off leaves it whole in its place."""
        with suppress(sqlite3.Error), closing(opening.writing(self._files)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _put_aside(self) -> Path | None:
        """Keep the ledger as it is in a folder of its own. It stays in its place, without what is not moved into it.

        The -wal goes first: beside the ledger that comes, SQLite would take it for a part of that.
        """
        files = self._files
        if not files.database.exists() and not files.wal.exists():
            return None
        place = files.aside / f"{self._clock.now():%Y%m%dT%H%M%S.%fZ}"
        place.mkdir(mode=0o700, parents=True)
        files.aside.chmod(0o700)
        if files.database.is_file():
            (place / files.database.name).hardlink_to(files.database)
        for part in (files.wal, files.shm, seal.place(files.database)):
            if part.exists():
                part.replace(place / part.name)
        if files.database.is_dir():
            files.database.replace(place / files.database.name)
        for old in sorted(files.aside.iterdir(), reverse=True)[ASIDES:]:
            shutil.rmtree(old)
        return place
