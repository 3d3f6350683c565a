"""Decides that names are unique, that references resolve, and that renames are possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Diagnostic
from reconciler.manifest.rules.world import fault
from reconciler.manifest.words import did_you_mean, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.diagnostics import Marks, Path
    from reconciler.core.model import Connection, Export, Segment, Source
    from reconciler.manifest.rules.world import World


def duplicate_name(world: World) -> Iterator[Diagnostic]:
    """Point at every document that has the name of an earlier one, and name the earlier place."""
    for kind, names in world.places.items():
        for name, places in names.items():
            for where in places[1:] if kind != "Project" else ():
                message = f"the {kind} {quote(name)} is declared twice, first at {places[0]}; give one another name"
                yield Diagnostic(where, "duplicate-name", message)


def project_twice(world: World) -> Iterator[Diagnostic]:
    """Allow one Project."""
    places = sorted(where for found in world.places.get("Project", {}).values() for where in found)
    for where in places[1:]:
        yield Diagnostic(where, "project-twice", f"there is at most one Project, and one is at {places[0]}; merge them")


def dangling_reference(world: World) -> Iterator[Diagnostic]:
    """Find references to documents that nobody declares."""
    if not world.whole:
        return
    for export in world.exports:
        if export.connection is not None:
            yield from _dangling(world, export.marks, ("spec", "connection"), "Connection", export.connection)
        yield from _dangling(world, export.marks, ("spec", "source"), "Source", export.source)
        for index, use in enumerate(export.segments):
            yield from _dangling(world, export.marks, ("spec", "segments", index), "Segment", use.segment)
    for segment in world.segments:
        yield from _dangling(world, segment.marks, ("spec", "source"), "Source", segment.source)
    for connection in world.connections:
        for index, name in enumerate(connection.precedence):
            yield from _dangling(world, connection.marks, ("spec", "precedence", index), "Export", name)


def _dangling(world: World, marks: Marks, path: Path, kind: str, name: str) -> Iterator[Diagnostic]:
    known = world.places.get(kind, {})
    if name not in known:
        declare = f"declare it with kind: {kind} and metadata: {{name: {name}}}"
        hint = did_you_mean(name, known, declare)
        yield fault(marks, path, "dangling-reference", f"no {kind} is named {quote(name)}; {hint}")


def previous_name(world: World) -> Iterator[Diagnostic]:
    """Refuse renames from a name that is still in use, and two renames from one name."""
    kinds: tuple[tuple[str, tuple[Connection | Source | Segment | Export, ...]], ...] = (
        ("Connection", world.connections),
        ("Source", world.sources),
        ("Segment", world.segments),
        ("Export", world.exports),
    )
    for kind, values in kinds:
        taken: dict[str, str] = {}
        for value in values:
            old = value.previous_name
            if old is None:
                continue
            message = None
            if old in world.places.get(kind, {}):
                message = f"the {kind} {quote(old)} still exists, so this is no rename of it; leave previousName out"
            elif old in taken:
                message = f"{quote(taken[old])} is already the rename of {quote(old)}; leave one previousName out"
            taken.setdefault(old, value.name)
            if message is not None:
                yield fault(value.marks, ("metadata", "previousName"), "previous-name", message)
