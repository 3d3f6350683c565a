"""Reads a state that is kept by connection, as if it were one ledger. It decides how a run of many parts reads.

Each connection's part of a run is recorded with that connection, so that connections run side by side. What is shown is
the run: as bad as its worst part, and over when the last part is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.errors import StateError
from reconciler.core.record import Identity, RunStatus
from reconciler.state.empty import EmptyReader
from reconciler.state.schema import FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from reconciler.core.ports import LedgerReader
    from reconciler.core.record import Claim, Intent, RecordedExport, RecordedList, Reject, Run

WORST = (
    RunStatus.RUNNING,
    RunStatus.INTERRUPTED,
    RunStatus.CANCELED,
    RunStatus.FAILED,
    RunStatus.SUCCESSFUL,
    RunStatus.SKIPPED,
)


class SharedReader:
    """A LedgerReader over one for each connection, by the connection's name; each is opened when it is first asked."""

    def __init__(
        self, openers: Mapping[str, Callable[[], LedgerReader]], lineage: str | None, suppressed: frozenset[bytes]
    ) -> None:
        self._openers, self._lineage, self._suppressed = dict(openers), lineage, suppressed
        self._open: dict[str, LedgerReader] = {}

    def _of(self, connection: str) -> LedgerReader:
        return self._opened(connection) if connection in self._openers else EmptyReader()

    def _opened(self, connection: str) -> LedgerReader:
        if connection not in self._open:
            self._open[connection] = self._openers[connection]()
        return self._open[connection]

    def _all(self) -> Iterator[LedgerReader]:
        return (self._opened(connection) for connection in sorted(self._openers))

    def identity(self) -> Identity | None:
        """Say which state this is. The serial grows with each connection's."""
        found = [one.identity() for one in self._all()]
        serial = sum(identity.serial for identity in found if identity is not None)
        return Identity(self._lineage, serial, FORMAT) if self._lineage is not None else None

    def connections(self) -> tuple[str, ...]:
        """Name every connection that has recorded exports."""
        return tuple(sorted(name for one in self._all() for name in one.connections()))

    def exports(self, connection: str) -> tuple[RecordedExport, ...]:
        """Give the recorded exports of a connection, by number."""
        return self._of(connection).exports(connection)

    def lists(self, connection: str) -> tuple[RecordedList, ...]:
        """Give the known lists of a connection, by slot."""
        return self._of(connection).lists(connection)

    def claims(self, connection: str) -> Iterator[Claim]:
        """Stream every claim of a connection, ascending by (key, export)."""
        return self._of(connection).claims(connection)

    def contact_ids(self, connection: str, keys: Iterable[bytes]) -> dict[bytes, str]:
        """Give the contact ids of those keys that have one."""
        return self._of(connection).contact_ids(connection, keys)

    def bulk_lists(self, connection: str) -> bool | None:
        """Tell whether bulk items may carry a list, as found out; None: not known yet."""
        return self._of(connection).bulk_lists(connection)

    def foreign(self, connection: str) -> dict[bytes, frozenset[int]]:
        """Give the slots of the lists that people were on before we came."""
        return self._of(connection).foreign(connection)

    def doubtful(self, connection: str) -> tuple[Intent, ...]:
        """Give what was begun and never settled."""
        return self._of(connection).doubtful(connection)

    def rejected(self, connection: str) -> frozenset[bytes]:
        """Give everybody whom the destination did not take, as far as runs remember."""
        return self._of(connection).rejected(connection)

    def suppressed(self) -> frozenset[bytes]:
        """Give the keys of those who were erased."""
        return self._suppressed.union(*(one.suppressed() for one in self._all()))

    def erasures(self) -> dict[str, dict[bytes, str | None]]:
        """Give whose erasure is not finished, by connection."""
        found: dict[str, dict[bytes, str | None]] = {}
        for one in self._all():
            for connection, people in one.erasures().items():
                found.setdefault(connection, {}).update(people)
        return found

    def runs(self, export: str | None = None, limit: int = 50) -> tuple[Run, ...]:
        """Give past runs, the newest first."""
        parts: dict[str, list[Run]] = {}
        for one in self._all():
            for run in one.runs(export, limit):
                parts.setdefault(run.id, []).append(run)
        found = sorted(map(whole, parts.values()), key=lambda run: (run.started, run.id), reverse=True)
        return tuple(found[:limit])

    def run(self, run_id: str) -> tuple[Run, tuple[Reject, ...]]:
        """Give one run, by its id or a beginning that is not ambiguous. Raises StateError: none, or several."""
        parts: list[Run] = []
        rejects: list[Reject] = []
        refusal: StateError | None = None
        for one in self._all():
            try:
                run, refused = one.run(run_id)
            except StateError as error:
                refusal = error
            else:
                parts.append(run)
                rejects += refused
        if not parts:
            raise refusal or StateError(f"no run {run_id!r} is recorded; nothing was ever applied here")
        if len({run.id for run in parts}) > 1:
            raise StateError(f"several runs begin with {run_id!r}; write more of the id")
        return whole(parts), tuple(sorted(rejects, key=lambda each: (each.connection, each.export, each.key)))

    def used_by(self, seal: str) -> str | None:
        """Give the id of the run that used the saved plan of this seal up."""
        return next((used for one in self._all() if (used := one.used_by(seal)) is not None), None)

    def close(self) -> None:
        """Close what is open. May be called twice."""
        for one in self._open.values():
            one.close()


def whole(parts: list[Run]) -> Run:
    """Put a run together from what each connection recorded of it."""
    ends = [run.ended for run in parts]
    return replace(
        parts[0],
        started=min(run.started for run in parts),
        ended=None if None in ends else max(end for end in ends if end is not None),
        status=min((run.status for run in parts), key=WORST.index),
        requests=sum(run.requests for run in parts),
        exports=tuple(export for run in parts for export in run.exports),
    )
