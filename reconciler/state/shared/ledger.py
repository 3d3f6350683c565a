"""Writes a state that is kept by connection, as if it were one ledger. It decides what of a run is recorded where."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.errors import StateError
from reconciler.state.shared.reader import SharedReader

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from reconciler.core.ports import Acknowledged, Ledger, LedgerReader
    from reconciler.core.record import ExportRun, Identity, RecordedExport, RecordedList, Run, RunStatus


AT_ONCE = 16
"""Ledgers that are written at the same time when a run begins and ends: each is a journey."""


class SharedLedger(SharedReader):
    """A Ledger over one for each connection that this run holds the lease of; the others can only be read.

    `suppress` adds to those who were erased in the whole project.
    """

    far = True

    def __init__(
        self,
        held: Mapping[str, Ledger],
        others: Mapping[str, Callable[[], LedgerReader]],
        lineage: str,
        suppressed: frozenset[bytes],
        suppress: Callable[[bytes], None],
    ) -> None:
        mine = {name: (lambda ledger=ledger: ledger) for name, ledger in held.items()}
        super().__init__({**others, **mine}, lineage, suppressed)
        self._held, self._suppress = dict(held), suppress
        self.purge: set[str] = set()
        self._identity: Identity | None = None

    @property
    def names(self) -> Collection[str]:
        """The names that the connections have by now whose lease is held."""
        return self._held.keys()

    def _mine(self, connection: str) -> Ledger:
        try:
            return self._held[connection]
        except KeyError:
            raise StateError(f"connection {connection}: its state is not held by this run") from None

    def identity(self) -> Identity | None:
        """Say which state this is. Asked of all once a run: a connection must not wait for what others write."""
        if self._identity is None:
            self._identity = super().identity()
        return self._identity

    def rename_connection(self, old: str, new: str) -> None:
        """Keep what is recorded under a new name. One that this run does not hold is left to the run that does."""
        if old == new or old not in self._held:
            return
        ledger = self._held[old]
        if new in self._held and self._held[new].connections():
            raise StateError(f"connection {old} cannot become {new}: exports are recorded under both names")
        ledger.rename_connection(old, new)
        self._held.pop(old)
        self._openers.pop(old)
        self._open.pop(old, None)
        self._held[new] = self._open[new] = ledger
        self._openers[new] = lambda: ledger

    def rename_export(self, connection: str, old: str, new: str) -> None:
        """Keep what is recorded under a new name."""
        self._mine(connection).rename_export(connection, old, new)

    def save_export(self, connection: str, export: RecordedExport) -> None:
        """Record an export's settings and segments."""
        self._mine(connection).save_export(connection, export)

    def drop_export(self, connection: str, number: int) -> None:
        """Forget an export."""
        self._mine(connection).drop_export(connection, number)

    def save_list(self, connection: str, entry: RecordedList) -> None:
        """Record a list under its slot."""
        self._mine(connection).save_list(connection, entry)

    def drop_list(self, connection: str, slot: int) -> None:
        """Forget a list that vanished."""
        self._mine(connection).drop_list(connection, slot)

    def save_foreign(self, connection: str, slot: int, keys: Sequence[bytes]) -> None:
        """Remember who was on a list before we came."""
        self._mine(connection).save_foreign(connection, slot, keys)

    def drop_foreign(self, connection: str, slot: int, keys: Sequence[bytes]) -> None:
        """Forget that these were on a list before us."""
        self._mine(connection).drop_foreign(connection, slot, keys)

    def adopt(self, connection: str, export: RecordedExport, entry: RecordedList, batch: Acknowledged) -> None:
        """Record an export, a list that exists, and its members as ours."""
        self._mine(connection).adopt(connection, export, entry, batch)

    def save_bulk_lists(self, connection: str, *, works: bool) -> None:
        """Remember whether bulk items may carry a list."""
        self._mine(connection).save_bulk_lists(connection, works=works)

    def commit(self, connection: str, batch: Acknowledged) -> None:
        """Record what was acknowledged, and what is about to be sent."""
        self._mine(connection).commit(connection, batch)

    def erasures(self) -> dict[str, dict[bytes, str | None]]:
        """Give whose erasure is not finished, in the connections that can be written."""
        return {name: people for name, people in super().erasures().items() if name in self._held}

    def suppress(self, key: bytes, connections: Iterable[str]) -> None:
        """Never send this person again, first in the whole project, and note what is to be finished where."""
        self._suppress(key)
        self._suppressed |= {key}
        for connection in connections:
            self._mine(connection).suppress(key, [connection])

    def erased(self, connection: str, key: bytes) -> None:
        """Remove every row about a person in this connection, and what else there is of it when it is left."""
        self.purge.add(connection)
        self._mine(connection).erased(connection, key)

    def start(self, run: Run) -> None:
        """Open a run in the history of each connection that is held."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            begun = [
                pool.submit(ledger.start, replace(run, exports=tuple(e for e in run.exports if e.connection == name)))
                for name, ledger in self._held.items()
            ]
        for one in begun:
            one.result()
        self._identity = None
        self.identity()

    def finish(
        self, run_id: str, *, ended: dt.datetime, status: RunStatus, requests: int, exports: Sequence[ExportRun]
    ) -> None:
        """Close a run in the history. What belongs to no connection, and the requests, are recorded with the first."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            over = []
            for position, (name, ledger) in enumerate(sorted(self._held.items())):
                of_it = [e for e in exports if e.connection == name or not (position or e.connection)]
                sent = 0 if position else requests
                over.append(
                    pool.submit(ledger.finish, run_id, ended=ended, status=status, requests=sent, exports=of_it)
                )
        for one in over:
            one.result()
