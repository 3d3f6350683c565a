"""Decides which kinds of document there are."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field

from reconciler.manifest.shapes.base import Metadata, Shape
from reconciler.manifest.shapes.connection import ConnectionSpec
from reconciler.manifest.shapes.export import ExportSpec
from reconciler.manifest.shapes.project import ProjectSpec
from reconciler.manifest.shapes.segment import SegmentSpec
from reconciler.manifest.shapes.source import SourceSpec

API_VERSION: Final = "reconciler/v1"


class _Document(Shape):
    api_version: Literal["reconciler/v1"] = Field(examples=[API_VERSION])
    """The version of these declarations."""
    metadata: Metadata = Field(examples=[{"name": "autopilot-marketing"}])
    """What the document is called."""


class Connection(_Document):
    """Where data may go, on which terms, and whose consent covers it. Only administrators change it."""

    kind: Literal["Connection"] = Field(examples=["Connection"])
    """What the document declares."""
    spec: ConnectionSpec = Field(examples=[{"type": "autopilot", "apiKey": {"env": "AUTOPILOT_API_KEY"}}])
    """Where data may go."""


class Source(_Document):
    """Where unified profiles come from."""

    kind: Literal["Source"] = Field(examples=["Source"])
    """What the document declares."""
    spec: SourceSpec = Field(
        examples=[{"type": "files", "profiles": {"path": "data/customers.csv", "id": "CustomerKey"}}]
    )
    """Where unified profiles come from."""


class Segment(_Document):
    """A set of profiles, either ruled by SQL (where) or kept by the source (member)."""

    kind: Literal["Segment"] = Field(examples=["Segment"])
    """What the document declares."""
    spec: SegmentSpec = Field(examples=[{"source": "unified-profiles", "where": "HomeOwner = 'Y'"}])
    """The set."""


class Export(_Document):
    """Which segments go to which connection, with which fields."""

    kind: Literal["Export"] = Field(examples=["Export"])
    """What the document declares."""
    spec: ExportSpec = Field(
        examples=[{"source": "unified-profiles", "match": {"Email": "EmailAddress"}, "segments": ["home-owners"]}]
    )
    """What goes where."""


class Project(_Document):
    """What holds for the whole project. There is at most one."""

    kind: Literal["Project"] = Field(examples=["Project"])
    """What the document declares."""
    spec: ProjectSpec = Field(default=ProjectSpec(), examples=[{"state": {"url": ".reconciler"}}])
    """The settings."""


Shaped = Connection | Source | Segment | Export | Project

KINDS: Final[Mapping[str, type[Shaped]]] = {
    "Connection": Connection,
    "Source": Source,
    "Segment": Segment,
    "Export": Export,
    "Project": Project,
}
