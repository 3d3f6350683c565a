"""Decides which fields an export leaves to another one of its connection, where both have a value for a person.

What an export sends of a person is digested without those fields: so a precedence that changes is a change, and what
an export of a higher rank decided stands while that one does not run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reconciler.core.model import Export, FieldMatch

Path = tuple[str, ...]
"""Where a field stands in a contact: (key,) or (group, key)."""

Yields = dict[int, frozenset[Path]]
"""What one export leaves to others, by their numbers."""


def ranks(names: Iterable[str], precedence: Sequence[str]) -> Callable[[str], int]:
    """Order exports for a field that two of them map: those that `precedence` names first, the rest by name."""
    known = set(names)
    order = [name for name in precedence if name in known]
    order += sorted(known - set(order))
    return order.index


def yields(
    exports: Mapping[int, Export], precedence: Sequence[str], path: Callable[[FieldMatch], Path]
) -> dict[int, Yields]:
    """Say for each export, by number, what it leaves to which exports of a higher rank.

    A field that both take from one column of one source has the same value in both, so nothing is left to anybody.
    """
    order = ranks((export.name for export in exports.values()), precedence)
    fields = {number: _fields(export, path) for number, export in exports.items()}
    left: dict[int, Yields] = {}
    for number, export in exports.items():
        for other, rival in exports.items():
            if order(rival.name) < order(export.name):
                shared = fields[number].items() - fields[other].items()
                paths = frozenset(place for place, _ in shared if place in fields[other])
                if paths:
                    left.setdefault(number, {})[other] = paths
    return left


def _fields(export: Export, path: Callable[[FieldMatch], Path]) -> dict[Path, object]:
    """Give where each field comes from, by its place."""
    return {path(m): (export.source, m.column, m.kind, m.formats) for m in export.match if m.field != "Email"}
