"""The source `spark`: a cluster runs the predicates where the tables are, and gives members alone. It fails closed.

Every question is one query, and one query reads each table as it was at one moment.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import duckdb

from reconciler.core.errors import PartUnread, PredicateRefused, SourceDown, SourceError
from reconciler.core.reads import Spark
from reconciler.sources import faults, selection, spark_faults, spark_session, spark_tables
from reconciler.sources.asked import AskedSource
from reconciler.sources.engine import CHUNK, Engine, Limits
from reconciler.sources.selection import Tables
from reconciler.sources.spark_sql import translated
from reconciler.sources.spark_types import literal

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Sequence

    from reconciler.core.model import Segment, Source
    from reconciler.core.ports import Row
    from reconciler.sources.predicate import Compiled
    from reconciler.sources.spark_tables import ClusterTable
    from reconciler.sources.surroundings import Surroundings

_TODAY = "CURRENT_DATE()"


@dataclass(frozen=True, slots=True)
class _Opened:
    session: Any
    planner: Engine
    profiles: ClusterTable
    memberships: ClusterTable | SourceError


class SparkSource(AskedSource):
    """Reads what `source` declares by a cluster.

    Implements core.ports.Source. Nothing is opened before the first question.
    """

    def __init__(self, source: Source, around: Surroundings) -> None:
        assert isinstance(source.reads, Spark)
        super().__init__(source.reads.profiles.id)
        self._name, self._reads, self._around = source.name, source.reads, around
        self._state: _Opened | None = None

    def mark(self, segments: Sequence[Segment]) -> str | None:
        """Tell apart what `segments` would read; None where that hangs on the day too, or a table has no version."""
        if any(_TODAY in each.predicate for each in map(self._wanted, segments) if each.predicate is not None):
            return None
        told = hashlib.sha256()
        shown = {name: value for name, value in self._reads.headers.items() if isinstance(value, str)}
        where = self._reads.url, sorted(shown.items())
        for table in self._read(segments):
            if table.version is None:
                return None
            told.update(f"{where!r} {table.label!r} {table.version} {sorted(table.columns)}\n".encode())
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
            spark_session.end(state.session)

    def _opened(self) -> _Opened:
        if self._state is None:
            session = spark_session.connect(self._reads, self._around.secret)
            try:
                with self._limited(session, self._reads.profiles.label):
                    profiles = spark_tables.opened(session, self._reads.profiles)
                    profiles.key(self._reads.profiles.id)
                    self._state = _Opened(session, Engine([], [], Limits(1)), profiles, self._held(session))
            finally:
                if self._state is None:
                    spark_session.end(session)
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

    def _people(self) -> ClusterTable:
        return self._opened().profiles

    def _kept(self) -> ClusterTable:
        held = self._opened().memberships
        if isinstance(held, SourceError):
            raise SourceError(str(held))
        return held

    def _compiled(self, where: str) -> Compiled:
        opened = self._opened()
        try:
            return translated(where, opened.profiles.columns, opened.planner)
        except duckdb.Error as error:
            raise faults.unplanned(error) from None

    def _value(self, column: str) -> str:
        return self._people().value(column)

    def _read(self, segments: Sequence[Segment]) -> tuple[ClusterTable, ...]:
        """Give the tables that are read for these segments."""
        kept = any(segment.where is None for segment in segments)
        return (self._people(), self._kept()) if kept else (self._people(),)

    def _tables(self, segments: Sequence[Segment]) -> Tables:
        profiles, *kept = self._read(segments)
        tables = Tables(profiles.rows, f"p.{profiles.key(self._key)}", text="STRING", literal=literal)
        if not kept:
            return tables
        declared = self._reads.memberships
        assert declared is not None
        held = kept[0]
        keys = held.key(declared.id), held.key(declared.segment)
        return Tables(tables.profiles, tables.id, held.rows, *keys, text="STRING", literal=literal)

    @contextmanager
    def _scan(
        self,
        segments: Sequence[Segment],
        columns: Collection[str],  # noqa: ARG002  # the cluster finds out itself what is read
        *,
        profiles: bool = True,  # noqa: ARG002  # the same
    ) -> Iterator[Tables]:
        try:
            with self._limited(self._opened().session, self._people().label):
                yield self._tables(segments)
        except PredicateRefused as fault:
            raise self._blamed(fault, segments) from None
        except SourceDown:
            self.close()  # whoever asks next finds out at once whether the cluster is back
            raise

    def _blamed(self, fault: PredicateRefused, segments: Sequence[Segment]) -> SourceError:
        """Name the segments whose predicates a value breaks. Among several they are found by halves, without rows."""
        lone = self._lone(fault, segments)
        ruled = [segment for segment in segments if segment.where is not None]
        if lone is not None or not ruled:
            return lone or fault
        broken: dict[str, str] = {}
        for half in (ruled[: len(ruled) // 2], ruled[len(ruled) // 2 :]):
            wanted = [self._wanted(segment) for segment in half]
            try:
                with self._scan(half, ()) as tables:
                    list(self._rows(selection.tried(tables, wanted)))
            except PartUnread as found:
                broken |= found.segments
            except PredicateRefused as found:
                broken |= {segment.name: str(found) for segment in half}
            except SourceError as found:
                return found
        return PartUnread(broken) if broken else fault

    def _rows(self, sql: str) -> Generator[Sequence[Row], None, None]:
        found = (tuple(row) for row in self._opened().session.sql(sql).toLocalIterator())
        while chunk := list(islice(found, CHUNK)):
            yield chunk

    @contextmanager
    def _limited(self, session: Any, label: str) -> Iterator[None]:
        """Turn the cluster's faults into SourceError; the cluster does not go on for a reader that has gone."""
        try:
            with spark_session.limited(session, self._reads.timeout, label):
                yield
        except SourceError:
            raise
        except Exception as error:  # noqa: BLE001  # foreign code
            raise spark_faults.translate(error, label) from None


def open_source(source: Source, around: Surroundings) -> SparkSource:
    """Give the source of a declaration; nothing is opened yet."""
    return SparkSource(source, around)
