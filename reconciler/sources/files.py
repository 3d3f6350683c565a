"""The source `files`: profiles and memberships in CSV and Parquet, read by the locked engine. It fails closed.

A file that is cut short, changed meanwhile or of another encoding, a value of the wrong type and a profile without an
id are errors, also midway, so that nobody is pushed or removed for them.
"""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import duckdb

from reconciler.core.errors import PredicateRefused, SourceError
from reconciler.sources import faults, kinds, marks, selection
from reconciler.sources.calls import TODAY
from reconciler.sources.engine import Limits
from reconciler.sources.opened import open_source
from reconciler.sources.predicate import compile_predicate
from reconciler.sources.selection import Tables, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from reconciler.core.model import Segment, Source
    from reconciler.core.ports import Row
    from reconciler.sources.opened import Opened
    from reconciler.sources.places import Place
    from reconciler.sources.tables import Table

_NAMES = 100_000  # segments that memberships may name; more means that the column is not that of the segment


class FilesSource:
    """Reads what `source` declares; its paths lie in `root` or in one of `roots`, links followed.

    Nothing is opened before the first question. `threads` None: one a core; `memory` is the engine's limit, as in
    "1GB"; `timeout` the seconds that one scan may spend in the engine. Implements core.ports.Source.
    """

    def __init__(
        self,
        source: Source,
        root: Path,
        roots: tuple[Path, ...] = (),
        *,
        threads: int | None = None,
        memory: str = "1GB",
        timeout: float = 300.0,
    ) -> None:
        self._source = source
        self._roots = (root, *roots)
        self._limits = Limits(threads, memory, timeout)
        self._state: Opened | None = None
        self._checked: dict[str, str] = {}
        self._names: frozenset[str] | None = None
        self._marks: dict[tuple[Place, ...], str] = {}

    def columns(self) -> Mapping[str, str]:
        """Give each column of the profile table and its engine type. Raises SourceError."""
        return dict(self._opened().profiles.columns)

    def check(self, segment: Segment) -> None:
        """Refuse what is not one boolean expression over the columns. Raises PredicateRefused, SourceError."""
        self._wanted(segment)

    def members(self, segments: Sequence[Segment], columns: Sequence[str]) -> Iterator[Sequence[Row]]:
        """Stream, in chunks, every profile that is in at least one of `segments`. Raises SourceError, also midway."""
        if not segments:
            return
        wanted = [self._wanted(segment) for segment in segments]
        values = [self._value(column) for column in columns]
        words = selection.masks(wanted)
        with self._scan(segments) as tables:
            for chunk in self._rows(selection.members(tables, wanted, values)):
                if not all(row[0] for row in chunk):
                    raise self._nameless()
                yield chunk if words == 1 else [selection.joined(row, words) for row in chunk]

    def count(self, segments: Sequence[Segment]) -> int:
        """Count the distinct profiles in at least one of `segments`. Raises SourceError."""
        if not segments:
            return 0
        wanted = [self._wanted(segment) for segment in segments]
        with self._scan(segments) as tables:
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
            label = self._opened().memberships.place.label
            with self._scan([segment], profiles=False) as tables:
                found = [row[0] for chunk in self._rows(selection.names(tables, _NAMES)) for row in chunk]
            if len(found) == _NAMES:
                raise SourceError(f"{label}: names {_NAMES:,} segments or more; is that the segment's column?")
            self._names = frozenset(str(name) for name in found if name is not None)
        return segment.member in self._names

    def mark(self, segments: Sequence[Segment]) -> str | None:
        """Tell apart what `segments` would read; None where that depends on the day too. Raises SourceError."""
        wanted, opened = [self._wanted(segment) for segment in segments], self._opened()
        if any(TODAY in each.predicate for each in wanted if each.predicate is not None):
            return None
        ruled = all(each.member is None for each in wanted)
        places = (opened.profiles.place, *(() if ruled else (opened.memberships.place,)))
        if places not in self._marks:
            self._marks[places] = marks.content(places)
        return self._marks[places]

    def close(self) -> None:
        """Give the engine's memory back. May be called twice."""
        if self._state is not None:
            self._state.close()
            self._state = None

    def _opened(self) -> Opened:
        if self._state is None:
            self._state = open_source(self._source, self._roots, self._limits)
        return self._state

    def _wanted(self, segment: Segment) -> Wanted:
        """Check a segment. Raises PredicateRefused, SourceError."""
        opened = self._opened()
        if segment.where is None:
            self._membership_columns()
            return Wanted(member=segment.member)
        if segment.where not in self._checked:
            sql = compile_predicate(segment.where, opened.profiles.columns)
            try:
                ((_, kind),) = opened.engine.describe(_over_nothing(sql, opened.profiles))
            except duckdb.Error as error:
                raise faults.refusal(error, opened.profiles, self._limits) from None
            if kind != "BOOLEAN":
                raise PredicateRefused("the predicate is not a condition; write a comparison, as in HomeOwner = 'Y'", 0)
            self._checked[segment.where] = sql
        return Wanted(predicate=self._checked[segment.where])

    def _value(self, column: str) -> str:
        """Write a wanted column so that what comes out is what Row allows."""
        profiles = self._opened().profiles
        found = profiles.column(column, "the match")
        sql = kinds.outward(f"p.{kinds.name(found)}", profiles.columns[found])
        if sql is None:
            raise SourceError(f"{profiles.place.label}: {found} is {profiles.columns[found]}, which cannot be sent")
        return sql

    @contextmanager
    def _scan(self, segments: Sequence[Segment], *, profiles: bool = True) -> Iterator[Tables]:
        """Give the SQL of the tables that `segments` need, for one scan; turn the engine's faults into SourceError."""
        opened = self._opened()
        used, names = [], {}
        try:
            with ExitStack() as reading:
                if profiles:
                    used.append(opened.profiles)
                    names["profiles"] = reading.enter_context(opened.profiles.reading(opened.spool))
                    names["id"] = f"p.{kinds.name(opened.profiles.column(self._source.profiles.id, 'id'))}"
                if any(segment.where is None for segment in segments):
                    used.append(opened.memberships)
                    names["memberships"] = reading.enter_context(opened.memberships.reading(opened.spool))
                    names |= self._membership_columns()
                yield Tables(**names)
        except duckdb.Error as error:
            raise self._blamed(faults.translate(error, used, self._limits), segments) from None

    def _membership_columns(self) -> dict[str, str]:
        declared, table = self._source.memberships, self._opened().memberships
        assert declared is not None
        return {
            "member_id": kinds.name(table.column(declared.id, "id")),
            "member_segment": kinds.name(table.column(declared.segment, "segment")),
        }

    def _blamed(self, fault: SourceError, segments: Sequence[Segment]) -> SourceError:
        """Name the segment whose predicate a value broke; among several it is found by running each alone."""
        ruled = [segment for segment in segments if segment.where is not None]
        if not isinstance(fault, PredicateRefused) or not ruled:
            return fault
        if len(segments) == 1:
            return PredicateRefused(f"segment {segments[0].name}: {fault}")
        for segment in ruled:
            try:
                self.count([segment])
            except SourceError as error:
                return error
        return fault

    def _rows(self, sql: str) -> Iterator[Sequence[Row]]:
        with closing(self._opened().engine.rows(sql)) as rows:
            yield from rows

    def _nameless(self) -> SourceError:
        profiles = self._source.profiles
        return SourceError(f"{profiles.path}: a profile has no {profiles.id}; without an id it cannot be told apart")


def _over_nothing(sql: str, profiles: Table) -> str:
    """Write a predicate over the shape of the profiles, without a row."""
    return f"SELECT {sql} FROM ({profiles.typed_nulls()}) p"  # noqa: S608  # checked, and written by us
