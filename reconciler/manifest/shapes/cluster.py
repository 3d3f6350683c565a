"""Decides the shape of a Source that a Spark cluster reads."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from reconciler.manifest import patterns
from reconciler.manifest.shapes.base import TAG, Column, PathText, Shape, by_form, whole
from reconciler.manifest.shapes.connection import ApiKey


class ClusterTable(Shape):
    """A table that the cluster reads."""

    table: Annotated[str, Field(pattern=patterns.SPARK_TABLE)] | None = Field(
        default=None, examples=["main.customers.profiles"]
    )
    """Its name in the catalog, or else a path."""
    path: PathText | None = Field(default=None, examples=["abfss://lake@contoso.dfs.core.windows.net/customers"])
    """Where the cluster finds it, when it has no name."""
    format: Literal["parquet", "delta"] = Field(default="parquet", examples=["delta"])
    """What is at the path."""
    id: Column = Field(examples=["CustomerKey"])
    """The column that tells profiles apart."""


class ClusterMemberships(ClusterTable):
    """Who is in which segment, one row a membership."""

    segment: Column = Field(examples=["SegmentName"])
    """The column that names the segment."""


Header = Annotated[
    Annotated[str, Field(pattern=patterns.SPARK_HEADER), Tag(TAG + "text")] | Annotated[ApiKey, Tag(TAG + "mapping")],
    Discriminator(by_form),
]


class SparkSpec(Shape):
    """Tables that a Spark cluster reads; only members and mapped columns leave it."""

    type: Literal["spark"] = Field(examples=["spark"])
    """The kind of source."""
    url: Annotated[str, Field(pattern=patterns.SPARK)] = Field(examples=["sc://spark.contoso.com:15002"])
    """Spark Connect (sc://), or a master's address (spark://, k8s://, yarn, local[4])."""
    token: ApiKey | None = Field(default=None, examples=[{"env": "SPARK_TOKEN"}])
    """Where the token for Spark Connect is, never the token itself."""
    headers: dict[Annotated[str, Field(pattern=patterns.HEADER)], Header] = Field(
        default={}, examples=[{"x-databricks-cluster-id": "0123-456789-abcdefgh"}]
    )
    """What Spark Connect's host wants to be told with each call, by name: text, or where a secret is."""
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400), BeforeValidator(whole)] = Field(
        default=3_600, examples=[7_200]
    )
    """What one query may take; then it is ended, and nobody is removed."""
    profiles: ClusterTable = Field(examples=[{"table": "main.customers.profiles", "id": "CustomerKey"}])
    """The profile table."""
    memberships: ClusterMemberships | None = Field(
        default=None,
        examples=[{"table": "main.customers.memberships", "id": "CustomerKey", "segment": "SegmentName"}],
    )
    """The segments that the source keeps."""
