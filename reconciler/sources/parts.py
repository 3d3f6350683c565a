"""Decides which part of a source a fault is of: some segments, what reads some columns, or all of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from reconciler.core.errors import PartUnread, SourceDown, SourceError
from reconciler.sources.selection import WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from reconciler.core.model import Segment
    from reconciler.core.ports import Row
    from reconciler.sources.selection import Wanted
    from reconciler.sources.table import Table

Settled = TypeVar("Settled")
_ID = itemgetter(0)
BROKEN = "a column holds a value that the predicate cannot take; TRY_CAST leaves such profiles out"


def asked(
    segments: Sequence[Segment],
    columns: Sequence[str],
    settle: Callable[[Segment], Settled],
    write: Callable[[str], str],
) -> tuple[list[Settled], list[str]]:
    """Settle everything that is asked for, before anything is read. Raises PartUnread with all that cannot be had.

    A single segment's fault is raised as it is.
    """
    wanted, values = [], []
    faults: tuple[dict[str, str], dict[str, str]] = {}, {}
    for segment in segments:
        try:
            wanted.append(settle(segment))
        except SourceDown:
            raise
        except SourceError as fault:
            if len(segments) == 1:
                raise
            faults[0][segment.name] = str(fault)
    for column in columns:
        try:
            values.append(write(column))
        except SourceError as fault:
            faults[1][column] = str(fault)
    if any(faults):
        raise PartUnread(*faults)
    return wanted, values


def kept(fault: SourceError, segments: Sequence[Segment]) -> SourceError:
    """Give the fault of the memberships: it stops those segments alone that need them."""
    held = {segment.name: str(fault) for segment in segments if segment.where is None}
    return PartUnread(held) if len(held) < len(segments) else fault


@contextmanager
def memberships(reading: AbstractContextManager[str], segments: Sequence[Segment]) -> Iterator[str]:
    """Read the memberships, and say of what goes wrong with them alone whose fault that is."""
    passing: BaseException | None = None
    try:
        with reading as sql:
            try:
                yield sql
            except BaseException as fault:
                passing = fault
                raise
    except SourceDown:
        raise
    except SourceError as fault:
        if fault is passing:
            raise
        raise kept(fault, segments) from None


def by_column(
    fault: PartUnread, profiles: Table, key: str, reads: Mapping[str, Collection[str]], columns: Collection[str]
) -> SourceError:
    """Say which segments and columns, as they were asked for, are at fault with a column of the profiles.

    `reads`: the columns of each segment's predicate, by the segment's name; `key` is the column that all need.
    """
    if profiles.column(key, "id") in fault.columns:
        return SourceError(str(fault))
    segments = {
        name: fault.columns[each] for name, read in reads.items() for each in sorted(read) if each in fault.columns
    }
    found = {column: profiles.column(column, "the match") for column in columns}
    matched = {column: fault.columns[name] for column, name in found.items() if name in fault.columns}
    return PartUnread(segments, matched) if segments or matched else SourceError(str(fault))


def guarded(wanted: Sequence[Wanted]) -> list[Wanted]:
    """Write predicates so that a value which breaks one does not end the read: whoever has it is taken for a member."""
    return [
        each if each.predicate is None else replace(each, predicate=f"coalesce({_tried(each.predicate)}, TRUE)")
        for each in wanted
    ]


def breaks(wanted: Sequence[Wanted]) -> list[str]:
    """Write masks of which bit i is set where a value breaks the predicate of segment i: they follow the columns."""
    masks = []
    for start in range(0, len(wanted), WIDTH):
        bits = [
            f"CASE WHEN {_tried(each.predicate)} IS NULL THEN CAST({1 << bit} AS BIGINT) ELSE 0 END"
            for bit, each in enumerate(wanted[start : start + WIDTH])
            if each.predicate is not None
        ]
        masks.append(f"({' | '.join(bits or ['0'])})")
    return masks


def _tried(predicate: str) -> str:
    return f"TRY(coalesce(({predicate}), FALSE))"


class Faults:
    """Notes in which segments rows are that cannot be used, while all others are read to their end."""

    def __init__(self, words: int, *, apart: bool) -> None:
        self._words = words if apart else 0
        self._broken = self._nameless = 0

    def sound(self, chunk: Sequence[Row]) -> Sequence[Row]:
        """Give the rows without what `breaks` added, and without those that have no id."""
        if self._words:
            for row in chunk:
                for word, mask in enumerate(row[-self._words :]):
                    assert isinstance(mask, int)
                    self._broken |= mask << WIDTH * word
            chunk = [row[: -self._words] for row in chunk]
        return chunk

    def named(self, chunk: Sequence[Row]) -> Sequence[Row]:
        """Give the rows that have an id, of which the masks are put together by now."""
        if not self._nameless and all(map(_ID, chunk)):
            return chunk
        for row in chunk:
            if not row[0]:
                assert isinstance(row[1], int)
                self._nameless |= row[1]
        return [row for row in chunk if row[0]]

    def found(self, segments: Sequence[Segment], nameless: str, broken: str = BROKEN) -> None:
        """Raise PartUnread when there were such rows."""
        if self._broken.bit_count() > 1:  # what the engine said of the first need not be so of the others
            broken = BROKEN
        said = {
            segment.name: nameless if self._nameless >> bit & 1 else f"segment {segment.name}: {broken}"
            for bit, segment in enumerate(segments)
            if (self._nameless | self._broken) >> bit & 1
        }
        if said:
            raise PartUnread(said, complete=True)
