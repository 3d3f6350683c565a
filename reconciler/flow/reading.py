"""Reads what each running export wants from its source; a source that fails becomes a reason, never an empty result."""

from __future__ import annotations

import re
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from reconciler.core.digest import SIZE
from reconciler.core.errors import ReconcilerError, SourceError
from reconciler.core.model import CEILING
from reconciler.core.people import Judge, wanted_columns
from reconciler.core.planning import Findings
from reconciler.core.scans import Fan, Wanted, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
            wanted = [_wanted(tasks[position].export) for position in positions]
            for batch in batches(wanted):
                together = [positions[each] for each in batch]
                read = self._together([tasks[position] for position in together])
                found.update(zip(together, read, strict=True))
        return [found[position] for position in range(len(tasks))]

    def _together(self, tasks: Sequence[Task]) -> list[Findings]:
        """Read exports in one scan. If that fails, by halves, so that only those at fault are without people."""
        try:
            return self._scanned(tasks)
        except SourceError as fault:
            if len(tasks) == 1 or not self._readable(tasks[0].export.source):
                return [Findings(failure=str(fault))] * len(tasks)
        half = len(tasks) // 2
        return self._together(tasks[:half]) + self._together(tasks[half:])

    def _readable(self, name: str) -> bool:
        """Tell whether a source can be read at all: if not, no part of it is worth another try."""
        try:
            self._source(name).columns()
        except SourceError:
            return False
        return True

    def _scanned(self, tasks: Sequence[Task]) -> list[Findings]:
        source = self._source(tasks[0].export.source)
        judges = [self._judge(task) for task in tasks]
        wanted = [_wanted(task.export) for task in tasks]
        if len(tasks) == 1:
            read, take = source.members(self._segments(wanted[0].segments), wanted[0].columns), judges[0].feed
        else:
            fan = Fan(wanted, [judge.feed for judge in judges])
            read, take = source.members(self._segments(fan.segments), fan.columns), fan.feed
        for chunk in read:
            if not take(chunk):
                break
        return [
            self._findings(source, self._segments(each.segments), judge.finish())
            for each, judge in zip(wanted, judges, strict=True)
        ]

    @staticmethod
    def _findings(source: Source, segments: Sequence[Segment], gathered: Gathered) -> Findings:
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


def _wanted(export: Export) -> Wanted:
    return Wanted(tuple(use.segment for use in export.segments), wanted_columns(export))
