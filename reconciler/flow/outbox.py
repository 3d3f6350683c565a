"""Decides which request goes next: the fewest that the API allows, one at a time for each person.

A person is never in two requests at once, because two bulk requests with one new address might make two contacts.
People wait in one buffer for each list until 100 are together; what is left goes when nobody can come any more.
"""

from __future__ import annotations

from collections import Counter, deque
from itertools import islice
from typing import TYPE_CHECKING

from reconciler.core.standing import Standing
from reconciler.core.tally import BATCH
from reconciler.flow.parcels import NO_LIST, Bulk, Join, Leave, Parcel, Single

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reconciler.core.diff import Step

CHUNK = 500
"""Steps taken at once, so that their contact ids are looked up together."""


class Outbox:
    """The parcels of one connection, made as they are taken.

    `ids` looks up contact ids by key. `closed` are slots whose list is not there. `bulk_lists` is learnt on the way.
    """

    def __init__(
        self,
        steps: Iterator[Step],
        ids: Callable[[Sequence[bytes]], dict[bytes, str]],
        closed: set[int],
        *,
        bulk_lists: bool | None,
    ) -> None:
        self._steps, self._ids, self.closed, self.bulk_lists = steps, ids, closed, bulk_lists
        self._ready: deque[Parcel] = deque()
        self._buffers: dict[int, list[Standing]] = {}
        self._expected: Counter[int] = Counter()
        self._future: dict[bytes, tuple[int, ...]] = {}
        self._exhausted = False
        self.bookkeeping: list[Standing] = []
        self.unfinished: list[Standing] = []

    def take(self) -> Parcel | None:
        """Give the next parcel; None: nothing can go until an answer comes, or at all."""
        while True:
            while not self._ready and not self._exhausted and len(self.bookkeeping) < CHUNK:
                self._admit()
            if not self._ready and self._exhausted:
                self._flush()
            if not self._ready:
                return None
            parcel = self._ready.popleft()
            if not (isinstance(parcel, Bulk) and parcel.probe) or self.bulk_lists is None:
                return parcel
            self._route(parcel)

    @property
    def drained(self) -> bool:
        """Whether everything was admitted and nothing waits to be sent."""
        return self._exhausted and not self._ready and not any(self._buffers.values())

    def advance(self, standing: Standing) -> None:
        """Line up the next request of a person, or let it go."""
        step = standing.step
        if self._future:
            for slot in self._future.pop(step.key, ()):
                self._expected[slot] -= 1
        if standing.done:
            return
        stops: Sequence[int] = step.add
        if standing.added or self.closed:
            stops = [slot for slot in stops if slot not in standing.added and slot not in self.closed]
        if not stops and step.push and not standing.sent:
            stops = (NO_LIST,)
        leaving = next((slot for slot in step.remove if slot not in standing.removed), None) if step.remove else None
        if leaving is not None and standing.contact_id is not None:
            self._ready.append(Leave(standing, leaving, standing.contact_id))
            self._expect(step.key, stops)
        elif stops:
            self._expect(step.key, stops[1:])
            self._stop(standing, stops[0])
        else:
            self.unfinished.append(standing)

    def drop(self, standing: Standing, *, refused: bool = False) -> None:
        """Let a person go in this run: refused by the destination, or in doubt."""
        for slot in self._future.pop(standing.step.key, ()):
            self._expected[slot] -= 1
        if not refused:
            self.unfinished.append(standing)

    def _expect(self, key: bytes, slots: Sequence[int]) -> None:
        if slots:
            self._future[key] = tuple(slots)
            self._expected.update(slots)

    def _admit(self) -> None:
        steps = list(islice(self._steps, CHUNK))
        self._exhausted = len(steps) < CHUNK
        known = [s.key for s in steps if s.before or s.remove or (s.add and not s.push)]
        ids = self._ids(known) if known else {}
        for step in steps:
            standing = Standing(step, contact_id=ids.get(step.key))
            if step.push or step.add or step.remove:
                self.advance(standing)
            else:
                self.bookkeeping.append(standing)

    def _stop(self, standing: Standing, slot: int) -> None:
        """Choose the way onto a list: in bulk with the contact, alone with the contact, or as a membership."""
        if slot == NO_LIST or self.bulk_lists or (self.bulk_lists is None and not standing.sent):
            self._buffer(standing, slot)
        elif standing.contact_id is None or (standing.step.push and not standing.sent):
            self._ready.append(Single(standing, slot))
        else:
            self._ready.append(Join(standing, slot, standing.contact_id))

    def _buffer(self, standing: Standing, slot: int) -> None:
        waiting = self._buffers.setdefault(slot, [])
        waiting.append(standing)
        if len(waiting) == BATCH:
            self._seal(slot)

    def _seal(self, slot: int) -> None:
        batch = tuple(self._buffers.pop(slot))
        self._ready.append(Bulk(batch, slot, probe=slot != NO_LIST and not self.bulk_lists))

    def _route(self, parcel: Bulk) -> None:
        """Send people who waited for a probe on the way that it found."""
        if self.bulk_lists:
            self._ready.appendleft(Bulk(parcel.standings, parcel.slot))
        else:
            for standing in parcel.standings:
                self._stop(standing, parcel.slot)

    def _flush(self) -> None:
        """Send what is left for every list that nobody who is under way can still come to."""
        for slot in sorted(self._buffers):
            if not self._expected[slot]:
                self._seal(slot)
