"""All that is declared, as the rules see it: also what is declared twice or in part. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.model import Project

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Mapping

    from reconciler.core.diagnostics import Marks, Path, Where
    from reconciler.core.model import Connection, Export, Segment, Source
    from reconciler.manifest.documents import Document


@dataclass(frozen=True, slots=True)
class World:
    """Every value that could be made, in the order of the files, and what is known of the rest.

    `places` has, by kind and name, where the name is declared, also by documents with faults. `whole` False: a file
    could not be read to its end, so that a name that is not here may be there.
    """

    root: pathlib.Path
    places: Mapping[str, Mapping[str, tuple[Where, ...]]]
    documents: Mapping[tuple[str, str], Document]
    whole: bool = True
    connections: tuple[Connection, ...] = ()
    sources: tuple[Source, ...] = ()
    segments: tuple[Segment, ...] = ()
    exports: tuple[Export, ...] = ()
    projects: tuple[Project, ...] = ()
    columns: Callable[[Source], Mapping[str, str] | None] | None = None
    predicate: Callable[[Source, Segment], tuple[int | None, str] | None] | None = None
    project: Project = field(default=Project())


def fault(marks: Marks, path: Path, rule: str, message: str) -> Diagnostic:
    """Give an error at a key."""
    return Diagnostic(marks.at(*path), rule, message)


def warning(marks: Marks, path: Path, rule: str, message: str) -> Diagnostic:
    """Give a warning at a key: the declarations are valid all the same."""
    return Diagnostic(marks.at(*path), rule, message, Severity.WARNING)
