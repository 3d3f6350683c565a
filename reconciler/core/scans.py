"""Decides which exports are read in one scan of their source, and which rows of it are whose.

A table of 100 million profiles is read once for many exports, not once for each. Every export is judged as if it were
read alone: it gets its own rows, with its own mask and its own columns.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from reconciler.core.ports import Row

TOGETHER = 60
"""Segments in one scan at most: they fit one mask of the engine, and what one scan may use is bounded."""

Values = tuple[object, ...]


class Wanted(NamedTuple):
    """What one export reads: the names of its segments and of its columns, in its own order."""

    segments: tuple[str, ...]
    columns: tuple[str, ...]


def batches(wanted: Sequence[Wanted]) -> list[list[int]]:
    """Put the exports of one source together, by position, so that no scan has more segments than TOGETHER.

    Exports of the same segments are neighbours. One that has more segments than that is read alone.
    """
    found: list[list[int]] = []
    held: set[str] = set()
    for position in sorted(range(len(wanted)), key=lambda each: (wanted[each].segments, each)):
        segments = wanted[position].segments
        if not found or len(held.union(segments)) > TOGETHER:
            found.append([])
            held.clear()
        found[-1].append(position)
        held.update(segments)
    return [sorted(batch) for batch in found]


class Fan:
    """Hands the rows of one scan to each export that they are for. `takers` are told in the order of `wanted`.

    A taker that answers False gets no more rows, and the others go on.
    """

    def __init__(self, wanted: Sequence[Wanted], takers: Sequence[Callable[[Sequence[Row]], bool]]) -> None:
        self.segments = tuple(dict.fromkeys(name for each in wanted for name in each.segments))
        self.columns = tuple(dict.fromkeys(name for each in wanted for name in each.columns))
        self._takers = dict(enumerate(takers))
        self._bits = [self._bit(each) for each in wanted]
        self._values = [_picker([2 + self.columns.index(name) for name in each.columns]) for each in wanted]
        self._routes: dict[int, tuple[tuple[int, int], ...]] = {}

    def feed(self, chunk: Sequence[Row]) -> bool:
        """Hand one chunk out; False: nobody wants any more."""
        routes, values = self._routes, self._values
        rows: dict[int, list[Row]] = {position: [] for position in self._takers}
        adders = {position: found.append for position, found in rows.items()}
        for row in chunk:
            mask: int = row[1]  # type: ignore[assignment]  # a Row starts with the id as text, and the mask
            if mask not in routes:
                routes[mask] = tuple(self._route(mask))
            for position, own in routes[mask]:
                adders[position]((row[0], own, *values[position](row)))
        done = [position for position, found in rows.items() if found and not self._takers[position](found)]
        for position in done:
            del self._takers[position]
        if done:
            routes.clear()
        return bool(self._takers)

    def _bit(self, wanted: Wanted) -> tuple[tuple[int, int], ...]:
        """Give where each segment of an export stands in the mask of the scan, and in its own."""
        return tuple((1 << self.segments.index(name), 1 << own) for own, name in enumerate(wanted.segments))

    def _route(self, mask: int) -> Iterator[tuple[int, int]]:
        """Give the exports that a row of this mask is for, each with the mask that it has there."""
        for position in self._takers:
            own = _masked(mask, self._bits[position])
            if own:
                yield position, own


def _masked(mask: int, bits: Iterable[tuple[int, int]]) -> int:
    return sum(own for shared, own in bits if mask & shared)


def _picker(places: Sequence[int]) -> Callable[[Row], Values]:
    """Give the function that takes values out of a row; of a single place it must make a tuple too."""
    if len(places) == 1:
        (place,) = places
        return lambda row: (row[place],)
    return itemgetter(*places)
