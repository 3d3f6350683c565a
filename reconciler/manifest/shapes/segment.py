"""Decides the shape of a Segment: ruled by a predicate, or kept by the source, never both."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from reconciler.manifest.shapes.base import TAG, Name, Shape


class RuledSpec(Shape):
    """A set of profiles, ruled by SQL."""

    source: Name = Field(examples=["unified-profiles"])
    """The Source whose profiles these are."""
    where: Annotated[str, Field(min_length=1, max_length=20_000)] = Field(examples=["HomeOwner = 'Y'"])
    """A predicate over the profile's columns."""


class KeptSpec(Shape):
    """A set of profiles, kept by the source."""

    source: Name = Field(examples=["unified-profiles"])
    """The Source whose profiles these are."""
    member: Annotated[str, Field(min_length=1, max_length=300)] = Field(examples=["Male_under_40"])
    """A segment that the source's memberships name."""


def _form(value: object) -> str:
    return TAG + ("kept" if isinstance(value, dict) and "member" in value and "where" not in value else "ruled")


SegmentSpec = Annotated[
    Annotated[RuledSpec, Tag(TAG + "ruled")] | Annotated[KeptSpec, Tag(TAG + "kept")], Discriminator(_form)
]
