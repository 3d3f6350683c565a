"""The record as it would be once drift is taken into account, without writing it. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from reconciler.core.drift import Drift

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.record import Claim, Intent, RecordedExport, RecordedList, Run

NONE = Drift()


class Record(Protocol):
    """What planning asks of the ledger; see LedgerReader."""

    def connections(self) -> tuple[str, ...]:
        """Name every connection that has recorded exports."""
        ...

    def exports(self, connection: str) -> tuple[RecordedExport, ...]:
        """Give the recorded exports of a connection."""
        ...

    def lists(self, connection: str) -> tuple[RecordedList, ...]:
        """Give the known lists of a connection."""
        ...

    def claims(self, connection: str) -> Iterator[Claim]:
        """Stream every claim of a connection, ascending by (key, export)."""
        ...

    def foreign(self, connection: str) -> dict[bytes, frozenset[int]]:
        """Give who was on which list before us."""
        ...

    def bulk_lists(self, connection: str) -> bool | None:
        """Tell whether bulk items may carry a list."""
        ...

    def suppressed(self) -> frozenset[bytes]:
        """Give the keys of those who were erased."""
        ...

    def doubtful(self, connection: str) -> tuple[Intent, ...]:
        """Give what was begun and never settled."""
        ...

    def runs(self, export: str | None = None, limit: int = 50) -> tuple[Run, ...]:
        """Give past runs, the newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Corrected:
    """A Record over another one, with the drift of each connection, by the name that the ledger knows it by."""

    record: Record
    drifts: Mapping[str, Drift]

    def connections(self) -> tuple[str, ...]:
        """Name every connection that has recorded exports."""
        return self.record.connections()

    def exports(self, connection: str) -> tuple[RecordedExport, ...]:
        """Give the recorded exports of a connection, without lists that are gone."""
        return self._drift(connection).exports(self.record.exports(connection))

    def lists(self, connection: str) -> tuple[RecordedList, ...]:
        """Give the known lists of a connection that are there."""
        gone = self._drift(connection).vanished
        return tuple(entry for entry in self.record.lists(connection) if entry.slot not in gone)

    def claims(self, connection: str) -> Iterator[Claim]:
        """Stream every claim of a connection, without memberships that are not there."""
        return self._drift(connection).claims(self.record.claims(connection))

    def foreign(self, connection: str) -> dict[bytes, frozenset[int]]:
        """Give who is on which list without us."""
        return self._drift(connection).foreign(self.record.foreign(connection))

    def bulk_lists(self, connection: str) -> bool | None:
        """Tell whether bulk items may carry a list."""
        return self.record.bulk_lists(connection)

    def suppressed(self) -> frozenset[bytes]:
        """Give the keys of those who were erased."""
        return self.record.suppressed()

    def doubtful(self, connection: str) -> tuple[Intent, ...]:
        """Give what was begun and never settled."""
        return self.record.doubtful(connection)

    def runs(self, export: str | None = None, limit: int = 50) -> tuple[Run, ...]:
        """Give past runs, the newest first."""
        return self.record.runs(export, limit)

    def _drift(self, connection: str) -> Drift:
        return self.drifts.get(connection, NONE)
