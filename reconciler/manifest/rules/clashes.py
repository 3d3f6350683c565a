"""Decides when two exports of one connection would write different things into one field of one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.manifest.rules.world import fault
from reconciler.manifest.words import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.diagnostics import Diagnostic
    from reconciler.core.model import Export, FieldMatch
    from reconciler.manifest.rules.world import World

Use = tuple["Export", "FieldMatch"]


def field_twice(world: World) -> Iterator[Diagnostic]:
    """Compare each mapped field with the first export that maps it, so that the time grows with the exports."""
    ranked = {(c.name, name) for c in world.connections for name in c.precedence}
    alike: dict[tuple[str, str, str], Use] = {}
    unranked: dict[tuple[str, str], Use] = {}
    for export in world.exports:
        for match in export.match if export.connection is not None else ():
            connection, field = str(export.connection), match.field.casefold()
            here = (export, match)
            yield from _of_one_source(alike.setdefault((connection, export.source, field), here), here)
            if field != "email" and (connection, export.name) not in ranked:
                yield from _of_two_sources(unranked.setdefault((connection, field), here), here)


def _of_one_source(first: Use, here: Use) -> Iterator[Diagnostic]:
    (other, before), (export, match) = first, here
    path = ("spec", "match", match.field)
    if other is export:
        return
    if match.column != before.column:
        message = (
            f"{quote(match.field)} comes from the column {quote(match.column)} here and from {quote(before.column)} "
            f"in the Export {quote(other.name)} of the same connection; use one column in both"
        )
        yield fault(export.marks, path, "field-twice", message)
    elif (match.kind, match.formats) != (before.kind, before.formats):
        message = (
            f"{quote(match.field)} has another type or format in the Export {quote(other.name)} of the same "
            "connection; write the same in both"
        )
        yield fault(export.marks, path, "field-twice", message)


def _of_two_sources(first: Use, here: Use) -> Iterator[Diagnostic]:
    (other, _), (export, match) = first, here
    if other.source != export.source:
        message = (
            f"{quote(match.field)} also comes from another source, in the Export {quote(other.name)}; say in the "
            f"Connection {quote(export.connection)} who wins: precedence: [{other.name}, {export.name}]"
        )
        yield fault(export.marks, ("spec", "match", match.field), "field-twice", message)
