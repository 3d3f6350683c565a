"""Decides how a source answers by SQL, whatever engine runs it: who is a member, how many, and which segment broke it.

A profile without an id is an error, also midway, so that nobody is pushed or removed for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from reconciler.core.errors import PartUnread, PredicateRefused, SourceError
from reconciler.sources import parts, selection
from reconciler.sources.selection import Wanted

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from reconciler.core.model import Segment
    from reconciler.core.ports import Row
    from reconciler.sources.predicate import Compiled
    from reconciler.sources.selection import Tables

_NAMES = 100_000  # segments that memberships may name; more means that the column is not that of the segment


class _Table(Protocol):
    @property
    def label(self) -> str: ...
    @property
    def columns(self) -> Mapping[str, str]: ...


class AskedSource(ABC):
    """Implements core.ports.Source but for `mark`, `snapshot` and `close`. `key` is the column of the profiles' id."""

    _guards = False
    """Whether its engine can go on past a value that breaks a predicate; if not, who is at fault is found at once."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._broken = parts.BROKEN
        self._checked: dict[str, Wanted] = {}
        self._names: frozenset[str] | None = None

    def columns(self) -> Mapping[str, str]:
        """Give each column of the profile table and its engine type. Raises SourceError."""
        return dict(self._people().columns)

    def check(self, segment: Segment) -> None:
        """Refuse what is not one boolean expression over the columns. Raises PredicateRefused, SourceError."""
        self._wanted(segment)

    def members(
        self, segments: Sequence[Segment], columns: Sequence[str], *, apart: bool = False
    ) -> Iterator[Sequence[Row]]:
        """Stream, in chunks, every profile that is in at least one of `segments`. Raises SourceError, also midway."""
        if not segments:
            return
        wanted, values = self._asked(segments, columns)
        words = selection.masks(wanted)
        faults = parts.Faults(words, apart=apart and self._guards)
        if apart and self._guards:
            wanted, values = parts.guarded(wanted), [*values, *parts.breaks(wanted)]
        with (
            self._scan(segments, columns) as tables,
            closing(self._rows(selection.members(tables, wanted, values))) as rows,
        ):
            for chunk in rows:
                sound = faults.sound(chunk)
                yield faults.named(sound if words == 1 else [selection.joined(row, words) for row in sound])
        faults.found(segments, str(self._nameless()), self._broken)

    def count(self, segments: Sequence[Segment]) -> int:
        """Count the distinct profiles in at least one of `segments`. Raises SourceError."""
        if not segments:
            return 0
        wanted, _ = self._asked(segments, ())
        with self._scan(segments, ()) as tables:
            ((distinct, nameless),) = (row for chunk in self._rows(selection.count(tables, wanted)) for row in chunk)
        if nameless:
            raise self._nameless()
        assert isinstance(distinct, int)
        return distinct

    def recognises(self, segment: Segment) -> bool:
        """Tell whether the source knows the segment at all; one that is missing is not one that is empty."""
        if segment.member is None:
            return True
        if self._names is None:
            label = self._kept().label
            with self._scan([segment], (), profiles=False) as tables:
                found = [row[0] for chunk in self._rows(selection.names(tables, _NAMES)) for row in chunk]
            if len(found) == _NAMES:
                raise SourceError(f"{label}: names {_NAMES:,} segments or more; is that the segment's column?")
            self._names = frozenset(str(name) for name in found if name is not None)
        return segment.member in self._names

    @abstractmethod
    def _people(self) -> _Table:
        """Open the profiles. Raises SourceError."""

    @abstractmethod
    def _kept(self) -> _Table:
        """Open the memberships. Raises SourceError, also where they lack the columns that are declared."""

    @abstractmethod
    def _compiled(self, where: str) -> Compiled:
        """Check a predicate, and write it for the engine. Raises PredicateRefused, SourceError."""

    @abstractmethod
    def _value(self, column: str) -> str:
        """Write a wanted column so that what comes out is what Row allows. Raises SourceError."""

    @abstractmethod
    def _scan(
        self, segments: Sequence[Segment], columns: Collection[str], *, profiles: bool = True
    ) -> AbstractContextManager[Tables]:
        """Give the SQL of the tables that `segments` need, for one scan; turn the engine's faults into SourceError."""

    @abstractmethod
    def _rows(self, sql: str) -> Generator[Sequence[Row], None, None]:
        """Run SQL and stream what it finds, in chunks."""

    def _wanted(self, segment: Segment) -> Wanted:
        """Check a segment. Raises PredicateRefused, SourceError."""
        self._people()  # a source that cannot be read says that first
        if segment.where is None:
            self._kept()
            return Wanted(member=segment.member)
        if segment.where not in self._checked:
            made = self._compiled(segment.where)
            self._checked[segment.where] = Wanted(predicate=made.sql, columns=made.columns)
        return self._checked[segment.where]

    def _asked(self, segments: Sequence[Segment], columns: Sequence[str]) -> tuple[list[Wanted], list[str]]:
        """Settle what is asked for, without reading. Raises SourceError, of which PartUnread has every fault."""
        self._people()
        return parts.asked(segments, columns, self._wanted, self._value)

    @staticmethod
    def _lone(fault: PredicateRefused, segments: Sequence[Segment]) -> SourceError | None:
        """Say whose predicate a value breaks, where only one segment has any."""
        ruled = [segment for segment in segments if segment.where is not None]
        if len(ruled) != 1:
            return None
        said = f"segment {ruled[0].name}: {fault}"
        return PredicateRefused(said) if len(segments) == 1 else PartUnread({ruled[0].name: said})

    def _nameless(self) -> SourceError:
        label = self._people().label
        return SourceError(f"{label}: a profile has no {self._key}; without an id it cannot be told apart")
