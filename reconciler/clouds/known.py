"""What sets Azure, S3 and Google storage apart: their variables and versions. Decides that plain http is for loopback.

Credentials are named in the environment alone, as the library takes them; none is ever written in a declaration.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from obstore.store import AzureStore, GCSStore, S3Store

from reconciler.clouds.faults import FOREIGN
from reconciler.core.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of the three. `variables` are the environment's that are handed to the library.

    `endpoints` are those among them that name a server, `version` says which of the library's two words for a version
    its conditional writes go by, `needs` what to say when no credentials can be made of the environment.
    """

    store: type[AzureStore | S3Store | GCSStore]
    variables: tuple[str, ...]
    endpoints: tuple[str, ...]
    version: Literal["e_tag", "version"]
    needs: str
    always: tuple[tuple[str, str], ...] = ()


CLOUDS = {
    "az": Cloud(
        AzureStore,
        variables=(
            "AZURE_STORAGE_ACCOUNT_NAME",
            "AZURE_STORAGE_ACCOUNT_KEY",
            "AZURE_STORAGE_SAS_TOKEN",
            "AZURE_STORAGE_TOKEN",
            "AZURE_CLIENT_ID",
            "AZURE_CLIENT_SECRET",
            "AZURE_TENANT_ID",
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_AUTHORITY_HOST",
            "AZURE_USE_AZURE_CLI",
            "AZURE_STORAGE_USE_EMULATOR",
            "AZURE_STORAGE_ENDPOINT",
            "AZURE_ENDPOINT",
        ),
        endpoints=("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        version="e_tag",
        needs=(
            "set AZURE_STORAGE_ACCOUNT_NAME and credentials: AZURE_USE_AZURE_CLI=true after a login, or "
            "AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE, or AZURE_STORAGE_ACCOUNT_KEY"
        ),
    ),
    "s3": Cloud(
        S3Store,
        variables=(
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_ROLE_ARN",
            "AWS_ROLE_SESSION_NAME",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_S3",
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
        ),
        endpoints=("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
        version="e_tag",
        needs=(
            "set AWS_REGION and credentials: AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, as a login to AWS leaves them"
        ),
        always=(("aws_conditional_put", "etag"),),  # the environment may not switch it off
    ),
    "gs": Cloud(
        GCSStore,
        variables=(
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_SERVICE_ACCOUNT",
            "GOOGLE_SERVICE_ACCOUNT_KEY",
            "GOOGLE_BEARER_TOKEN",
            "GOOGLE_BASE_URL",
        ),
        endpoints=("GOOGLE_BASE_URL",),
        version="version",
        needs=(
            "set GOOGLE_BEARER_TOKEN to an access token, or GOOGLE_APPLICATION_CREDENTIALS to the file of a service "
            "account or of a user (files of the type external_account are not understood)"
        ),
    ),
}


def settings(cloud: Cloud, environ: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """Give the library's settings, and whether a server on loopback is spoken to without TLS. Raises StateError."""
    given = {name: environ[name] for name in cloud.variables if environ.get(name)}
    plain = given.get("AZURE_STORAGE_USE_EMULATOR", "").lower() in {"1", "true", "yes"}  # Azurite, on loopback
    for name in cloud.endpoints:
        match _scheme(given.get(name, "https:")):
            case "https":
                pass
            case "http" if loopback(given[name]):
                plain = True
            case _:
                raise StateError(f"{name}: it must begin with https://; http:// is for loopback alone")
    return {name.lower(): value for name, value in given.items()} | dict(cloud.always), plain


# At most two minutes in all for a store that is silent, a few seconds for one that is not there
_CLIENT = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=60)}
_RETRIES = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
}


def opened(cloud: Cloud, bucket: str, place: str, config: Mapping[str, str], *, plain: bool, prefix: str = "") -> Any:
    """Open a container or bucket, without a request. Raises StateError, which calls it `place`."""
    maker: Any = cloud.store  # the three take alike words, of types of their own
    try:
        return maker(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options=_CLIENT | {"allow_http": plain},
            retry_config=_RETRIES,
        )
    except FOREIGN:  # its text may quote a key
        raise StateError(f"{place}: {cloud.needs}") from None


def loopback(url: str) -> bool:
    """Tell whether the host of a URL is this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()
