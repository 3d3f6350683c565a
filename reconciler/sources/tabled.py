"""Reads segments out of tables by the locked engine: checks the predicates, and runs one scan.

A table that is cut short, changed meanwhile or of another encoding, and a value of the wrong type are errors, also
midway, so that nobody is pushed or removed for them.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from reconciler.core.errors import PartUnread, PredicateRefused, SourceError
from reconciler.sources import faults, kinds, parts
from reconciler.sources.asked import AskedSource
from reconciler.sources.calls import TODAY
from reconciler.sources.predicate import compiled
from reconciler.sources.selection import Tables
from reconciler.sources.table import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator, Sequence

    from reconciler.core.model import Segment
    from reconciler.core.ports import Row
    from reconciler.sources.opened import Opened
    from reconciler.sources.predicate import Compiled
    from reconciler.sources.table import Table


@dataclass(frozen=True, slots=True)
class Keys:
    """Columns: the profiles' id, and the id and the segment's name in the memberships."""

    profile: str
    member: str = ""
    segment: str = ""


class TabledSource(AskedSource):
    """Implements core.ports.Source over two tables. Nothing is opened before the first question."""

    _guards = True

    def __init__(self, open_: Callable[[], Opened], keys: Keys) -> None:
        super().__init__(keys.profile)
        self._open, self._keys = open_, keys
        self._state: Opened | None = None
        self._marks: dict[str, str | None] = {}

    def mark(self, segments: Sequence[Segment]) -> str | None:
        """Tell apart what `segments` would read; None where that depends on the day too. Raises SourceError."""
        if any(TODAY in each.predicate for each in map(self._wanted, segments) if each.predicate is not None):
            return None
        told = hashlib.sha256()
        for table in self._tables(segments):
            if table.label not in self._marks:
                self._marks[table.label] = table.mark()
            mark = self._marks[table.label]
            if mark is None:
                return None
            told.update(f"{mark} ".encode())
        return told.hexdigest()

    def snapshot(self, segments: Sequence[Segment]) -> str:
        """Say which data `members` reads, in one line without personal data. Raises SourceError."""
        return "; ".join(table.snapshot() for table in self._tables(segments))

    def close(self) -> None:
        """Give the engine's memory back. May be called twice."""
        if self._state is not None:
            self._state.close()
            self._state = None

    def _opened(self) -> Opened:
        if self._state is None:
            self._state = self._open()
        return self._state

    def _people(self) -> Table:
        return self._opened().profiles

    def _kept(self) -> Table:
        self._membership_columns()
        return self._opened().memberships

    def _compiled(self, where: str) -> Compiled:
        opened = self._opened()
        made = compiled(where, opened.profiles.columns)
        try:
            ((_, kind),) = opened.engine.describe(_over_nothing(made.sql, opened.profiles))
        except duckdb.Error as error:
            raise faults.refusal(error, opened.profiles, opened.limits) from None
        if kind != "BOOLEAN":
            raise PredicateRefused("the predicate is not a condition; write a comparison, as in HomeOwner = 'Y'", 0)
        return made

    def _value(self, column: str) -> str:
        profiles = self._opened().profiles
        found = profiles.column(column, "the match")
        sql = kinds.outward(f"p.{kinds.name(found)}", profiles.columns[found])
        if sql is None:
            raise SourceError(f"{profiles.label}: {found} is {profiles.columns[found]}, which cannot be sent")
        return sql

    def _tables(self, segments: Sequence[Segment]) -> tuple[Table, ...]:
        """Give the tables that are read for these segments."""
        opened = self._opened()
        kept = any(segment.where is None for segment in segments)
        return (opened.profiles, opened.memberships) if kept else (opened.profiles,)

    @contextmanager
    def _scan(
        self, segments: Sequence[Segment], columns: Collection[str], *, profiles: bool = True
    ) -> Iterator[Tables]:
        opened = self._opened()
        used: list[Table] = []
        names: dict[str, Any] = {}
        try:
            with ExitStack() as reading:
                if profiles:
                    used.append(opened.profiles)
                    needs = self._needs(opened.profiles, segments, columns)
                    names["profiles"] = reading.enter_context(opened.profiles.reading(needs))
                    names["id"] = f"p.{kinds.name(opened.profiles.column(self._keys.profile, 'id'))}"
                if any(segment.where is None for segment in segments):
                    used.append(opened.memberships)
                    held = self._membership_columns()
                    members = frozenset(segment.member for segment in segments if segment.member is not None)
                    asked = members if profiles else frozenset[str]()  # without profiles, every name is wanted
                    needs = Reading(opened.engine, frozenset(held), asked, opened.spool)
                    of_them = parts.memberships(opened.memberships.reading(needs), segments)
                    names["memberships"] = reading.enter_context(of_them)
                    names["member_id"], names["member_segment"] = map(kinds.name, held)
                yield Tables(**names)
        except duckdb.Error as error:
            raise self._blamed(error, used, segments, columns) from None
        except PartUnread as fault:
            raise self._told(fault, segments, columns) from None

    def _blamed(
        self, error: duckdb.Error, used: Sequence[Table], segments: Sequence[Segment], columns: Collection[str]
    ) -> SourceError:
        """Say what a fault of the engine is, and of which part where that is sure."""
        fault = faults.translate(error, used, self._opened().limits)
        if isinstance(fault, PartUnread):
            return self._told(fault, segments, columns)
        if not isinstance(fault, PredicateRefused):
            return parts.kept(fault, segments) if faults.guilty(error, used) is not used[0] else fault
        self._broken = str(fault)
        return self._lone(fault, segments) or fault

    def _told(self, fault: PartUnread, segments: Sequence[Segment], columns: Collection[str]) -> SourceError:
        """Say whose fault a column of the profiles is."""
        if not fault.columns:
            return fault
        reads = {segment.name: self._wanted(segment).columns for segment in segments}
        return parts.by_column(fault, self._opened().profiles, self._keys.profile, reads, columns)

    def _needs(self, profiles: Table, segments: Sequence[Segment], columns: Collection[str]) -> Reading:
        opened = self._opened()
        named = {profiles.column(column, "the match") for column in columns}
        ruled = frozenset[str]().union(*(self._wanted(segment).columns for segment in segments))
        return Reading(opened.engine, ruled | named | {profiles.column(self._keys.profile, "id")}, spool=opened.spool)

    def _membership_columns(self) -> tuple[str, str]:
        """Give the names of the profile's id and of the segment in the memberships. Raises SourceError."""
        table = self._opened().memberships
        return table.column(self._keys.member, "id"), table.column(self._keys.segment, "segment")

    def _rows(self, sql: str) -> Generator[Sequence[Row], None, None]:
        with closing(self._opened().engine.rows(sql)) as rows:
            yield from rows


def _over_nothing(sql: str, profiles: Table) -> str:
    """Write a predicate over the shape of the profiles, without a row."""
    return f"SELECT {sql} FROM ({profiles.typed_nulls()}) p"  # noqa: S608  # checked, and written by us
