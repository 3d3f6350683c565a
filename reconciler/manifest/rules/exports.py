"""Decides which fields an export may map, how, and which segments it may send."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.core.autopilot_fields import RESERVED_FIELDS, STANDARD_FIELDS
from reconciler.core.model import FieldKind
from reconciler.manifest.rules.world import fault
from reconciler.manifest.words import form, nearest, plain, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.diagnostics import Diagnostic
    from reconciler.core.model import Export, FieldMatch
    from reconciler.manifest.rules.world import World

_MATCH = ("spec", "match")
_STANDARD = {name.casefold(): name for name in STANDARD_FIELDS}
_RESERVED = {name.casefold(): name for name in RESERVED_FIELDS}
_DIRECTIVES = frozenset("YymBbdjHIMSfpzaA%")


def field_names(world: World) -> Iterator[Diagnostic]:
    """Refuse fields that no mapping may use, and one field in two spellings."""
    for export in world.exports:
        seen: dict[str, str] = {}
        for match in export.match:
            path, folded = (*_MATCH, match.field), match.field.casefold()
            if folded == "unsubscribed":
                message = "an opt-out is never sent: it is a person's own word; leave unsubscribed out of match"
                yield fault(export.marks, path, "opt-out", message)
            elif folded in _RESERVED:
                message = f"{quote(match.field)} steers Autopilot and describes nobody; leave it out of match"
                yield fault(export.marks, path, "reserved-field", message)
            elif folded in seen:
                message = f"{quote(match.field)} is the field {quote(seen[folded])}, mapped above; keep one of the two"
                yield fault(export.marks, path, "field-twice", message)
            seen.setdefault(folded, match.field)


def field_types(world: World) -> Iterator[Diagnostic]:
    """Refuse a type on a standard field, and a custom field without one."""
    for export in world.exports:
        seen = set(_RESERVED)
        for match in export.match:
            problem = None if match.field.casefold() in seen else _type_problem(match)
            seen.add(match.field.casefold())
            if problem is not None:
                yield fault(export.marks, (*_MATCH, match.field), "custom-type", problem)


def _type_problem(match: FieldMatch) -> str | None:
    name, standard = match.field, _STANDARD.get(match.field.casefold())
    if name == standard:
        right = f"write {name}: {form(plain(match.column))}"
        return None if match.kind is None else f"{name} is a standard field of Autopilot and takes no type; {right}"
    if standard is not None:
        return f"{quote(name)} is no field of Autopilot; did you mean {quote(standard)}?"
    if match.kind is not None:
        return None
    right = f"write {form(plain(name))}: {form({'column': plain(match.column), 'type': 'string'})}"
    meant = nearest(name, STANDARD_FIELDS, cutoff=0.8)
    hint = "" if meant is None else f"did you mean {quote(meant)}? Else "
    return f"{quote(name)} is no standard field of Autopilot, and a custom field needs a type; {hint}{right}"


def date_formats(world: World) -> Iterator[Diagnostic]:
    """Refuse a format on what is no date, and patterns that name no full date."""
    for export in world.exports:
        for match in export.match:
            path = (*_MATCH, match.field, "format")
            if match.formats and match.kind is not FieldKind.DATE:
                message = 'only a date has a format; write {column: BirthDate, type: date, format: "%m/%d/%Y"}'
                yield fault(export.marks, path, "date-format", message)
                continue
            for pattern in match.formats:
                if not _dates(pattern):
                    message = f'{quote(pattern)} is no pattern of year, month and day; write format: "%m/%d/%Y"'
                    yield fault(export.marks, path, "date-format", message)


def _dates(pattern: str) -> bool:
    named = re.findall(r"%(.?)", pattern, re.DOTALL)
    once = all(named.count(letter) == 1 for letter in set(named) - {"%"})
    full = ({"d"} & set(named) and {"m", "B", "b"} & set(named)) or {"j"} & set(named)
    return once and set(named) <= _DIRECTIVES and bool({"Y", "y"} & set(named)) and bool(full)


def email_required(world: World) -> Iterator[Diagnostic]:
    """Contacts are told apart by their address."""
    for export in world.exports:
        if not any(match.field.casefold() == "email" for match in export.match):
            message = "match needs Email: contacts are told apart by it; write Email: EmailAddress"
            yield fault(export.marks, _MATCH, "email-required", message)


def segments_once(world: World) -> Iterator[Diagnostic]:
    """Refuse one segment twice, and two segments onto one list, within an export."""
    for export in world.exports:
        names: set[str] = set()
        titles: dict[str, str] = {}
        for index, use in enumerate(export.segments):
            path = ("spec", "segments", index)
            if use.segment in names:
                yield fault(
                    export.marks, path, "segment-twice", f"{quote(use.segment)} stands twice; keep one of the two"
                )
            elif use.title in titles:
                message = (
                    f"{quote(titles[use.title])} already has the list {quote(use.title)}; give this one another list"
                )
                yield fault(export.marks, path, "list-twice", message)
            names.add(use.segment)
            titles.setdefault(use.title, use.segment)


def segment_source(world: World) -> Iterator[Diagnostic]:
    """Refuse segments of another source than the export's."""
    declared = world.places.get("Source", {})
    sources = {segment.name: segment.source for segment in world.segments if segment.source in declared}
    for export in world.exports:
        for index, use in enumerate(export.segments):
            yield from _of_source(export, index, sources.get(use.segment, export.source))
    memberships = {source.name: source.reads.memberships is not None for source in world.sources}
    for segment in world.segments:
        if segment.member is not None and not memberships.get(segment.source, True):
            message = (
                f"the Source {quote(segment.source)} declares no memberships, so it keeps no segments; "
                "write memberships: {path: data/memberships.csv, id: CustomerKey, segment: SegmentName} there"
            )
            yield fault(segment.marks, ("spec", "member"), "segment-form", message)


def _of_source(export: Export, index: int, source: str) -> Iterator[Diagnostic]:
    if source != export.source:
        name = export.segments[index].segment
        message = f"the segment {quote(name)} is of the source {quote(source)}; write source: {source}, or leave it out"
        yield fault(export.marks, ("spec", "segments", index), "segment-source", message)
