"""Decides the shape of a Source that reads Customer Insights through Dataverse, and of the credentials that read it."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from reconciler.manifest import patterns
from reconciler.manifest.shapes.base import TAG, Column, PathText, Shape
from reconciler.manifest.shapes.connection import ApiKey

_APP = "00000000-0000-0000-0000-000000000002"

EntitySet = Annotated[str, Field(pattern=patterns.ENTITY)]
Id = Annotated[str, Field(pattern=patterns.GUID)]
Tenant = Annotated[str, Field(pattern=patterns.TENANT)]


class SecretApp(Shape):
    """An application of the tenant, and where its client secret is."""

    tenant: Tenant = Field(examples=["contoso.onmicrosoft.com"])
    """The tenant: its id, or one of its domains."""
    client: Id = Field(examples=[_APP])
    """The application's (client) id."""
    secret: ApiKey = Field(examples=[{"env": "DATAVERSE_CLIENT_SECRET"}])
    """Where the client secret is, never the secret itself."""


class BySecret(Shape):
    """An application with a client secret."""

    client_secret: SecretApp = Field(
        examples=[{"tenant": "contoso.onmicrosoft.com", "client": _APP, "secret": {"env": "DATAVERSE_CLIENT_SECRET"}}]
    )
    """The application, and where its client secret is."""


class CertificateApp(Shape):
    """An application of the tenant, and where its certificate is."""

    tenant: Tenant = Field(examples=["contoso.onmicrosoft.com"])
    """The tenant: its id, or one of its domains."""
    client: Id = Field(examples=[_APP])
    """The application's (client) id."""
    file: PathText = Field(examples=["secrets/reader.pem"])
    """A file with the certificate and its private key, PEM or PKCS 12."""
    password: ApiKey | None = Field(default=None, examples=[{"env": "CERTIFICATE_PASSWORD"}])
    """Where the file's password is, never the password itself."""


class ByCertificate(Shape):
    """An application with a certificate."""

    certificate: CertificateApp = Field(
        examples=[{"tenant": "contoso.onmicrosoft.com", "client": _APP, "file": "secrets/reader.pem"}]
    )
    """The application, and where its certificate is."""


class Machine(Shape):
    """The identity of the machine."""

    client: Id | None = Field(default=None, examples=[_APP])
    """The client id, where the machine has several identities."""


class ByMachine(Shape):
    """The managed identity of the machine that this runs on."""

    managed_identity: Machine = Field(examples=[{"client": _APP}])
    """Which one; {} where there is only one."""


class FederatedApp(Shape):
    """An application that trusts the tokens of GitHub, or of a Kubernetes cluster."""

    tenant: Tenant = Field(examples=["contoso.onmicrosoft.com"])
    """The tenant: its id, or one of its domains."""
    client: Id = Field(examples=[_APP])
    """The application's (client) id."""


class ByFederation(Shape):
    """Workload federation: no secret is kept anywhere."""

    federated: FederatedApp = Field(examples=[{"tenant": "contoso.onmicrosoft.com", "client": _APP}])
    """The application."""


def _form(value: object) -> str:
    keys = value if isinstance(value, dict) else ()
    return TAG + next((name for name in ("certificate", "managedIdentity", "federated") if name in keys), "secret")


Credentials = Annotated[
    Annotated[BySecret, Tag(TAG + "secret")]
    | Annotated[ByCertificate, Tag(TAG + "certificate")]
    | Annotated[ByMachine, Tag(TAG + "managedIdentity")]
    | Annotated[ByFederation, Tag(TAG + "federated")],
    Discriminator(_form),
]


class EntityProfiles(Shape):
    """The unified profiles."""

    table: EntitySet = Field(default="msdynci_customerprofiles", examples=["msdynci_customerprofiles"])
    """The entity set."""
    id: Column = Field(default="customerid", examples=["customerid"])
    """The column that tells profiles apart."""
    prefix: Annotated[str, Field(max_length=50)] = Field(default="msdynci_", examples=["msdynci_"])
    """What stands before the names of columns there, and is left out here."""


class EntityMembers(Shape):
    """Who is in which segment."""

    table: EntitySet = Field(default="msdynci_segmentmemberships", examples=["msdynci_segmentmemberships"])
    """The entity set."""
    id: Column = Field(default="msdynci_customerid", examples=["msdynci_customerid"])
    """The column that has the profile's id."""
    segments: Column = Field(default="msdynci_segments", examples=["msdynci_segments"])
    """The column that lists the names of segments."""
    quote: Annotated[str, Field(min_length=1, max_length=4)] = Field(default='"', examples=['"'])
    """What stands before and after each name in it."""


class InsightsApi(Shape):
    """The Customer Insights API, which says whether segments and refreshes are sound."""

    url: Annotated[str, Field(pattern=patterns.HTTP)] = Field(
        default="https://api.ci.ai.dynamics.com/v1", examples=["https://api.ci.ai.dynamics.com/v1"]
    )
    """Its base."""
    instance: Id = Field(examples=["00000000-0000-0000-0000-000000000003"])
    """The id of the Customer Insights environment."""
    subscription_key: ApiKey = Field(examples=[{"env": "CUSTOMER_INSIGHTS_KEY"}])
    """Where the subscription key is, never the key itself."""


class DataverseSpec(Shape):
    """Customer Insights itself, through the Dataverse Web API."""

    type: Literal["dataverse"] = Field(examples=["dataverse"])
    """The kind of source."""
    url: Annotated[str, Field(pattern=patterns.HTTP)] = Field(examples=["https://contoso.crm4.dynamics.com"])
    """The environment's URL."""
    credentials: Credentials = Field(examples=[{"federated": {"tenant": "contoso.onmicrosoft.com", "client": _APP}}])
    """Who reads: the export user."""
    authority: Annotated[str, Field(pattern=patterns.HTTPS)] = Field(
        default="https://login.microsoftonline.com", examples=["https://login.microsoftonline.com"]
    )
    """Where tokens are asked for; national clouds have others."""
    profiles: EntityProfiles = Field(default=EntityProfiles(), examples=[{"table": "msdynci_customerprofiles"}])
    """The profile table."""
    memberships: EntityMembers = Field(default=EntityMembers(), examples=[{"table": "msdynci_segmentmemberships"}])
    """The segments that Customer Insights keeps."""
    customer_insights: InsightsApi | None = Field(
        default=None,
        examples=[
            {
                "instance": "00000000-0000-0000-0000-000000000003",
                "subscriptionKey": {"env": "CUSTOMER_INSIGHTS_KEY"},
            }
        ],
    )
    """With it, a segment that is inactive or failed and a refresh in progress are known, and stop the export."""
