"""Decides the shape of the Project."""

from __future__ import annotations

from pydantic import Field

from reconciler.manifest.shapes.base import PathText, Safety, Shape, Text


class State(Shape):
    """Where the state is kept."""

    url: Text = Field(examples=[".reconciler"])
    """A folder below the project's folder, or a store that machines share: az://, s3://, gs://, postgresql://,
    git+branch://."""


class Roles(Shape):
    """Who may do what."""

    administrators: list[Text] = Field(default=[], examples=[["alice", "contoso/privacy-team"]])
    """They alone change connections, and consent."""
    contributors: list[Text] = Field(default=[], examples=[["contoso/marketing-team"]])
    """They make exports on shared connections."""
    viewers: list[Text] = Field(default=[], examples=[["everyone"]])
    """They see exports."""


class ProjectSpec(Shape):
    """What holds for the whole project."""

    state: State | None = Field(default=None, examples=[{"url": ".reconciler"}])
    """Where the state is kept."""
    roles: Roles | None = Field(default=None, examples=[{"administrators": ["privacy-team"]}])
    """Who may do what."""
    safety: Safety | None = Field(default=None, examples=[{"maxRemovals": "20%", "maxUpdates": "50%"}])
    """The default of every export."""
    suppressions: PathText | None = Field(default=None, examples=["suppressions.txt"])
    """A file of people who are never sent."""
    data_roots: list[PathText] = Field(default=[], examples=[["/srv/customer-insights"]])
    """Folders outside the project that paths may lead into."""
