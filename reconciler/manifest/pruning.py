"""Decides what is left of a document without its faulty parts, so that its other faults are told in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.manifest.guide import right
from reconciler.manifest.shapes.checking import check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.core.diagnostics import Path
    from reconciler.manifest.shapes.checking import Problem
    from reconciler.manifest.shapes.kinds import Shaped

_ROUNDS = 4
_COMPARED = frozenset(("metadata", "name", "source", "segments", "match"))
"""Keys that rules compare between documents: an example there would make faults elsewhere. Others get it."""


def prune(kind: str, value: object, paths: Iterable[Path]) -> Shaped | None:
    """Give the document without what stands at `paths`, or None when that is no document of its kind.

    Cutting may uncover a next problem, such as a key that is now missing: that is mended in turn, a few times.
    """
    value = _without(value, (), set(paths))
    for _ in range(_ROUNDS):
        shape = check(kind, value)
        if not isinstance(shape, tuple):
            return shape
        missing = [problem.path for problem in shape if problem.type == "missing" and problem.path[-1] not in _COMPARED]
        doomed = {_cut(problem) for problem in shape} - {path[:-1] for path in missing}
        if () in doomed:
            return None
        value = _without(value, (), doomed)
        for path in missing:
            _fill(value, path, right(kind, path))
    return None


def _cut(problem: Problem) -> Path:
    return problem.path[:-1] if problem.type == "missing" else problem.path


def _without(value: object, path: Path, doomed: set[Path]) -> object:
    match value:
        case dict():
            return {k: _without(v, (*path, k), doomed) for k, v in value.items() if (*path, k) not in doomed}
        case list():
            return [_without(v, (*path, i), doomed) for i, v in enumerate(value) if (*path, i) not in doomed]
        case _:
            return value


def _fill(value: object, path: Path, example: object) -> None:
    """Put the example in; the dictionaries are copies, made by `_without`."""
    for part in path[:-1]:
        if not isinstance(value, dict) or part not in value:
            return
        value = value[part]
    if isinstance(value, dict):
        value[path[-1]] = example
