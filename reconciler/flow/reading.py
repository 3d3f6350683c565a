"""Reads what each running export wants from its source; a source that fails becomes a reason, never an empty result."""

from __future__ import annotations

import re
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Self

from reconciler.core.digest import SIZE
from reconciler.core.errors import ReconcilerError, SourceError
from reconciler.core.model import CEILING
from reconciler.core.people import Judge, wanted_columns
from reconciler.core.planning import Findings

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.core.digest import Digests
    from reconciler.core.model import Connection, Declarations, Export, FieldMatch
    from reconciler.core.ports import Source
    from reconciler.flow.outside import Outside


_DIGEST = re.compile(rf"[0-9a-fA-F]{{{2 * SIZE}}}")


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
        try:
            return self._find(export, connection, keep=keep)
        except SourceError as fault:
            return Findings(failure=str(fault))

    def _find(self, export: Export, connection: Connection, *, keep: bool) -> Findings:
        source = self._source(export.source)
        segments = [self._declarations.segments[use.segment] for use in export.segments]
        judge = Judge(
            export,
            path=self.path(connection),
            addresses=self._outside.addresses,
            digests=self.digests,
            suppressed=self.suppressed(),
            limit=min(connection.limit, CEILING),
            keep=keep,
        )
        gathered = judge.gather(source.members(segments, wanted_columns(export)))
        recognised = tuple(
            bool(size) or source.recognises(segment) for size, segment in zip(gathered.members, segments, strict=True)
        )
        total = source.count(segments) if gathered.cut else None
        return Findings(gathered, recognised, total=total, snapshot=source.snapshot(segments))

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
