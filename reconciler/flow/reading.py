"""Reads what each running export wants from its source; a source that fails becomes a reason, never an empty result."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Self

from reconciler.core.digest import SIZE
from reconciler.core.errors import SourceError
from reconciler.core.model import CEILING
from reconciler.core.people import Judge, wanted_columns
from reconciler.core.planning import Findings

if TYPE_CHECKING:
    from reconciler.core.digest import Digests
    from reconciler.core.model import Connection, Declarations, Export
    from reconciler.core.ports import Source
    from reconciler.flow.outside import Outside


class Library:
    """The sources of a project, each opened once and at first use. Use it as a context manager."""

    def __init__(self, declarations: Declarations, outside: Outside, digests: Digests) -> None:
        self._declarations, self._outside, self._digests = declarations, outside, digests
        self._open: dict[str, Source] = {}
        self._stack = ExitStack()
        self._suppressed: frozenset[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.clear()
        self._stack.close()

    def find(self, export: Export, connection: Connection, *, keep: bool) -> Findings:
        """Gather the people of one export."""
        try:
            return self._find(export, connection, keep=keep)
        except SourceError as fault:
            return Findings(failure=str(fault))

    def _find(self, export: Export, connection: Connection, *, keep: bool) -> Findings:
        source = self._source(export.source)
        segments = [self._declarations.segments[use.segment] for use in export.segments]
        judge = Judge(
            export,
            path=self._outside.wire(connection).field,
            addresses=self._outside.addresses,
            digests=self._digests,
            suppressed=self.suppressed(),
            limit=min(connection.limit, CEILING),
            keep=keep,
        )
        gathered = judge.gather(source.members(segments, wanted_columns(export)))
        recognised = tuple(
            bool(size) or source.recognises(segment) for size, segment in zip(gathered.members, segments, strict=True)
        )
        return Findings(gathered, recognised, total=source.count(segments) if gathered.cut else None)

    def _source(self, name: str) -> Source:
        if name not in self._open:
            source = self._outside.source(self._declarations.sources[name])
            self._open[name] = self._stack.enter_context(closing(source))
        return self._open[name]

    def suppressed(self) -> frozenset[bytes]:
        """Give the keys that no export may send: lines of the file are digests in hexadecimal, or addresses."""
        if self._suppressed is None:
            self._suppressed = frozenset(self._key(line) for line in self._outside.suppressed())
        return self._suppressed

    def _key(self, line: str) -> bytes:
        if "@" not in line and len(line) == SIZE * 2:
            try:
                return bytes.fromhex(line)
            except ValueError:
                pass
        address = self._outside.addresses(line)
        return self._digests.person(address if address is not None else line.strip().lower())
