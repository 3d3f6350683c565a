"""The JSON Schema of each kind, which decides the same as the check of its shape; made from the same models."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import GenerateJsonSchema

from reconciler.manifest.shapes.base import Shape
from reconciler.manifest.shapes.kinds import KINDS

if TYPE_CHECKING:
    from pydantic_core import core_schema

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Schema(GenerateJsonSchema):
    """Without titles for each key, and without null, which `check` refuses."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # the signature is pydantic's
        return False

    def sort(self, value: dict[str, Any], parent_key: str | None = None) -> dict[str, Any]:  # noqa: ARG002  # as above
        return value  # as written: the order of keys is the order in which people write them

    def dict_schema(self, schema: core_schema.DictSchema) -> dict[str, Any]:
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        """Describe each key by the text below it. Pydantic would read those texts at every start of every command."""
        made = super().model_schema(schema)
        fields = schema["cls"].model_fields
        for name, text in _texts(schema["cls"]).items():
            said = made["properties"][fields[name].alias or name]
            examples = said.pop("examples", None)
            said |= {"description": text} if examples is None else {"description": text, "examples": examples}
        return made

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        made = super().default_schema(schema)
        if made.get("default", ...) is None:
            del made["default"]
        return made


def _texts(shape: type[Any]) -> dict[str, str]:
    """Give the text below each key of a shape, of its own and of those that it is made of."""
    found: dict[str, str] = {}
    for cls in reversed(shape.__mro__):
        if not issubclass(cls, Shape):
            continue
        (made,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(made, ast.ClassDef)
        for key, below in pairwise(made.body):
            match key, below:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = inspect.cleandoc(text)
    return found


def json_schema(kind: str) -> dict[str, Any]:
    """Give the schema of a kind, in draft 2020-12."""
    made = KINDS[kind].model_json_schema(by_alias=True, schema_generator=_Schema)
    return {"$schema": DIALECT, "$id": f"{kind.lower()}.schema.json", **made}
