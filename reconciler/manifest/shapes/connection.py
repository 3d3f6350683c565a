"""Decides the shape of a Connection."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from reconciler.core.model import CEILING
from reconciler.manifest import patterns
from reconciler.manifest.shapes.base import TAG, FieldName, Name, Profiles, Shape, Text


class EnvKey(Shape):
    """The key is in an environment variable."""

    env: Annotated[str, Field(pattern=patterns.VARIABLE)] = Field(examples=["AUTOPILOT_API_KEY"])
    """The variable's name, never the key itself."""


class FileKey(Shape):
    """The key is in a file that only its owner may read."""

    file: Annotated[str, Field(pattern=patterns.NOT_A_KEY, max_length=1_000)] = Field(
        examples=["secrets/autopilot.key"]
    )
    """The file's path, never the key itself."""


class Vault(Shape):
    """A secret in Azure Key Vault."""

    vault: Annotated[str, Field(pattern=patterns.HTTPS)] = Field(examples=["https://contoso.vault.azure.net"])
    """The vault's URL."""
    secret: Annotated[str, Field(pattern=patterns.SECRET)] = Field(examples=["autopilot-api-key"])
    """The secret's name, never the secret itself."""


class VaultKey(Shape):
    """The key is in Azure Key Vault."""

    key_vault: Vault = Field(examples=[{"vault": "https://contoso.vault.azure.net", "secret": "autopilot-api-key"}])
    """The vault and the secret's name."""


def _key(value: object) -> str:
    keys = value if isinstance(value, dict) else ()
    return TAG + next((name for name in ("env", "file", "keyVault") if name in keys), "env")


ApiKey = Annotated[
    Annotated[EnvKey, Tag(TAG + "env")]
    | Annotated[FileKey, Tag(TAG + "file")]
    | Annotated[VaultKey, Tag(TAG + "keyVault")],
    Discriminator(_key),
]


class Limits(Shape):
    """What the contract with Autopilot allows."""

    profiles: Profiles = Field(default=CEILING, examples=[CEILING])
    """Distinct people over all exports of the connection; a contract may allow fewer than the ceiling."""
    requests_per_second: Annotated[float, Field(gt=0)] = Field(default=20.0, examples=[20])
    """Requests a second, over all exports that use the same API key."""


class Consent(Shape):
    """An administrator's word that personal data may go over this connection."""

    accepted: bool = Field(examples=[True])
    """Without true nothing is sent."""
    by: Text | None = Field(default=None, examples=["privacy@contoso.com"])
    """Who accepted."""
    on: Annotated[str, Field(pattern=patterns.DATE)] | None = Field(default=None, examples=["2026-11-02"])
    """The day on which it was accepted."""
    fields: list[FieldName] = Field(default=[], examples=[["Email", "FirstName", "LastName"]])
    """The Autopilot fields that the consent covers; any other mapped field blocks the export."""


class ConnectionSpec(Shape):
    """Where data may go. Only administrators change it."""

    type: Literal["autopilot"] = Field(examples=["autopilot"])
    """The kind of destination."""
    display_name: Text | None = Field(default=None, examples=["Autopilot, newsletter account"])
    """What people read."""
    api_key: ApiKey = Field(examples=[{"env": "AUTOPILOT_API_KEY"}])
    """Where the API key is, never the key itself."""
    base_url: Annotated[str, Field(pattern=patterns.HTTP)] = Field(
        default="https://api2.autopilothq.com/v1", examples=["https://api2.autopilothq.com/v1"]
    )
    """The API's base; plain http only to loopback."""
    usable_by: list[Literal["administrators", "contributors"]] = Field(
        default=["administrators"], examples=[["administrators", "contributors"]]
    )
    """Whose exports may use the connection."""
    limits: Limits = Field(default=Limits(), examples=[{"profiles": CEILING, "requestsPerSecond": 20}])
    """What the contract allows."""
    consent: Consent | None = Field(
        default=None,
        examples=[{"accepted": True, "by": "privacy@contoso.com", "on": "2026-11-02", "fields": ["Email"]}],
    )
    """Without it nothing is sent."""
    precedence: list[Name] = Field(default=[], examples=[["gold-newsletter", "win-back"]])
    """Which export wins where exports of different sources map one field; the first wins."""
