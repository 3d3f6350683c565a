"""Carries out the steps of one connection: several requests in flight, one writer of the ledger.

In each turn, what was acknowledged and what is about to be sent are written in one transaction, and only then is it
sent.
"""

from __future__ import annotations

from functools import partial
from math import ceil, inf
from typing import TYPE_CHECKING, assert_never

from reconciler.core.errors import ContactMissing, DestinationError, Down, ListMissing, Refused, Stopped, Unauthorized
from reconciler.core.ports import Pushed
from reconciler.flow.crew import Crew
from reconciler.flow.journal import Journal, concerned
from reconciler.flow.parcels import NO_LIST, Bulk, Join, Leave, Parcel, Receipt, Single, item, standings
from reconciler.flow.probe import probe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.core.ports import Clock, Destination, Ledger
    from reconciler.core.standing import Standing
    from reconciler.flow.journal import Delivery
    from reconciler.flow.outbox import Outbox
    from reconciler.flow.patience import Patience

MOST = 16
"""Requests in flight at most: enough for 20 a second at 500 ms each, and more threads only get in each other's way."""

MOST_AHEAD = 64
"""Requests announced ahead at most: each is looked at again after a run that is killed."""


def width(rate: float) -> int:
    """Give how many requests are in flight: enough to fill the rate at half a second each, and a little more."""
    return max(2, min(MOST, ceil(rate * 0.6) + 2))


