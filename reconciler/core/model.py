"""The nouns: what is declared. It decides nothing. What is recorded stands in record.py.

Names are those of Customer Insights (connection, export, segment, profile) and of Autopilot (contact, list).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Marks

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from reconciler.core.notify import Notify
    from reconciler.core.reads import Reads

CEILING = 100_000
"""Profiles in total that Customer Insights lets go to one Autopilot connection (the export page of October 2021)."""


@dataclass(frozen=True, slots=True)
class EnvSecret:
    """A secret in an environment variable."""

    name: str


@dataclass(frozen=True, slots=True)
class FileSecret:
    """A secret in a file that only its owner may read; `path` is relative to the project's folder, or absolute."""

    path: str


@dataclass(frozen=True, slots=True)
class VaultSecret:
    """A secret in Azure Key Vault: the vault's URL and the secret's name."""

    vault: str
    secret: str


SecretRef = EnvSecret | FileSecret | VaultSecret


@dataclass(frozen=True, slots=True)
class Percent:
    """A share of the people recorded at the last run, 0 to 100."""

    value: float


@dataclass(frozen=True, slots=True)
class Count:
    """A number of people."""

    value: int


Bound = Percent | Count


@dataclass(frozen=True, slots=True)
class Safety:
    """How many removals and updates one run may make on one export."""

    max_removals: Bound = Percent(20)
    max_updates: Bound = Percent(50)


class FieldKind(Enum):
    """The types of custom field that Autopilot has (grade A)."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Consent:
    """An administrator's word that personal data may go over this connection, and which Autopilot fields it covers."""

    accepted: bool
    by: str | None = None
    on: dt.date | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Connection:
    """Where data may go. `limit` is in people, `rate` in requests a second."""

    name: str
    display_name: str
    api_key: SecretRef
    base_url: str
    limit: int
    rate: float
    consent: Consent | None
    usable_by: tuple[str, ...] = ("administrators",)
    precedence: tuple[str, ...] = ()
    previous_name: str | None = None
    type: str = "autopilot"
    marks: Marks = field(default=Marks(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """Where unified profiles come from."""

    name: str
    reads: Reads
    previous_name: str | None = None
    marks: Marks = field(default=Marks(), compare=False, repr=False)

    @property
    def type(self) -> str:
        """The kind of source, as it is declared."""
        return self.reads.type


@dataclass(frozen=True, slots=True)
class Segment:
    """A set of profiles: ruled by the predicate `where`, or kept by the source as `member`. One of the two."""

    name: str
    source: str
    where: str | None = None
    member: str | None = None
    previous_name: str | None = None
    marks: Marks = field(default=Marks(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """One Autopilot field fed by one profile column. `kind` is None for a standard field.

    `formats` are strptime patterns for dates that are not ISO 8601. `clear` sends a missing value as null.
    """

    field: str
    column: str
    kind: FieldKind | None = None
    formats: tuple[str, ...] = ()
    clear: bool = False


@dataclass(frozen=True, slots=True)
class SegmentUse:
    """A segment in an export, and the title of its list. `named` says that the title was written out."""

    segment: str
    title: str
    named: bool = False


@dataclass(frozen=True, slots=True)
class PersonConsent:
    """The profile column that must equal a value, of the same type, for a person to be sent."""

    column: str
    equals: str | int | bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an export is due: `every` day or week at times of day in a time zone, or a cron expression."""

    every: str | None = None
    on: tuple[str, ...] = ()
    at: tuple[str, ...] = ()
    timezone: str = "UTC"
    cron: str | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """Which segments go to which connection, with which fields. `connection` None: detached, kept and not run."""

    name: str
    source: str
    connection: str | None
    match: tuple[FieldMatch, ...]
    segments: tuple[SegmentUse, ...]
    consent: PersonConsent | None = None
    triggers: tuple[str, ...] = ("merge", "schedule")
    schedule: Schedule | None = None
    keep_leavers: bool = False
    keep_retired: bool = False
    safety: Safety = Safety()
    allow_empty: bool = False
    protected: bool = False
    suspended: bool = False
    previous_name: str | None = None
    marks: Marks = field(default=Marks(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Project:
    """What holds for the whole project."""

    name: str = "project"
    state_url: str | None = None
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    suppressions: str | None = None
    data_roots: tuple[str, ...] = ()
    notify: tuple[Notify, ...] = ()
    marks: Marks = field(default=Marks(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Declarations:
    """All that the files below `exports/` declare, by name. Valid as a whole: references resolve."""

    connections: Mapping[str, Connection] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    exports: Mapping[str, Export] = field(default_factory=dict)
    project: Project = Project()
