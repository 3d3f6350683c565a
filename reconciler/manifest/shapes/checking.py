"""Decides whether a value has the shape of its kind, and gives the JSON Schema that decides the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema

from reconciler.manifest.shapes.base import TAG
from reconciler.manifest.shapes.kinds import KINDS, Shaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import core_schema

    from reconciler.core.diagnostics import Path

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


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


class _Schema(GenerateJsonSchema):
    """Without titles for each key, and without null, which `check` refuses."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # the signature is pydantic's
        return False

    def sort(self, value: dict[str, Any], parent_key: str | None = None) -> dict[str, Any]:  # noqa: ARG002  # as above
        return value  # as written: the order of keys is the order in which people write them

    def dict_schema(self, schema: core_schema.DictSchema) -> dict[str, Any]:
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        made = super().default_schema(schema)
        if made.get("default", ...) is None:
            del made["default"]
        return made


def json_schema(kind: str) -> dict[str, Any]:
    """Give the schema of a kind, in draft 2020-12."""
    made = KINDS[kind].model_json_schema(by_alias=True, schema_generator=_Schema)
    return {"$schema": DIALECT, "$id": f"{kind.lower()}.schema.json", **made}
