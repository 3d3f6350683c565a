"""Decides where a secret that is referenced is read from, and refuses a place that is not safe. Never shows it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, assert_never

from reconciler.core.errors import SecretMissing
from reconciler.core.model import EnvSecret, FileSecret, SecretRef, VaultSecret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LARGEST = 4096
"""Bytes of a secret's file that are read; no key is longer."""


def resolve(ref: SecretRef, root: Path, environ: Mapping[str, str], what: str = "API key") -> str:
    """Give the secret, which is `what`. Raises SecretMissing: one line, where it was looked for and how to mend it."""
    match ref:
        case EnvSecret(name):
            value = environ.get(name, "").strip()
            if not value:
                raise SecretMissing(f"the environment variable {name} is not set; set it to the {what}")
            return value
        case FileSecret(path):
            return _from_file(root / path, path, what)
        case VaultSecret(vault, secret):
            return _from_vault(vault, secret)
        case _:
            assert_never(ref)


def _from_file(path: Path, shown: str, what: str) -> str:
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SecretMissing(f"{shown}: others may read the {what} in it; run `chmod 600 {shown}`")
        with path.open("rb") as stream:
            value = stream.read(LARGEST).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise SecretMissing(f"{shown}: the {what} cannot be read from it; is it there, and plain text?") from None
    if not value:
        raise SecretMissing(f"{shown}: it is empty; put the {what} in it")
    return value


def _from_vault(vault: str, secret: str) -> str:
    try:
        # The vendor's libraries are an extra and take 0.8 s to import, so only who uses them pays.
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415
        from azure.keyvault.secrets import SecretClient  # noqa: PLC0415
    except ImportError:
        raise SecretMissing('a key in Azure Key Vault needs the extra: pip install "reconciler[azure]"') from None
    try:
        with DefaultAzureCredential() as credential, SecretClient(vault, credential) as client:
            value: str | None = client.get_secret(secret).value
    except Exception as error:  # noqa: BLE001  # the library raises many kinds, and their texts may hold tokens
        kind = type(error).__name__
        raise SecretMissing(f"{secret} cannot be read from {vault} ({kind}); may this identity read it?") from None
    if not value:
        raise SecretMissing(f"{secret} in {vault} is empty; put the API key in it")
    return value
