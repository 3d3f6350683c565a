"""Decides the shape of a Source."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reconciler.manifest import patterns
from reconciler.manifest.shapes.base import Column, PathText, Shape, Text

EngineType = Annotated[str, Field(pattern=patterns.ENGINE_TYPE)]


class Table(Shape):
    """A table in files: a file, a folder or a glob, CSV or Parquet."""

    path: PathText = Field(examples=["data/customers.csv"])
    """Relative to the project's folder."""
    id: Column = Field(examples=["CustomerKey"])
    """The column that tells profiles apart."""
    encoding: Text | None = Field(default=None, examples=["utf-8"])
    """Of CSV files; UTF-8 when left out."""
    header: bool = Field(default=True, examples=[False])
    """Whether the first row of CSV files names the columns."""
    columns: Annotated[list[Column], Field(min_length=1)] | None = Field(
        default=None, examples=[["CustomerKey", "EmailAddress"]]
    )
    """The columns' names, in order, when there is no header."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(default=None, examples=[";"])
    """What separates the columns of CSV files; found out when left out."""


class Profiles(Table):
    """The unified profiles, one row a profile."""

    types: dict[Column, EngineType] = Field(default={}, examples=[{"AnnualIncome": "integer"}])
    """Columns of CSV files that are not text: integer, bigint, double, decimal(p,s), boolean, date or timestamp."""


class Memberships(Table):
    """Who is in which segment, one row a membership."""

    segment: Column = Field(examples=["SegmentName"])
    """The column that names the segment."""


class SourceSpec(Shape):
    """Where unified profiles come from."""

    type: Literal["files"] = Field(examples=["files"])
    """The kind of source."""
    profiles: Profiles = Field(examples=[{"path": "data/customers.csv", "id": "CustomerKey"}])
    """The profile table."""
    memberships: Memberships | None = Field(
        default=None, examples=[{"path": "data/memberships.csv", "id": "CustomerKey", "segment": "SegmentName"}]
    )
    """The segments that the source keeps."""
