"""Decides the shape of the Project."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from reconciler.manifest import patterns
from reconciler.manifest.shapes.base import TAG, Name, PathText, Runs, Safety, Shape, Text


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


class EnvUrl(Shape):
    """The webhook's URL is in an environment variable."""

    env: Annotated[str, Field(pattern=patterns.VARIABLE)] = Field(examples=["ALERTS_URL"])
    """The variable's name, never the URL itself."""


class FileUrl(Shape):
    """The webhook's URL is in a file that only its owner may read."""

    file: Annotated[str, Field(pattern=patterns.NOT_A_URL, max_length=1_000)] = Field(examples=["secrets/alerts.url"])
    """The file's path, never the URL itself."""


SecretUrl = Annotated[
    Annotated[EnvUrl, Tag(TAG + "env")] | Annotated[FileUrl, Tag(TAG + "file")],
    Discriminator(lambda value: TAG + ("file" if isinstance(value, dict) and "file" in value else "env")),
]
Told = Literal["failure", "blocked", "overdue", "degraded", "recovery"]


class Degraded(Shape):
    """When a success is none."""

    rejected: Annotated[str, Field(pattern=patterns.SHARE)] = Field(default="5%", examples=["5%"])
    """Whom Autopilot may refuse, of the export's people."""
    deviation: Annotated[str, Field(pattern=patterns.PERCENTAGE)] = Field(default="50%", examples=["50%"])
    """How far the export's people may be from the mean of the last runs."""
    runs: Runs = Field(default=10, examples=[10])
    """How many runs that mean is of."""


class Notify(Shape):
    """A webhook, and what it is told."""

    url: SecretUrl = Field(examples=[{"env": "ALERTS_URL"}])
    """Where the webhook's URL is, never the URL itself."""
    on: Annotated[list[Told], Field(min_length=1)] = Field(
        default=["failure", "blocked", "overdue", "degraded", "recovery"], examples=[["failure", "blocked", "recovery"]]
    )
    """What it is told: each when it begins, and with recovery when it is over."""
    name: Name | None = Field(default=None, examples=["marketing-channel"])
    """What it is called in messages; `webhook-1` and so on when left out."""
    degraded: Degraded = Field(default=Degraded(), examples=[{"rejected": "5%", "deviation": "50%", "runs": 10}])
    """When a success is none."""


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
    notify: list[Notify] = Field(default=[], examples=[[{"url": {"env": "ALERTS_URL"}}]])
    """Who is told when an export fails, is blocked, overdue or degraded, and when that is over."""
