"""The nouns of sources: where profiles and memberships are read, and whose credentials read them. It decides nothing.

Customer Insights calls who reads the data the export user.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.model import SecretRef


@dataclass(frozen=True, slots=True)
class ProfileTable:
    """The unified profiles: a file, a folder or a glob, and the column that tells profiles apart.

    `types` gives an engine type to CSV columns that are not to be read as text. `version` is that of a Delta table;
    None: the newest.
    """

    path: str
    id: str
    encoding: str | None = None
    header: bool = True
    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None


@dataclass(frozen=True, slots=True)
class MembershipTable:
    """Who is in which segment, one row a membership: the profile's id and the segment's name."""

    path: str
    id: str
    segment: str
    encoding: str | None = None
    header: bool = True
    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """Tables in files: CSV, Parquet or Delta, on this machine or in an object store."""

    type: ClassVar[str] = "files"
    profiles: ProfileTable
    memberships: MembershipTable | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """A table of Dataverse by its entity set; columns are named without `prefix`, as people know them."""

    table: str
    id: str
    prefix: str


@dataclass(frozen=True, slots=True)
class EntityMemberships:
    """The memberships in Dataverse: one row a profile, and a text column that lists the names of its segments.

    `quote` stands before and after each name in it; with it, a search for VIP does not find VIP_Lapsed.
    """

    table: str
    id: str
    segments: str
    quote: str


@dataclass(frozen=True, slots=True)
class AppSecret:
    """An application of the tenant, with a client secret."""

    tenant: str
    client: str
    secret: SecretRef


@dataclass(frozen=True, slots=True)
class AppCertificate:
    """An application of the tenant, with a certificate: a file that holds it and its private key."""

    tenant: str
    client: str
    path: str
    password: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class ManagedIdentity:
    """The identity of the machine that this runs on; `client` names one of several."""

    client: str | None = None


@dataclass(frozen=True, slots=True)
class Federated:
    """An application of the tenant that trusts another's tokens: those of GitHub, or of a Kubernetes cluster."""

    tenant: str
    client: str


Identity = AppSecret | AppCertificate | ManagedIdentity | Federated


@dataclass(frozen=True, slots=True)
class Insights:
    """The Customer Insights API, which knows whether segments and refreshes are sound."""

    url: str
    instance: str
    key: SecretRef


@dataclass(frozen=True, slots=True)
class Dataverse:
    """Customer Insights itself, through the Dataverse Web API of one environment."""

    type: ClassVar[str] = "dataverse"
    url: str
    identity: Identity
    profiles: Entity
    memberships: EntityMemberships | None
    insights: Insights | None = None
    authority: str = "https://login.microsoftonline.com"


@dataclass(frozen=True, slots=True)
class SparkTable:
    """A table that a cluster reads: by its name in the catalog, or a path and its format. One of the two."""

    id: str
    table: str | None = None
    path: str | None = None
    format: str = "parquet"

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return self.table or self.path or ""


@dataclass(frozen=True, slots=True)
class SparkMemberships:
    """Who is in which segment, one row a membership, in a table that a cluster reads."""

    id: str
    segment: str
    table: str | None = None
    path: str | None = None
    format: str = "parquet"

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return self.table or self.path or ""


@dataclass(frozen=True, slots=True)
class Spark:
    """A cluster: `url` is that of Spark Connect (sc://), or a master's address.

    `token` and `headers`, by name, are for Spark Connect. `timeout` is the seconds that one query may take.
    """

    type: ClassVar[str] = "spark"
    url: str
    profiles: SparkTable
    memberships: SparkMemberships | None = None
    token: SecretRef | None = None
    headers: Mapping[str, str | SecretRef] = field(default_factory=dict)
    timeout: int = 3_600


Reads = Files | Dataverse | Spark
"""Where a source reads."""


def secrets(reads: Reads) -> tuple[SecretRef, ...]:
    """Give where the secrets of a source are."""
    held: list[SecretRef | None] = []
    match reads:
        case Dataverse(identity=identity, insights=insights):
            held.append(identity.secret if isinstance(identity, AppSecret) else None)
            held.append(identity.password if isinstance(identity, AppCertificate) else None)
            held.append(insights.key if insights is not None else None)
        case Spark(token=token, headers=headers):
            held.append(token)
            held += [value for value in headers.values() if not isinstance(value, str)]
        case Files():
            pass
    return tuple(secret for secret in held if secret is not None)
