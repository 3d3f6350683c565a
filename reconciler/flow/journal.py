"""What is written to the ledger while requests come back: gathered here, and written in one transaction a turn."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.core.ports import Acknowledged
from reconciler.core.record import Intent, Reject
from reconciler.flow.earlier import Earlier
from reconciler.flow.parcels import Leave, Parcel, standings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.core.ports import ClaimWrite, Ledger
    from reconciler.core.standing import Standing


@dataclass(slots=True)
class Delivery:
    """What came of a connection's run, in people by export number, and why it is not whole.

    `halted`: the destination would not take any more. `stopped`: that, or somebody asked the run to end.
    """

    created: Counter[int] = field(default_factory=Counter)
    updated: Counter[int] = field(default_factory=Counter)
    left: Counter[int] = field(default_factory=Counter)
    rejected: Counter[int] = field(default_factory=Counter)
    unfinished: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    halted: bool = False
    stopped: bool = False


class Journal:
    """Gathers outcomes and intents of one connection. `names` gives export names by number.

    What earlier runs left in doubt is so until the same people are about to be sent to the same list again.
    """

    def __init__(self, connection: str, ledger: Ledger, names: Mapping[int, str]) -> None:
        self._connection, self._ledger, self._names = connection, ledger, names
        self._claims: list[ClaimWrite] = []
        self._contacts: dict[bytes, str | None] = {}
        self._rejects: list[Reject] = []
        self._settled: list[tuple[int, int]] = []
        self._doubts: list[Intent] = []
        self._numbers: dict[int, int] = {}
        self._requests = 0
        identity = ledger.identity()
        self._serial = identity.serial if identity else 0
        self._earlier = Earlier(ledger.doubtful(connection))
        self.delivery = Delivery()

    def acknowledge(self, standing: Standing) -> None:
        """Note what may be recorded of a person now, and count who is brought up to date."""
        claims = standing.claims()
        self._claims.extend(claims)
        step = standing.step
        if standing.contact_id is not None:
            self._contacts[step.key] = standing.contact_id
        if step.before and standing.forgotten(claims):
            self._contacts[step.key] = None
        if standing.done:
            had = [claim.export for claim in step.before]
            for write in claims:
                counter = self.delivery.updated if write.export in had else self.delivery.created
                (self.delivery.left if write.digest is None else counter)[write.export] += 1

    def reject(self, standing: Standing, reason: str) -> None:
        """Note that the destination did not take a person, for each export that wanted it to."""
        for number in concerned(standing):
            self.delivery.rejected[number] += 1
            self._rejects.append(Reject(self._connection, self._names[number], standing.step.key, reason))

    def settle(self, parcel: Parcel, unsure: Sequence[Standing] = ()) -> None:
        """Note that a request is in doubt no more, but for those of whom its answer does not say where they are now."""
        number = self._numbers.pop(id(parcel), None)
        if number is not None:
            self._settled.append((self._serial, number))
            doubts = tuple(self._intents(number, parcel, unsure))
            self._doubts.extend(doubts)
            self._earlier.add(doubts)

    def write(self, parcels: Sequence[Parcel]) -> None:
        """Write what is known, and what is about to be sent. When it returns, it is on disk. Raises StateError."""
        begun = tuple(intent for parcel in parcels for intent in self._intend(parcel))
        settled, remaining = self._earlier.overtaken(begun)
        self._settled.extend(settled)
        doubts = (doubt for doubt in self._doubts if (doubt.serial, doubt.number) not in settled)
        intents = (*doubts, *remaining, *begun)
        if not (intents or self._settled or self._claims or self._rejects):
            return
        batch = Acknowledged(
            claims=tuple(self._claims),
            contacts=dict(self._contacts),
            intents=intents,
            settled=tuple(self._settled),
            rejects=tuple(self._rejects),
        )
        self._ledger.commit(self._connection, batch)
        for kept in (self._claims, self._contacts, self._doubts, self._settled, self._rejects):
            kept.clear()

    def _intend(self, parcel: Parcel) -> Iterator[Intent]:
        self._requests += 1
        self._numbers[id(parcel)] = self._requests
        return self._intents(self._requests, parcel, standings(parcel))

    def _intents(self, number: int, parcel: Parcel, people: Sequence[Standing]) -> Iterator[Intent]:
        """Say who is about to be put on which list, or taken off it."""
        keys: dict[int, list[bytes]] = {}
        for standing in people:
            claims = standing.step.before if isinstance(parcel, Leave) else standing.step.after
            # Any export that leads to the list will do: through it the doubt is cleared up by a later run.
            export = next((claim.export for claim in claims if parcel.slot in claim.slots), claims[0].export)
            keys.setdefault(export, []).append(standing.step.key)
        for export, whom in keys.items():
            yield Intent(self._serial, number, export, parcel.slot, tuple(whom))


def concerned(standing: Standing) -> list[int]:
    """Give the exports whose record of the person changes."""
    before = {claim.export: claim for claim in standing.step.before}
    after = {claim.export: claim for claim in standing.step.after}
    return [n for n in sorted(before.keys() | after.keys()) if before.get(n) != after.get(n)]
