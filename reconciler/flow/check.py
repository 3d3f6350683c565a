"""Validates: the declarations, and the columns and predicates of each source that can be read."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Protocol

from reconciler.core.errors import PredicateRefused, SourceError
from reconciler.manifest.load import judging

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.core import model
    from reconciler.core.diagnostics import Diagnostic
    from reconciler.core.ports import Source


class Openers(Protocol):
    """What is needed of the workshop."""

    @property
    def root(self) -> Path:
        """The project's folder."""
        ...

    def source(self, source: model.Source, declarations: model.Declarations) -> Source:
        """Open a source."""
        ...


class _Sources:
    """Opens each source once, and remembers which could not be read."""

    def __init__(self, shop: Openers, stack: ExitStack, declarations: model.Declarations) -> None:
        self._shop, self._stack, self._declarations = shop, stack, declarations
        self._open: dict[str, Source | None] = {}
        self.unread: dict[str, str] = {}

    def columns(self, declared: model.Source) -> Mapping[str, str] | None:
        """Give the columns, or None when the source cannot be read now."""
        source = self._opened(declared)
        try:
            return None if source is None else source.columns()
        except SourceError as error:
            self.unread[declared.name] = str(error)
            return None

    def predicate(self, declared: model.Source, segment: model.Segment) -> tuple[int | None, str] | None:
        """Give what is wrong with a segment's predicate, and the offset in its text."""
        source = self._opened(declared)
        if source is None or self.columns(declared) is None:
            return None
        try:
            source.check(segment)
        except PredicateRefused as refused:
            return refused.offset, str(refused)
        except SourceError as error:
            self.unread[declared.name] = str(error)
        return None

    def _opened(self, declared: model.Source) -> Source | None:
        if declared.name not in self._open:
            try:
                source = self._shop.source(declared, self._declarations)
            except SourceError as error:
                self.unread[declared.name] = str(error)
                self._open[declared.name] = None
            else:
                self._open[declared.name] = self._stack.enter_context(closing(source))
        return self._open[declared.name]


def check(shop: Openers) -> tuple[model.Declarations | None, tuple[Diagnostic, ...], tuple[str, ...]]:
    """Give the declarations when they are valid, every diagnostic, and a line for each source that was not read.

    First without the sources, because where data may be read from is itself declared.
    """
    judge = judging(shop.root)
    declarations, found = judge(None, None)
    if declarations is None:
        return None, found, ()
    with ExitStack() as stack:
        sources = _Sources(shop, stack, declarations)
        declarations, found = judge(sources.columns, sources.predicate)
    notes = (f"source {name} was not read: {why}" for name, why in sorted(sources.unread.items()))
    return declarations, found, tuple(notes)
