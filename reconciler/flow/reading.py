"""Reads what each running export wants from its source; a source that fails becomes a reason, never an empty result."""

from __future__ import annotations

import re
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from reconciler.core.digest import SIZE
from reconciler.core.errors import PartUnread, PredicateRefused, ReconcilerError, SourceError
from reconciler.core.model import CEILING
from reconciler.core.people import Judge, wanted_columns
from reconciler.core.planning import Findings
from reconciler.core.scans import Fan, Wanted, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reconciler.core.digest import Digests
    from reconciler.core.model import Connection, Declarations, Export, FieldMatch, Segment
    from reconciler.core.people import Gathered
    from reconciler.core.ports import Source
    from reconciler.flow.outside import Outside


_DIGEST = re.compile(rf"[0-9a-fA-F]{{{2 * SIZE}}}")


@dataclass(frozen=True, slots=True)
class Task:
    """One export to be read, for one connection. `keep`: its contacts are kept, not their digests alone."""

    export: Export
    connection: Connection
    keep: bool


Batch = dict[int, Task]
"""What is read in one scan, by the place that each has in the whole."""


class Library:
    """The sources of a project, each opened once and at first use. Use it as a context manager."""

    def __init__(
        self, declarations: Declarations, outside: Outside, digests: Digests, erased: frozenset[bytes]
    ) -> None:
        self._declarations, self._outside, self.digests, self._erased = declarations, outside, digests, erased
        self._open: dict[str, Source] = {}
        self._stack = ExitStack()
        self._suppressed: frozenset[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.clear()
        self._stack.close()

    def path(self, connection: Connection) -> Callable[[FieldMatch], tuple[str, ...]]:
        """Give the function that says where a field stands in a contact of this connection."""
        return self._outside.wire(connection).field

    def find(self, export: Export, connection: Connection, *, keep: bool) -> Findings:
        """Gather the people of one export."""
        return self.read([Task(export, connection, keep=keep)])[0]

    def read(self, tasks: Sequence[Task]) -> list[Findings]:
        """Gather the people of many exports, those of one source in as few scans as may be."""
        found: dict[int, Findings] = {}
        by_source: dict[str, list[int]] = {}
        for position, task in enumerate(tasks):
            by_source.setdefault(task.export.source, []).append(position)
        for positions in by_source.values():
            together = batches([_wanted(tasks[position].export) for position in positions])
            found.update(self._batches([{positions[each]: tasks[positions[each]] for each in one} for one in together]))
        return [found[position] for position in range(len(tasks))]

    def _batches(self, batches: Iterable[Batch]) -> dict[int, Findings]:
        """Read batches of one source, each in one scan. What is wrong with a part of it costs one more.

        Those at fault alone are without people, as far as the source knows whose fault it is. A fault of the whole
        source ends it: nothing else of it is tried.
        """
        found: dict[int, Findings] = {}
        left = [(batch, False) for batch in batches]
        while left:
            batch, apart = left.pop(0)
            try:
                found |= self._scanned(batch, apart=apart)
            except PartUnread as fault:
                unread = _unread(batch, fault) or _failed(batch, fault)
                found |= unread
                if rest := {position: task for position, task in batch.items() if position not in unread}:
                    left.insert(0, (rest, apart))
            except PredicateRefused as fault:
                if apart or len(batch) == 1:
                    found |= _failed(batch, fault)
                else:
                    left.insert(0, (batch, True))
            except SourceError as fault:
                for each in (batch, *(other for other, _ in left)):
                    found |= _failed(each, fault)
                left.clear()
        return found

    def _scanned(self, batch: Batch, *, apart: bool) -> dict[int, Findings]:
        tasks = list(batch.values())
        source = self._source(tasks[0].export.source)
        judges = [self._judge(task) for task in tasks]
        wanted = [_wanted(task.export) for task in tasks]
        segments, columns, take = wanted[0].segments, wanted[0].columns, judges[0].feed
        if len(tasks) > 1:
            fan = Fan(wanted, [judge.feed for judge in judges])
            segments, columns, take = fan.segments, fan.columns, fan.feed
        unread: dict[int, Findings] = {}
        try:
            for chunk in source.members(self._segments(segments), columns, apart=apart):
                if not take(chunk):
                    break
        except PartUnread as fault:
            unread = _unread(batch, fault)
            if not (unread and fault.complete):
                raise
        return unread | {
            position: self._findings(source, self._segments(each.segments), judge.finish())
            for position, each, judge in zip(batch, wanted, judges, strict=True)
            if position not in unread
        }

    @staticmethod
    def _findings(source: Source, segments: Sequence[Segment], gathered: Gathered) -> Findings:
        """Ask what else is to be known of one export, whose own fault is no other's."""
        try:
            return Library._known(source, segments, gathered)
        except (PartUnread, PredicateRefused) as fault:
            return Findings(failure=str(fault))

    @staticmethod
    def _known(source: Source, segments: Sequence[Segment], gathered: Gathered) -> Findings:
        recognised = tuple(
            bool(size) or source.recognises(segment) for size, segment in zip(gathered.members, segments, strict=True)
        )
        total = source.count(segments) if gathered.cut else None
        return Findings(gathered, recognised, total=total, snapshot=source.snapshot(segments))

    def _judge(self, task: Task) -> Judge:
        return Judge(
            task.export,
            path=self.path(task.connection),
            addresses=self._outside.addresses,
            digests=self.digests,
            suppressed=self.suppressed(),
            limit=min(task.connection.limit, CEILING),
            keep=task.keep,
        )

    def _segments(self, names: Sequence[str]) -> list[Segment]:
        return [self._declarations.segments[name] for name in names]

    def mark(self, export: Export) -> str | None:
        """Tell apart what an export would read; None: its source cannot. Raises SourceError."""
        segments = [self._declarations.segments[use.segment] for use in export.segments]
        return self._source(export.source).mark(segments)

    def _source(self, name: str) -> Source:
        if name not in self._open:
            source = self._outside.source(self._declarations.sources[name])
            self._open[name] = self._stack.enter_context(closing(source))
        return self._open[name]

    def suppressed(self) -> frozenset[bytes]:
        """Give the keys that no export may send: those of the file, and whoever was erased. Raises ReconcilerError."""
        if self._suppressed is None:
            outside = self._outside
            listed = frozenset(self._key(place, text) for place, text in outside.suppressed())
            self._suppressed = listed | outside.erased() | self._erased
        return self._suppressed

    def _key(self, place: str, text: str) -> bytes:
        """Read a line, which may hold a person: only its place is told of one that is neither."""
        if _DIGEST.fullmatch(text):
            return bytes.fromhex(text)
        address = self._outside.addresses(text)
        if address is None:
            raise ReconcilerError(
                f"{place}: neither an address nor the digest of one ({2 * SIZE} hexadecimal digits), so nothing is "
                "sent; mend the line, or begin it with # to make it a comment"
            )
        return self.digests.person(address)


def _unread(batch: Batch, fault: PartUnread) -> dict[int, Findings]:
    """Give those that cannot be read for it, each with its own reason."""
    reasons = {position: fault.reason(*_wanted(task.export)) for position, task in batch.items()}
    return {position: Findings(failure=reason) for position, reason in reasons.items() if reason is not None}


def _failed(batch: Batch, fault: SourceError) -> dict[int, Findings]:
    return {position: Findings(failure=str(fault)) for position in batch}


def _wanted(export: Export) -> Wanted:
    return Wanted(tuple(use.segment for use in export.segments), wanted_columns(export))
