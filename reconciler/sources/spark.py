"""The source `spark`: a cluster runs the predicates where the tables are, and gives members alone. It fails closed.

Every question is one query, and one query reads each table as it was at one moment.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import duckdb

from reconciler.core.errors import PartUnread, PredicateRefused, SourceError
from reconciler.core.reads import Spark
from reconciler.sources import faults, parts, selection, spark_faults, spark_session, spark_tables
from reconciler.sources.engine import CHUNK, Engine, Limits
from reconciler.sources.selection import Tables, Wanted
from reconciler.sources.spark_sql import translated
from reconciler.sources.spark_types import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.core.model import Segment, Source
    from reconciler.core.ports import Row
    from reconciler.sources.spark_tables import ClusterTable
    from reconciler.sources.surroundings import Surroundings

_NAMES = 100_000  # segments that memberships may name; more means that the column is not that of the segment
_TODAY = "CURRENT_DATE()"


@dataclass(frozen=True, slots=True)
class _Opened:
    session: Any
    planner: Engine
    profiles: ClusterTable
    memberships: ClusterTable | SourceError


class SparkSource:
    """Reads what `source` declares by a cluster; `timeout` is the seconds that one query may take.

    Implements core.ports.Source. Nothing is opened before the first question.
    """

    def __init__(self, source: Source, around: Surroundings, timeout: float = 3_600.0) -> None:
        assert isinstance(source.reads, Spark)
        self._name, self._reads, self._around, self._timeout = source.name, source.reads, around, timeout
        self._state: _Opened | None = None
        self._checked: dict[str, Wanted] = {}
        self._names: frozenset[str] | None = None

    def columns(self) -> Mapping[str, str]:
        """Give each column of the profile table and its engine type. Raises SourceError."""
        return dict(self._opened().profiles.columns)

    def check(self, segment: Segment) -> None:
        """Refuse what is not one condition that a cluster takes alike. Raises PredicateRefused, SourceError."""
        self._wanted(segment)

    def members(
        self,
        segments: Sequence[Segment],
        columns: Sequence[str],
        *,
        apart: bool = False,  # noqa: ARG002  # what is at fault is found out at once
    ) -> Iterator[Sequence[Row]]:
        """Stream, in chunks, every profile that is in at least one of `segments`. Raises SourceError, also midway."""
        if not segments:
            return
        profiles = self._opened().profiles
        wanted, values = parts.asked(segments, columns, self._wanted, profiles.value)
        words = selection.masks(wanted)
        faults = parts.Faults(words, apart=False)
        for chunk in self._rows(selection.members(self._tables(segments), wanted, values), segments):
            yield faults.named(chunk if words == 1 else [selection.joined(row, words) for row in chunk])
        faults.found(segments, str(self._nameless()))

    def count(self, segments: Sequence[Segment]) -> int:
        """Count the distinct profiles in at least one of `segments`. Raises SourceError."""
        if not segments:
            return 0
        wanted = [self._wanted(segment) for segment in segments]
        asked = selection.count(self._tables(segments), wanted)
        ((distinct, nameless),) = (row for chunk in self._rows(asked, segments) for row in chunk)
        if nameless:
            raise self._nameless()
        assert isinstance(distinct, int)
        return distinct

    def recognises(self, segment: Segment) -> bool:
        """Tell whether the source knows the segment at all; one that is missing is not one that is empty."""
        if segment.member is None:
            return True
        if self._names is None:
            asked = selection.names(self._tables([segment]), _NAMES)
            found = [row[0] for chunk in self._rows(asked, [segment]) for row in chunk]
            if len(found) == _NAMES:
                label = self._memberships().label
                raise SourceError(f"{label}: names {_NAMES:,} segments or more; is that the segment's column?")
            self._names = frozenset(str(name) for name in found if name is not None)
        return segment.member in self._names

    def mark(self, segments: Sequence[Segment]) -> str | None:
        """Tell apart what `segments` would read; None where that hangs on the day too, or a table has no version."""
        if any(_TODAY in each.predicate for each in map(self._wanted, segments) if each.predicate is not None):
            return None
        told = hashlib.sha256()
        for table in self._read(segments):
            if table.version is None:
                return None
            told.update(f"{self._reads.url!r} {table.label!r} {table.version} {sorted(table.columns)}\n".encode())
        return told.hexdigest()

    def snapshot(self, segments: Sequence[Segment]) -> str:
        """Say which data `members` reads, in one line without personal data. Raises SourceError."""
        now = f"{self._around.clock.now():%Y-%m-%dT%H:%M:%SZ}"
        return "; ".join(
            f"{table.label}, " + (f"read at {now}" if table.version is None else f"version {table.version}")
            for table in self._read(segments)
        )

    def close(self) -> None:
        """Let the cluster go. May be called twice."""
        state, self._state = self._state, None
        if state is not None:
            state.planner.close()
            with suppress(Exception):  # a cluster that is gone need not be told
                state.session.stop()

    def _opened(self) -> _Opened:
        if self._state is None:
            token = None if self._reads.token is None else self._around.secret(self._reads.token)
            session = spark_session.connect(self._reads.url, token)
            try:
                profiles = spark_tables.opened(session, self._reads.profiles)
                profiles.key(self._reads.profiles.id)
                self._state = _Opened(session, Engine([], [], Limits(1)), profiles, self._held(session))
            finally:
                if self._state is None:
                    with suppress(Exception):
                        session.stop()
        return self._state

    def _held(self, session: Any) -> ClusterTable | SourceError:
        """Open the memberships; those that cannot be read stop only the segments that need them."""
        declared = self._reads.memberships
        if declared is None:
            return SourceError(
                f"the source {self._name} keeps no memberships; declare them, or give the segment a where"
            )
        try:
            table = spark_tables.opened(session, declared)
            table.key(declared.id)
            table.key(declared.segment)
        except SourceError as error:
            return error
        return table

    def _memberships(self) -> ClusterTable:
        held = self._opened().memberships
        if isinstance(held, SourceError):
            raise SourceError(str(held))
        return held

    def _wanted(self, segment: Segment) -> Wanted:
        """Check a segment. Raises PredicateRefused, SourceError."""
        opened = self._opened()
        if segment.where is None:
            self._memberships()
            return Wanted(member=segment.member)
        if segment.where not in self._checked:
            try:
                made = translated(segment.where, opened.profiles.columns, opened.planner)
            except duckdb.Error as error:
                raise faults.unplanned(error) from None
            self._checked[segment.where] = Wanted(predicate=made.sql, columns=made.columns)
        return self._checked[segment.where]

    def _read(self, segments: Sequence[Segment]) -> tuple[ClusterTable, ...]:
        """Give the tables that are read for these segments."""
        kept = any(segment.where is None for segment in segments)
        return (self._opened().profiles, self._memberships()) if kept else (self._opened().profiles,)

    def _tables(self, segments: Sequence[Segment]) -> Tables:
        profiles, *kept = self._read(segments)
        tables = Tables(profiles.rows, f"p.{profiles.key(self._reads.profiles.id)}", text="STRING", literal=literal)
        if not kept:
            return tables
        declared = self._reads.memberships
        assert declared is not None
        held = kept[0]
        keys = held.key(declared.id), held.key(declared.segment)
        return Tables(tables.profiles, tables.id, held.rows, *keys, text="STRING", literal=literal)

    def _rows(self, sql: str, segments: Sequence[Segment]) -> Iterator[Sequence[Row]]:
        with self._blaming(segments):
            found = (tuple(row) for row in self._opened().session.sql(sql).toLocalIterator())
            while chunk := list(islice(found, CHUNK)):
                yield chunk

    @contextmanager
    def _blaming(self, segments: Sequence[Segment]) -> Iterator[None]:
        """Turn the cluster's faults into SourceError; the cluster does not go on for a reader that has gone."""
        opened = self._opened()
        try:
            with spark_session.limited(opened.session, self._timeout):
                yield
        except SourceError:
            raise
        except Exception as error:  # noqa: BLE001  # foreign code
            fault = spark_faults.translate(error, opened.profiles.label)
            raise self._blamed(fault, segments) from None

    def _blamed(self, fault: SourceError, segments: Sequence[Segment]) -> SourceError:
        """Name the segments whose predicates a value breaks. Among several they are found by halves, without rows."""
        ruled = [segment for segment in segments if segment.where is not None]
        if not isinstance(fault, PredicateRefused) or not ruled:
            return fault
        if len(ruled) == 1:
            said = f"segment {ruled[0].name}: {fault}"
            return PredicateRefused(said) if len(segments) == 1 else PartUnread({ruled[0].name: said})
        broken: dict[str, str] = {}
        for half in (ruled[: len(ruled) // 2], ruled[len(ruled) // 2 :]):
            try:
                list(self._rows(selection.tried(self._tables(half), [self._wanted(each) for each in half]), half))
            except PartUnread as found:
                broken |= found.segments
            except PredicateRefused as found:
                broken |= {segment.name: str(found) for segment in half}
            except SourceError as found:
                return found
        return PartUnread(broken) if broken else fault

    def _nameless(self) -> SourceError:
        label, key = self._opened().profiles.label, self._reads.profiles.id
        return SourceError(f"{label}: a profile has no {key}; without an id it cannot be told apart")


def open_source(source: Source, around: Surroundings) -> SparkSource:
    """Give the source of a declaration; nothing is opened yet."""
    return SparkSource(source, around)
