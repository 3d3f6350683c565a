"""Where a fault is, what it is and what to do: collected, sorted, deduplicated."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Path = tuple[str | int, ...]


class Severity(Enum):
    """How bad a diagnostic is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A place in a file of the project: path relative to the project's folder, line and column counted from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        """`file:line:column`, as editors and GitHub read it."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Marks:
    """Where each key of a document stands: `spots` maps a path such as ("spec", "match", "Phone") to (line, column)."""

    file: str = ""
    spots: Mapping[Path, tuple[int, int]] = field(default_factory=dict)

    def at(self, *path: str | int) -> Where:
        """Return the place of `path`, or of its nearest parent that has one."""
        for length in range(len(path), -1, -1):
            spot = self.spots.get(path[:length])
            if spot is not None:
                return Where(self.file, *spot)
        return Where(self.file)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fault: a place, a rule id in lower-case words with '-', and one line that ends with the right form."""

    where: Where
    rule: str
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        """`path:line:column: error: [rule-id] message`."""
        return f"{self.where}: {self.severity.value}: [{self.rule}] {self.message}"


def tidy(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort by place and drop repetitions."""
    unique = {(d.where, d.rule, d.message): d for d in diagnostics}
    return tuple(unique[key] for key in sorted(unique))