class Courier:
    """Sends parcels and records receipts. `lists` gives list ids by slot; `made` are slots whose list is new and empty.

    `names` gives export names by number, for the record of whom Autopilot refused.
    """

    def __init__(  # noqa: PLR0913  # each is one thing that it needs
        self,
        connection: str,
        destination: Destination,
        ledger: Ledger,
        clock: Clock,
        *,
        lists: Mapping[int, str],
        made: frozenset[int],
        names: Mapping[int, str],
        patience: Patience,
        progress: Callable[[int], None],
    ) -> None:
        self._connection, self._destination, self._ledger, self._clock = connection, destination, ledger, clock
        self._lists, self._made, self._names, self._patience = lists, made, names, patience
        self._progress = progress
        self._flying: dict[int, Parcel] = {}
        self._halted = self._probing = False
        self._writing = inf
        self._journal = Journal(connection, ledger, names)
        self.vanished: set[int] = set()

    @property
    def delivery(self) -> Delivery:
        """What came of the run so far."""
        return self._journal.delivery

    def deliver(self, outbox: Outbox, rate: float) -> Delivery:
        """Send everything; returns when the last answer is recorded, or when the run's patience is over.

        Raises StateError at once: nothing more can be recorded, so no answer is waited for.
        """
        most = width(rate)
        crew: Crew[Receipt] = Crew(most)
        try:
            while True:
                parcels = self._next(outbox, most + self._ahead(rate) - len(self._flying))
                began = self._clock.monotonic()
                self._record(outbox, parcels)
                if parcels:
                    self._writing = min(self._writing, self._clock.monotonic() - began)
                for parcel in parcels:
                    self._flying[id(parcel)] = parcel
                    crew.begin(partial(self._send, parcel))
                if self._over(outbox):
                    break
                for receipt in crew.ended():
                    del self._flying[id(receipt.parcel)]
                    self._take(outbox, receipt)
        finally:
            crew.leave()
        return self._conclude(outbox)

    def _ahead(self, rate: float) -> int:
        """Give how many requests to announce before a thread is free for them, where a ledger is far away.

        While it is written, nothing new can be announced: what is sent meanwhile must have been before.
        """
        return min(MOST_AHEAD, ceil(rate * self._writing * 2)) if self._ledger.far and self._writing < inf else 0

    def _over(self, outbox: Outbox) -> bool:
        if self._flying:
            return self._patience.over()
        return outbox.drained or self._halted or self._patience.stopped()

    def _next(self, outbox: Outbox, room: int) -> list[Parcel]:
        parcels: list[Parcel] = []
        while len(parcels) < room and not (self._probing or self._halted or self._patience.stopped()):
            parcel = outbox.take()
            if parcel is None:
                break
            parcels.append(parcel)
            self._probing = _probes(parcel)
        return parcels

    def _send(self, parcel: Parcel) -> Receipt:
        try:
            return self._sent(parcel)
        except DestinationError as error:
            return Receipt(parcel, error=error)

    def _sent(self, parcel: Parcel) -> Receipt:
        match parcel:
            case Bulk(people, slot, probe=True):
                items = [item(s) for s in people]
                empty = slot in self._made
                found = probe(self._destination, items, self._lists[slot], empty=empty, clock=self._clock)
                return Receipt(parcel, found.pushed, listed=bool(found.works), nobody=found.nobody, works=found.works)
            case Bulk(people, slot):
                return Receipt(parcel, self._destination.push([item(s) for s in people], self._lists.get(slot)))
            case Single(standing, slot):
                return Receipt(parcel, self._destination.put(item(standing), self._lists[slot]))
            case Join(standing, slot, contact_id):
                self._destination.join(self._lists[slot], contact_id)
                return Receipt(parcel, Pushed({standing.step.key: contact_id}))
            case Leave(standing, slot, contact_id):
                self._destination.leave(self._lists[slot], contact_id)
                return Receipt(parcel, Pushed({standing.step.key: contact_id}))
            case _:
                assert_never(parcel)

    def _take(self, outbox: Outbox, receipt: Receipt) -> None:
        """Learn from one receipt: who is where now, who was refused, and what goes next."""
        self._probing = self._probing and not _probes(receipt.parcel)
        if receipt.works is not None:
            self._ledger.save_bulk_lists(self._connection, works=receipt.works)
            outbox.bulk_lists = receipt.works
        if receipt.error is not None:
            self._fail(outbox, receipt.parcel, receipt.error)
            return
        accepted = receipt.pushed.accepted
        # Who was left out of the answer may be on the list, and so may everybody where nobody knows if it was honoured
        open_ = not (receipt.listed or receipt.nobody)
        unsure = [s for s in standings(receipt.parcel) if open_ or s.step.key not in accepted]
        self._journal.settle(receipt.parcel, unsure)
        self._progress(len(accepted))
        for standing in standings(receipt.parcel):
            key = standing.step.key
            if key in accepted:
                _advanced(standing, receipt)
                self._journal.acknowledge(standing)
                outbox.advance(standing)
            else:
                outbox.drop(standing, refused=True)
                self._journal.reject(standing, receipt.pushed.rejected.get(key, "left out of the answer"))

    def _fail(self, outbox: Outbox, parcel: Parcel, error: DestinationError) -> None:
        """Take a request that did not pass: what it was about is in doubt, gone, or goes another way."""
        match parcel, error:
            case Join(standing, slot, _), ContactMissing():
                self._journal.settle(parcel)
                standing.contact_id = None
                outbox.advance(standing)
                return
            case ((Bulk(_, slot) | Single(_, slot) | Join(_, slot, _)), ListMissing()) if slot != NO_LIST:
                self._journal.settle(parcel)
                self.vanished.add(slot)
                outbox.closed.add(slot)
                self._fault(f"a list vanished from Autopilot ({error}); the next run makes it again")
                for standing in standings(parcel):
                    outbox.advance(standing)
                return
            case _, Stopped():
                for standing in standings(parcel):
                    outbox.drop(standing)
                return
            case Single() | Join() | Leave(), Down(tried=False):
                self._halted = True
                self._journal.settle(parcel)  # it was not sent; of a batch that was halved, a part may have been
            case _, Unauthorized() | Refused() | Down():
                self._halted = True
            case _:
                pass
        if not (isinstance(error, Down) and self.delivery.faults):  # why it is taken for down is told already
            self._fault(str(error))
        for standing in standings(parcel):
            outbox.drop(standing)

    def _fault(self, line: str) -> None:
        if line not in self.delivery.faults:
            self.delivery.faults.append(line)

    def _record(self, outbox: Outbox, parcels: list[Parcel]) -> None:
        for standing in outbox.bookkeeping:
            self._journal.acknowledge(standing)
        outbox.bookkeeping.clear()
        self._journal.write(parcels)

    def _conclude(self, outbox: Outbox) -> Delivery:
        self.delivery.halted = self._halted
        self.delivery.stopped = self._halted or self._patience.stopped()
        if self._flying:
            self._fault(f"{len(self._flying)} requests got no answer in time; the next run finds out what came of them")
            for parcel in self._flying.values():
                for standing in standings(parcel):
                    outbox.drop(standing)
        for standing in outbox.unfinished:
            self.delivery.unfinished.update(concerned(standing))
        return self.delivery


def _probes(parcel: Parcel) -> bool:
    return isinstance(parcel, Bulk) and parcel.probe


def _advanced(standing: Standing, receipt: Receipt) -> None:
    parcel = receipt.parcel
    match parcel:
        case Leave(_, slot, _):
            standing.removed += (slot,)
        case Join(_, slot, _):
            standing.added += (slot,)
        case Bulk(_, slot) | Single(_, slot):
            standing.sent = True
            standing.known_as(receipt.pushed.accepted[standing.step.key])
            if slot != NO_LIST and receipt.listed:
                standing.added += (slot,)
        case _:
            assert_never(parcel)
