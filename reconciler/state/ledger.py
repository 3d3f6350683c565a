"""Writes the ledger into SQLite, one durable transaction a call. It decides when a late writer is refused.

Every transaction first checks that the lock is still held, and the serial and the fence in the ledger itself, which
every writer raises. A writer that lost its lock to another is refused, so that it cannot record over the other's work:
while it is inside a transaction the other cannot begin, and once the other has begun it gets into none.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from reconciler.core.errors import StateError, StateLocked
from reconciler.state import batches, copies, history, opening, schema, seal
from reconciler.state.faults import translated
from reconciler.state.files import NAME, Files
from reconciler.state.people import PeopleLedger
from reconciler.state.slots import Written

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from reconciler.core.ports import Acknowledged
    from reconciler.core.record import Claim, ExportRun, RecordedExport, RecordedList, Run, RunStatus


class SqliteLedger(PeopleLedger):
    """A Ledger, while its process holds the lock. Transactions of several threads wait for each other.

    `guard` raises StateLocked when the lock is lost. A stream of claims gets a connection of its own that only reads,
    so that it sees one moment while this one goes on to write. One such connection stays open to the end, because the
    last writer that leaves would otherwise remove the files through which readers and writers keep out of each other's
    way. `torn`: a transaction was shipped and could not be committed here.
    """

    far = False

    def __init__(
        self,
        db: sqlite3.Connection,
        files: Files,
        guard: Callable[[], None],
        ship: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        super().__init__(db, writing=True, disturbed=lambda: None)
        self._files, self._guard, self._ship = files, guard, ship
        self._written = Written()
        self._run: int | None = None
        self._changed = self._finished = self.torn = False
        with translated():
            self._serial, self._fence = schema.generation(db)
        with self._alone():
            history.cut_off(db)
            db.execute("UPDATE ledger SET fence = fence + 1")
            seal.lift(files.database)
        self._fence += 1
        with translated():
            self._last = opening.reading(files)
            schema.generation(self._last)  # a connection counts as open only when it has read

    def claims(self, connection: str) -> Iterator[Claim]:
        """Stream every claim as it is now, ascending by (key, export), whatever is committed before the end."""
        with translated():
            db = opening.reading(self._files)
        with closing(db):
            yield from self._stream(db, connection)

    def rename_connection(self, old: str, new: str) -> None:
        """Keep what is recorded under a new name. Nothing recorded: nothing done. Refused when both have exports."""
        with self._transaction() as db:
            if old == new or self._number(old) is None:
                return
            if new in self.connections():
                raise StateError(f"connection {old} cannot become {new}: exports are recorded under both names")
            db.execute("DELETE FROM connections WHERE name = ?", (new,))
            db.execute("UPDATE connections SET name = ? WHERE name = ?", (new, old))
            history.rename(db, connection=(old, new))

    def rename_export(self, connection: str, old: str, new: str) -> None:
        """Keep what is recorded under a new name. Nothing recorded: nothing done. Refused when both are recorded."""
        with self._transaction() as db:
            names = {export.name for export in self.exports(connection)}
            if old == new or old not in names:
                return
            if new in names:
                raise StateError(f"export {old} cannot become {new}: both are recorded in connection {connection}")
            db.execute(
                "UPDATE exports SET name = ? WHERE connection = ? AND name = ?", (new, self._number(connection), old)
            )
            history.rename(db, connection=(connection, connection), export=(old, new))

    def save_export(self, connection: str, export: RecordedExport) -> None:
        """Record an export's settings and segments, under its number; `people` is not taken from here."""
        with self._transaction() as db:
            place = (self._enter(connection), export.number)
            db.execute(
                "INSERT INTO exports VALUES (?, ?, ?, ?, ?) ON CONFLICT (connection, number) DO UPDATE SET"
                " name = excluded.name, protected = excluded.protected, keep_retired = excluded.keep_retired",
                (*place, export.name, export.protected, export.keep_retired),
            )
            db.execute("DELETE FROM segments WHERE connection = ? AND export = ?", place)
            db.executemany(
                "INSERT INTO segments VALUES (?, ?, ?, ?, ?)",
                [(*place, name, title, slot) for name, (title, slot) in export.segments.items()],
            )

    def drop_export(self, connection: str, number: int) -> None:
        """Forget an export, its claims, and the contact ids of those whom no other export holds."""
        with self._transaction() as db:
            place = (self._number(connection), number)
            db.execute(
                "DELETE FROM contacts WHERE connection = ?1"
                " AND key IN (SELECT key FROM claims WHERE connection = ?1 AND export = ?2)"
                " AND key NOT IN (SELECT key FROM claims WHERE connection = ?1 AND export <> ?2)",
                place,
            )
            db.execute("DELETE FROM claims WHERE connection = ? AND export = ?", place)
            db.execute("DELETE FROM exports WHERE connection = ? AND number = ?", place)

    def save_list(self, connection: str, entry: RecordedList) -> None:
        """Record a list under its slot."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO lists VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (connection, slot) DO UPDATE SET"
                " title = excluded.title, list_id = excluded.list_id, made = excluded.made, behind = excluded.behind",
                (self._enter(connection), entry.slot, entry.title, entry.list_id, entry.made, entry.behind),
            )

    def drop_list(self, connection: str, slot: int) -> None:
        """Forget a list that vanished, who was on it before, and its slot in every claim and segment."""
        with self._transaction() as db:
            number, alone = self._number(connection), f" {slot} "
            db.execute("DELETE FROM lists WHERE connection = ? AND slot = ?", (number, slot))
            db.execute("DELETE FROM foreign_members WHERE connection = ? AND slot = ?", (number, slot))
            db.execute("DELETE FROM segments WHERE connection = ? AND slot = ?", (number, slot))
            db.execute(
                "UPDATE claims SET slots = trim(replace(' ' || slots || ' ', ?2, ' '))"
                " WHERE connection = ?1 AND instr(' ' || slots || ' ', ?2) > 0",
                (number, alone),
            )

    def save_bulk_lists(self, connection: str, *, works: bool) -> None:
        """Remember whether bulk items may carry a list."""
        with self._transaction() as db:
            db.execute("UPDATE connections SET bulk_lists = ? WHERE id = ?", (works, self._enter(connection)))

    def commit(self, connection: str, batch: Acknowledged) -> None:
        """Record what was acknowledged, and what is about to be sent; what is both settled and intended is in doubt.

        The exports of the claims must be recorded, and a batch with rejects belongs to a run that was started.
        """
        if not (batch.claims or batch.contacts or batch.intents or batch.settled or batch.rejects):
            return
        with self._transaction() as db:
            number = self._enter(connection)
            batches.write(db, number, batch, self._written)
            if batch.rejects:
                if self._run is None:
                    raise StateError("rejected people belong to a run, and none was started")
                history.refuse(db, self._run, batch.rejects)

    def start(self, run: Run) -> None:
        """Open a run in the history; the serial grows."""
        with self._alone() as db:
            db.execute("UPDATE ledger SET serial = serial + 1")
            history.begin(db, self._serial + 1, run)
        self._serial += 1
        self._run = self._serial

    def finish(
        self, run_id: str, *, ended: dt.datetime, status: RunStatus, requests: int, exports: Sequence[ExportRun]
    ) -> None:
        """Close a run in the history."""
        with self._alone() as db:
            history.end(db, run_id, ended=ended, status=status, requests=requests, exports=exports)
        self._finished = True

    def close(self) -> None:
        """Move everything into the one file, as far as no reader is in the way, and close it. May be called twice.

        What was changed, by a run that came to its end or without one, is kept as a copy.
        """
        # The -wal keeps what cannot be moved, and the next writer takes it up; seal and copy can be done without
        with suppress(sqlite3.Error, StateError), self._turn:
            self._db.execute("PRAGMA busy_timeout = 0")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with self._alone():
                if opening.whole(self._files) and self._ship is None:  # what is shipped has its copies elsewhere
                    worth = self._changed and (self._finished or self._run is None)
                    copies.leave(self._files, self._serial if worth else None)
        super().close()
        self._last.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what is written inside, all of it or nothing. Raises StateError; StateLocked for a late writer."""
        with self._alone() as db:
            yield db
        self._changed = True

    @contextmanager
    def _alone(self) -> Iterator[sqlite3.Connection]:
        """Do the same for what is worth no copy: the history of runs that change nothing else."""
        with self._turn:
            if self._db.in_transaction:  # of another method, which commits
                yield self._db
            else:
                with self._begun() as db:
                    yield db

    @contextmanager
    def _begun(self) -> Iterator[sqlite3.Connection]:
        db = self._db
        with translated():
            db.execute("BEGIN IMMEDIATE")
            try:
                self._guard()
                if schema.generation(db) != (self._serial, self._fence):
                    raise StateLocked(f"{NAME}: another run has taken over; this one records no more")
                yield db
                if self._ship is not None:  # it must be elsewhere before it is here
                    self.torn = True
                    self._ship(db)
                db.execute("COMMIT")
                self.torn = False
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def _enter(self, connection: str) -> int:
        self._db.execute("INSERT INTO connections (name) VALUES (?) ON CONFLICT (name) DO NOTHING", (connection,))
        number = self._number(connection)
        assert number is not None
        return number
