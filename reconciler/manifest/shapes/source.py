"""Decides the shape of a Source: what it says depends on its type."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from reconciler.manifest import patterns
from reconciler.manifest.shapes.base import TAG, Column, PathText, Shape, Text, whole
from reconciler.manifest.shapes.cluster import SparkSpec
from reconciler.manifest.shapes.dataverse import DataverseSpec

EngineType = Annotated[str, Field(pattern=patterns.ENGINE_TYPE)]


Version = Annotated[int, Field(ge=0), BeforeValidator(whole)]


class Table(Shape):
    """A table in files: a file, a folder or a glob, CSV, Parquet or Delta."""

    path: PathText = Field(examples=["data/customers.csv"])
    """Relative to the project's folder, or a URL: az://, abfss://, s3://, gs://."""
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
    version: Version | None = Field(default=None, examples=[12])
    """Of a Delta table; the newest when left out."""


class Profiles(Table):
    """The unified profiles, one row a profile."""

    types: dict[Column, EngineType] = Field(default={}, examples=[{"AnnualIncome": "integer"}])
    """Columns of CSV files that are not text: integer, bigint, double, decimal(p,s), boolean, date or timestamp."""


class Memberships(Table):
    """Who is in which segment, one row a membership."""

    segment: Column = Field(examples=["SegmentName"])
    """The column that names the segment."""


class FilesSpec(Shape):
    """Profiles in files, on this machine or in an object store."""

    type: Literal["files"] = Field(examples=["files"])
    """The kind of source."""
    profiles: Profiles = Field(examples=[{"path": "data/customers.csv", "id": "CustomerKey"}])
    """The profile table."""
    memberships: Memberships | None = Field(
        default=None, examples=[{"path": "data/memberships.csv", "id": "CustomerKey", "segment": "SegmentName"}]
    )
    """The segments that the source keeps."""


def _type(value: object) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return TAG + (kind if kind in ("dataverse", "spark") else "files")


SourceSpec = Annotated[
    Annotated[FilesSpec, Tag(TAG + "files")]
    | Annotated[DataverseSpec, Tag(TAG + "dataverse")]
    | Annotated[SparkSpec, Tag(TAG + "spark")],
    Discriminator(_type),
]
