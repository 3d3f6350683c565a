"""Decides whether a value has the shape of its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from reconciler.manifest.shapes.base import TAG
from reconciler.manifest.shapes.kinds import KINDS, Shaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.diagnostics import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One place where a value has not the shape of its kind. `type` is pydantic's word, `detail` its figures."""

    path: Path
    type: str
    detail: Mapping[str, Any]
    value: object


def check(kind: str, value: object) -> Shaped | tuple[Problem, ...]:
    """Give the document, or every problem of its shape."""
    nothing = tuple(Problem(path, "nothing", {}, None) for path in _nothings(value, ()))
    try:
        shape = KINDS[kind].model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False)
        empty = {problem.path for problem in nothing}
        problems = (Problem(_path(e["loc"]), e["type"], e.get("ctx", {}), e["input"]) for e in found)
        return (*nothing, *(p for p in problems if p.path not in empty))
    return nothing or shape


def _path(loc: tuple[str | int, ...]) -> Path:
    """Drop the names of branches, and pydantic's mark of a bad key, which are no part of the document."""
    return tuple(part for part in loc if not (isinstance(part, str) and (part.startswith(TAG) or part == "[key]")))


def _nothings(value: object, path: Path) -> Iterator[Path]:
    """Yield the path of every null: a key without a value is a mistake, and the models' None means "left out"."""
    match value:
        case None:
            yield path
        case dict():
            for key, inner in value.items():
                yield from _nothings(inner, (*path, key))
        case list():
            for index, inner in enumerate(value):
                yield from _nothings(inner, (*path, index))
        case _:
            return
