"""Decides how long a doubt about an earlier request stands: until the same people go to the same list again."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from reconciler.flow.parcels import NO_LIST

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.core.record import Intent

Request = tuple[int, int]
"""The serial of a run, and the number of a request in it."""


class Earlier:
    """What requests left in doubt on one connection, of earlier runs and of this one.

    Doubts about no list are none of its business: what a contact holds is settled by the record.
    """

    def __init__(self, doubts: Iterable[Intent]) -> None:
        self._open: dict[Request, list[Intent]] = defaultdict(list)
        self._places: dict[tuple[int, bytes], set[Request]] = defaultdict(set)
        self.add(doubts)

    def add(self, doubts: Iterable[Intent]) -> None:
        """Take in what is in doubt from now on."""
        for doubt in doubts:
            self._open[doubt.serial, doubt.number].append(doubt)
            if doubt.slot != NO_LIST:
                for key in doubt.keys:
                    self._places[doubt.slot, key].add((doubt.serial, doubt.number))

    def overtaken(self, begun: Iterable[Intent]) -> tuple[Sequence[Request], Sequence[Intent]]:
        """Say which requests are settled, and what of them is to be written again, once `begun` are written."""
        if not self._places:
            return (), ()
        touched: dict[Request, set[tuple[int, bytes]]] = defaultdict(set)
        for intent in begun:
            for key in intent.keys:
                for request in self._places.pop((intent.slot, key), ()):
                    touched[request].add((intent.slot, key))
        remaining: list[Intent] = []
        for request, gone in touched.items():
            self._open[request] = [_without(doubt, gone) for doubt in self._open[request]]
            remaining.extend(doubt for doubt in self._open[request] if doubt.keys)
        return tuple(touched), remaining


def _without(doubt: Intent, gone: set[tuple[int, bytes]]) -> Intent:
    return doubt._replace(keys=tuple(key for key in doubt.keys if (doubt.slot, key) not in gone))
