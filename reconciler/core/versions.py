"""What two versions of the declarations say differently, document by document. It decides what counts as a change.

A document is the same when its value is, and its file: comments, layout, the order of keys and aliases are no change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.core.model import Declarations, Safety

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.diagnostics import Marks, Path, Where
    from reconciler.core.model import Connection, Export, Segment, Source

Key = tuple[str, str]
"""A document's kind and name."""

_DEPTH = 3
"""Keys of a path that is told: `spec.roles.administrators` says enough."""


@dataclass(frozen=True, slots=True)
class Version:
    """What one commit declares, which loads as a whole.

    `values` has each document as YAML gave it, because the model does not keep all that it says (a description, a
    default that is written out). `safety` are the bounds of exports that set none.
    """

    declarations: Declarations = field(default_factory=Declarations)
    values: Mapping[Key, object] = field(default_factory=dict)
    safety: Safety = field(default_factory=Safety)

    def documents(self) -> dict[Key, Marks]:
        """Give the place of every document."""
        declared = self.declarations
        families: tuple[tuple[str, Mapping[str, Connection | Source | Segment | Export]], ...] = (
            ("Connection", declared.connections),
            ("Source", declared.sources),
            ("Segment", declared.segments),
            ("Export", declared.exports),
        )
        found = {(kind, name): value.marks for kind, values in families for name, value in values.items()}
        project = ("Project", declared.project.name)
        return found | ({project: declared.project.marks} if project in self.values else {})


@dataclass(frozen=True, slots=True)
class Change:
    """A document that is new (`old` None), gone (`new` None), different in `paths`, or, without any, moved."""

    kind: str
    name: str
    old: Marks | None
    new: Marks | None
    paths: tuple[Path, ...] = ()

    @property
    def verb(self) -> str:
        """What was done to it."""
        if self.old is None:
            return "add"
        if self.new is None:
            return "remove"
        return "change" if self.paths else "move"

    def at(self, path: Path) -> Where:
        """Give the place of a key: in the new version, or in the old one when the document is gone."""
        marks = self.new or self.old
        assert marks is not None
        return marks.at(*path)


def changes(old: Version, new: Version) -> Iterator[Change]:
    """Yield every document that is not the same, sorted by kind and name."""
    before, after = old.documents(), new.documents()
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if was is None or now is None:
            yield Change(*key, was, now)
            continue
        found = differences(old.values[key], new.values[key])
        paths = tuple(dict.fromkeys(path[:_DEPTH] for path in found))
        if paths or was.file != now.file:
            yield Change(*key, was, now, paths)


def differences(old: object, new: object, path: Path = ()) -> Iterator[Path]:
    """Yield the paths at which two values differ, the new one's first. `true` is not 1, and 1 is not 1.0."""
    match old, new:
        case dict(), dict():
            for key in (*new, *(key for key in old if key not in new)):
                if key in old and key in new:
                    yield from differences(old[key], new[key], (*path, key))
                else:
                    yield (*path, key)
        case list(), list() if len(old) == len(new):
            for index, (one, other) in enumerate(zip(old, new, strict=True)):
                yield from differences(one, other, (*path, index))
        case _:
            if type(old) is not type(new) or old != new:
                yield path
