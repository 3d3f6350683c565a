"""Decides whose credentials read Dataverse, and which one line a refused credential becomes.

The vendor's library signs in; it is an extra, and takes 0.8 s to import, which only this kind of source pays. Its own
words may hold a token, so that only its error code passes through.
"""

from __future__ import annotations

import logging
import random
import re
import stat
import threading
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never
from urllib.parse import quote, urlsplit

from azure.identity import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    CredentialUnavailableError,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from reconciler.core.errors import DestinationError, SourceError
from reconciler.core.reads import AppCertificate, AppSecret, Federated, ManagedIdentity
from reconciler.http import Outlet
from reconciler.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.core.reads import Dataverse
    from reconciler.sources.surroundings import Surroundings

AUDIENCE = "api://AzureADTokenExchange"
"""Whom a token of GitHub is for, as the federated credential of the application expects it."""

_LARGEST = 1 << 20  # bytes of a certificate's file that are read
_CODE = re.compile(r"AADSTS\d{5,8}")
_MEANT = {
    "AADSTS700016": "the tenant has no application with this client id",
    "AADSTS7000215": "the client secret is wrong; is it the secret's value, and not its id?",
    "AADSTS7000222": "the client secret has expired",
    "AADSTS700027": "the certificate is not one of this application",
    "AADSTS70021": "no federated credential of the application fits this token: its issuer, subject and audience",
    "AADSTS700213": "no federated credential of the application fits this token: its issuer, subject and audience",
    "AADSTS90002": "there is no such tenant",
    "AADSTS500011": "the tenant does not know the service that is to be read; is its URL right?",
}


@dataclass(frozen=True, slots=True)
class Signing:
    """Makes a credential afresh, as often as one is needed; `name` is that of the source, for messages."""

    name: str
    reads: Dataverse
    around: Surroundings

    def credential(self) -> Any:
        """Give a credential that remembers no token. Raises SourceError, SecretMissing."""
        known: dict[str, Any] = {"authority": self.reads.authority, "disable_instance_discovery": True}
        match self.reads.identity:
            case AppSecret(tenant, client, secret):
                return ClientSecretCredential(tenant, client, self.around.secret(secret), **known)
            case AppCertificate() as held:
                return self._certificate(held, known)
            case ManagedIdentity(client):
                return ManagedIdentityCredential(client_id=client)
            case Federated(tenant, client):
                return self._federated(tenant, client, known)
            case _:
                assert_never(self.reads.identity)

    def _certificate(self, held: AppCertificate, known: dict[str, Any]) -> Any:
        password = None if held.password is None else self.around.secret(held.password)
        data = _private(self.around.root / held.path, held.path)
        try:
            return CertificateCredential(
                held.tenant, held.client, certificate_data=data, password=password, send_certificate_chain=True, **known
            )
        except (ValueError, TypeError):  # TypeError: a password for a key that has none, or none for one that has
            raise SourceError(
                f"{held.path}: no certificate with its private key can be read from it; is it PEM or PKCS 12, and is "
                "the password right?"
            ) from None

    def _federated(self, tenant: str, client: str, known: dict[str, Any]) -> Any:
        environ = self.around.environ
        if (path := environ.get("AZURE_FEDERATED_TOKEN_FILE", "")) != "":
            return WorkloadIdentityCredential(tenant_id=tenant, client_id=client, token_file_path=path, **known)
        url = environ.get("ACTIONS_ID_TOKEN_REQUEST_URL", "")
        token = environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
        if not url or not token:
            raise SourceError(
                f"{self.name}: there is no token to be exchanged; in GitHub Actions the job needs the permission "
                "id-token: write, in a cluster AZURE_FEDERATED_TOKEN_FILE names a file"
            )
        return ClientAssertionCredential(tenant, client, lambda: self._github(url, token), **known)

    def _github(self, url: str, token: str) -> str:
        """Ask GitHub for a token about this job."""
        parts = urlsplit(url)
        query = f"?{parts.query}&audience={quote(AUDIENCE, safe='')}" if parts.query else f"?audience={AUDIENCE}"
        clock = self.around.clock
        headers = {"Authorization": f"Bearer {token}"}
        try:
            outlet = Outlet(
                f"{parts.scheme}://{parts.netloc}",
                headers,
                Pace(10, clock, self.around.stop),
                clock,
                random.SystemRandom(),
                secrets=(token,),
            )
            with closing(outlet):
                told = outlet.request("GET", parts.path, query=query).data
        except DestinationError as fault:
            raise SourceError(f"{self.name}: GitHub gives no token about this job: {fault}") from None
        value = told.get("value") if isinstance(told, dict) else None
        if not isinstance(value, str) or not value:
            raise SourceError(f"{self.name}: GitHub gives no token about this job")
        return value


class Tokens:
    """Gives tokens by what they are for; shared by all threads."""

    def __init__(self, make: Callable[[], Any], name: str) -> None:
        self._make, self._name = make, name
        self._lock = threading.Lock()
        self._credential: Any = None
        for library in ("azure", "msal"):  # they tell faults on stderr, with all that the service said
            logging.getLogger(library).setLevel(logging.CRITICAL)

    def get(self, scope: str, *, fresh: bool = False) -> str:
        """Give a token; `fresh`: not one that is remembered. Raises SourceError, SecretMissing."""
        with self._lock:
            if fresh:
                self._close()
            if self._credential is None:
                self._credential = self._make()
            try:
                token: str = self._credential.get_token(scope).token
            except SourceError:
                raise
            except Exception as error:  # noqa: BLE001  # the library raises many kinds, and their texts may hold tokens
                raise self._refused(error) from None
        return token

    def close(self) -> None:
        """Forget the tokens. May be called twice."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._credential is not None:
            self._credential.close()
            self._credential = None

    def _refused(self, error: Exception) -> SourceError:
        code = _CODE.search(str(error))
        if code is not None:
            meant = _MEANT.get(code[0])
            return SourceError(f"{self._name}: no token is given to this identity: {meant or code[0]} ({code[0]})")
        if isinstance(error, CredentialUnavailableError):
            return SourceError(f"{self._name}: this machine has no such identity; is one assigned to it?")
        kind = type(error).__name__
        return SourceError(f"{self._name}: no token is given to this identity ({kind}); is the authority reachable?")


def _private(path: Path, shown: str) -> bytes:
    """Read a file that only its owner may read."""
    try:
        mode = path.stat().st_mode
        with path.open("rb") as stream:
            data = stream.read(_LARGEST)
    except OSError:
        raise SourceError(f"{shown}: the certificate cannot be read from it; is it there?") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SourceError(f"{shown}: others may read the certificate's key in it; run `chmod 600 {shown}`")
    return data
