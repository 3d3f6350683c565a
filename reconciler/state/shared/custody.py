"""Looks after a state in a shared store. It decides what may take the place of a connection's ledger, and of all."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.custody import Copy, Health
from reconciler.core.errors import StateError
from reconciler.core.record import Identity
from reconciler.state import copies, opening, parts
from reconciler.state.custody import Custody
from reconciler.state.faults import translated
from reconciler.state.files import Files
from reconciler.state.schema import FORMAT, generation
from reconciler.state.shared import project
from reconciler.state.shared.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.ports import Clock
    from reconciler.state.shared.place import SharedState


class SharedCustody:
    """The ledgers of one project, one for each connection. All of it raises StateError.

    Who restores or pushes holds the lock of all of them.
    """

    def __init__(self, state: SharedState, clock: Clock) -> None:
        self._state, self._clock, self._key = state, clock, state.key()

    def check(self) -> Health:
        """Look at everything. A ledger that cannot be brought here is a fault like another."""
        found, faults = [], []
        serial = 0
        with self._room() as room:
            for name, head in self._state.heads().items():
                try:
                    health = self._checked(name, room / name)
                except StateError as error:
                    health = Health(None, (str(error),))
                found.append(health)
                faults += [f"connection {head.connection}: {fault}" for fault in health.faults]
                serial += health.identity.serial if health.identity else 0
            lineage = project.lineage(self._state.store, self._key, make=False)
            tables = sorted({table for health in found for table in health.counts})
            return Health(
                Identity(lineage, serial, FORMAT) if lineage is not None else None,
                tuple(faults),
                {table: sum(health.counts.get(table, 0) for health in found) for table in tables},
                sum(health.behind for health in found),
                sealed=not faults,  # each object is, under the state key
                copies=self.copies(),
                holder=next((holder for _, holder in self._state.holders()), None),
            )

    def _checked(self, name: str, folder: Path) -> Health:
        shard = Shard(self._state.store, name, self._key)
        known = shard.head()
        if known is None:
            raise StateError(f"{name}: it is gone")
        shard.bring(known[0], folder)
        return Custody(folder, self._key, self._clock).check()

    def copies(self) -> tuple[Copy, ...]:
        """Give the bases that are kept, the newest of each connection first."""
        found = []
        with self._room() as room:
            for name, head in self._state.heads().items():
                for base in sorted(head.bases, reverse=True):
                    shard, folder = Shard(self._state.store, name, self._key), room / f"{name}-{base}"
                    try:
                        files = shard.bring(head, folder, base)
                        people = copies.sound(files.database, self._key)
                        serial = _serial(files)
                    except StateError as error:
                        copy = Copy(base, None, fault=str(error), connection=head.connection)
                    else:
                        copy = Copy(serial, None, people, connection=head.connection)
                    found.append(copy)
        return tuple(found)

    def restore(self, serial: int, connection: str = "") -> None:
        """Let a connection's ledger be as that base has it; the bases of before are kept.

        Without a name, of the only connection that there is.
        """
        names = sorted(head.connection for head in self._state.heads().values())
        if not connection and len(names) != 1:
            raise StateError(f"say of which connection, by --connection: {', '.join(names) or 'none is recorded'}")
        connection = connection or names[0]
        with self._room() as room:
            for name, head in self._state.heads().items():
                if head.connection != connection:
                    continue
                for base in head.bases:
                    files = Shard(self._state.store, name, self._key).bring(head, room / f"{name}-{base}", base)
                    if _serial(files) == serial:
                        self._install(name, files.database, room / f"{name}-now")
                        return
        raise StateError(f"there is no copy of serial {serial} of connection {connection}; `state restore` lists them")

    def pull(self, target: Path) -> None:
        """Write what is recorded now into one file that is there whole or not at all."""
        lineage = project.lineage(self._state.store, self._key, make=False)
        if lineage is None:
            raise StateError("there is no state yet; nothing was ever applied here")
        with self._room() as room:
            brought = [
                Shard(self._state.store, name, self._key).bring(head, room / name).database
                for name, head in self._state.heads().items()
            ]
            whole = room / "whole"
            parts.together(brought, whole, key=self._key, lineage=lineage)
            with translated():
                fresh = target.with_name(f"{target.name}.new")
                fresh.unlink(missing_ok=True)
                handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "wb") as file:
                    file.write(whole.read_bytes())
                fresh.replace(target)

    def push(self, source: Path, *, force: bool) -> None:
        """Put a ledger that was pulled in place of what is recorded of each of its connections.

        One of another lineage or of an older serial is refused, unless forced; what it does not have stays.
        """
        copies.sound(source, self._key)
        there = copies.serial_of(source, self._key)
        here = project.lineage(self._state.store, self._key, make=False)
        if there is None:
            raise StateError(f"{source.name}: it cannot be read")
        if here is not None and not force:
            self._refuse(source, there, here)
        project.lineage(self._state.store, self._key, make=True)
        by_connection = {head.connection: name for name, head in self._state.heads().items()}
        with self._room() as room:
            for connection in parts.connections(source):
                part = room / f"{connection}.part"
                parts.part(source, connection, part)
                self._install(by_connection.get(connection, connection), part, room / connection)
            for person in parts.erased(source):  # a run of some connections reads no ledger of the others
                project.erase(self._state.store, self._key, person)

    def take_in(self, source: Path) -> None:
        """Let a ledger that was pulled elsewhere be the one here, where nothing is recorded yet, as it stands."""
        copies.sound(source, self._key)
        there = copies.serial_of(source, self._key)
        if there is None:
            raise StateError(f"{source.name}: it cannot be read")
        if self._state.heads():
            raise StateError("a state is there already; migrate to a place that has none")
        project.adopt(self._state.store, self._key, there[0])
        with self._room() as room:
            for connection in parts.connections(source):
                files = Files(room / connection)
                files.home.mkdir(parents=True)
                parts.part(source, connection, files.database)
                Shard(self._state.store, connection, self._key).put(files, connection, there[0])
            for person in parts.erased(source):
                project.erase(self._state.store, self._key, person)

    def _refuse(self, source: Path, there: tuple[str, int], here: str) -> None:
        if there[0] != here:
            raise StateError(
                f"{source.name}: it is of another lineage ({there[0]}, and here is {here}), so it never was the state "
                "of this project; --force takes it in all the same"
            )
        with closing(self._state.reader()) as reader:
            identity = reader.identity()
        if identity is not None and there[1] < identity.serial:
            raise StateError(
                f"{source.name}: it is older (serial {there[1]}, and here is {identity.serial}), so what was sent "
                "since is not in it; --force takes it in all the same"
            )

    def _install(self, name: str, source: Path, folder: Path) -> None:
        """Put a part in its place, as one that may be older than the lists are."""
        shard = Shard(self._state.store, name, self._key)
        known = shard.head()
        files = Files(folder)
        serial = 0
        if known is not None:
            serial = _serial(shard.bring(known[0], folder))
            files.database.unlink()
        files.home.mkdir(parents=True, exist_ok=True)
        with translated():
            files.database.write_bytes(source.read_bytes())
            with closing(opening.replaying(files.database)) as db:
                (connection,) = db.execute("SELECT name FROM connections").fetchone()
                db.execute("UPDATE lists SET behind = 1")
                db.execute("UPDATE ledger SET serial = max(serial, ?), fence = fence + 1", (serial + 1,))
        if known is None:
            lineage = project.lineage(self._state.store, self._key, make=True)
            shard.put(files, str(connection), str(lineage))
        else:
            shard.restore(*known, files)

    @contextmanager
    def _room(self) -> Iterator[Path]:
        try:
            with tempfile.TemporaryDirectory(prefix="reconciler-") as folder:
                yield Path(folder)
        finally:
            self._state.close()


def _serial(files: Files) -> int:
    with translated(), closing(opening.alone(files.database)) as db:
        return generation(db)[0]
