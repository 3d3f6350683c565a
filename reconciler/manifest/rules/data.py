"""Decides, where the source can be asked, whether columns exist and predicates hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.reads import Files
from reconciler.core.texts import folded
from reconciler.manifest.rules.world import fault
from reconciler.manifest.spans import inside
from reconciler.manifest.words import did_you_mean, one_of, plain, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.diagnostics import Marks, Path
    from reconciler.core.model import Source
    from reconciler.manifest.rules.world import World

_SHOWN = 12


def unknown_column(world: World) -> Iterator[Diagnostic]:
    """Find columns that the profiles have not: of the source's own keys, and of every export."""
    known = {source.name: found for source in world.sources if (found := _columns(world, source)) is not None}
    for source in world.sources:
        columns = known.get(source.name)
        if columns is not None:
            yield from _unknown(source.marks, ("spec", "profiles", "id"), columns, source.reads.profiles.id)
            for column in source.reads.profiles.types if isinstance(source.reads, Files) else ():
                yield from _unknown(source.marks, ("spec", "profiles", "types", column), columns, column)
    for export in world.exports:
        columns = known.get(export.source)
        if columns is None:
            continue
        for match in export.match:
            yield from _unknown(export.marks, ("spec", "match", match.field), columns, match.column)
        if export.consent is not None:
            yield from _unknown(export.marks, ("spec", "consent", "column"), columns, export.consent.column)


def _columns(world: World, source: Source) -> Mapping[str, str] | None:
    return None if world.columns is None else world.columns(source)


def _unknown(marks: Marks, path: Path, columns: Mapping[str, str], name: str) -> Iterator[Diagnostic]:
    if folded(name) in map(folded, columns):  # as the source resolves it
        return
    some = one_of(list(columns)[:_SHOWN]) + (", and more" if len(columns) > _SHOWN else "")
    hint = did_you_mean(name, columns, f"the columns are {some}")
    yield fault(marks, path, "unknown-column", f"the profiles have no column {quote(name)}; {hint}")


def predicate(world: World) -> Iterator[Diagnostic]:
    """Let the source judge the predicates, and point into their text."""
    sources = {source.name: source for source in world.sources}
    for segment in world.segments:
        source = sources.get(segment.source)
        if world.predicate is None or source is None or segment.where is None:
            continue
        found = world.predicate(source, segment)
        if found is not None:
            offset, message = found
            where = inside(world.documents["Segment", segment.name], ("spec", "where"), segment.where, offset or 0)
            yield Diagnostic(where, "predicate", plain(message, 300))
