"""What all shapes share: strict types, and the names, numbers and texts that several kinds use. It decides nothing.

`"5"` is no number and `yes` is no boolean. A key that is optional is left out, never null.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic.alias_generators import to_camel

from reconciler.core.autopilot_fields import STANDARD_FIELDS
from reconciler.core.model import CEILING
from reconciler.manifest import patterns

TAG = "\0"
"""Starts the name of a branch of a union, which is no part of a path: no key can hold it."""


def whole(value: object) -> object:
    """Take 5.0 for 5: JSON and YAML tell them apart by how they are written alone."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def by_form(value: object) -> str:
    """Name the branch of a union that tells text from a list and from a mapping."""
    return TAG + ("mapping" if isinstance(value, dict) else "list" if isinstance(value, list) else "text")


def by_type(value: object) -> str:
    """Name the branch of a union that tells text from a number and from a boolean."""
    return TAG + {bool: "bool", int: "whole", float: "whole"}.get(type(value), "text")


Text = Annotated[str, Field(min_length=1, max_length=1_000)]
Name = Annotated[str, Field(pattern=patterns.NAME)]
FieldName = Annotated[
    str,
    Field(
        pattern=patterns.FIELD,
        json_schema_extra={"anyOf": [{"enum": list(STANDARD_FIELDS)}, {"description": "a custom field"}]},
    ),
]
Column = Annotated[str, Field(min_length=1, max_length=300)]
PathText = Annotated[str, Field(min_length=1, max_length=1_000)]
Whole = Annotated[int, BeforeValidator(whole)]
Time = Annotated[str, Field(pattern=patterns.TIME)]
Share = Annotated[str, Field(pattern=patterns.SHARE), Tag(TAG + "text")]
# Bounds come before the validator, or the JSON Schema would say `le` where it must say `maximum`.
Profiles = Annotated[int, Field(ge=1, le=CEILING), BeforeValidator(whole)]
Runs = Annotated[int, Field(ge=1, le=100), BeforeValidator(whole)]
People = Annotated[int, Field(ge=0, le=CEILING), BeforeValidator(whole), Tag(TAG + "whole")]
Bound = Annotated[Share | People, Discriminator(lambda v: TAG + ("text" if isinstance(v, str) else "whole"))]


class Shape(BaseModel):
    """Every mapping in a declaration."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        regex_engine="python-re",
    )


class Metadata(Shape):
    """What the document is called."""

    name: Name = Field(examples=["autopilot-marketing"])
    """Unique among the documents of its kind: lower-case letters, digits and '-', at most 63."""
    previous_name: Name | None = Field(default=None, examples=["marketing"])
    """This is a rename: the recorded state of that name is kept."""
    description: Annotated[str, Field(max_length=10_000)] | None = Field(
        default=None, examples=["Who asked for it, and why"]
    )
    """Free text."""


class Safety(Shape):
    """How many removals and updates one run may make on one export; over it, the export is blocked."""

    max_removals: Bound | None = Field(default=None, examples=["20%", 500])
    """A percentage of the people recorded at the last run, or a count."""
    max_updates: Bound | None = Field(default=None, examples=["50%", 1000])
    """A percentage of the people recorded at the last run, or a count."""
