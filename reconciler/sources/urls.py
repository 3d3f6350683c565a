"""Decides what a URL of an object store says: the kind of store, the account if it names one, the bucket, the path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from reconciler.core.errors import SourceError

SCHEMES = ("az://", "abfss://", "s3://", "gs://")
"""How the URLs of the stores begin."""
_BUCKET = re.compile(r"[a-z0-9$][a-z0-9._-]{1,220}[a-z0-9]")
_WORKSPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,255}")
_HOST = re.compile(r"([a-z0-9]{3,24})\.dfs\.core\.windows\.net")
_ONELAKE = "onelake.dfs.fabric.microsoft.com"
_FORMS = (
    "az://CONTAINER/PATH, abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH, s3://BUCKET/PATH or gs://BUCKET/PATH"
)


@dataclass(frozen=True, slots=True)
class Url:
    """Where a table is in an object store. `account` is of abfss:// alone; elsewhere the environment names it.

    `onelake`: the bucket is a workspace of Fabric.
    """

    label: str
    cloud: str
    bucket: str
    key: str
    account: str | None = None
    onelake: bool = False

    @property
    def plain(self) -> str:
        """The URL without the account."""
        return f"{self.cloud}://{self.bucket}/{self.key}"


def is_url(path: str) -> bool:
    """Tell whether a declared path leads to an object store."""
    return "://" in path


def parsed(label: str) -> Url:
    """Take a URL apart. Raises SourceError."""
    try:
        url = urlsplit(label.replace("?", "%3F"))  # '?' belongs to a glob; a query has no place here
    except ValueError:
        url = urlsplit("")
    key = url.path.replace("%3F", "?").strip("/")
    if url.scheme == "abfss":
        bucket, _, host = url.netloc.partition("@")
        if host == _ONELAKE and _WORKSPACE.fullmatch(bucket) and key:
            return Url(label, "az", bucket, key, "onelake", onelake=True)
        account = _HOST.fullmatch(host)
        if account is not None and _BUCKET.fullmatch(bucket) and key:
            return Url(label, "az", bucket, key, account[1])
    elif url.scheme in {"az", "s3", "gs"} and _BUCKET.fullmatch(url.netloc) and key and not url.fragment:
        return Url(label, url.scheme, url.netloc, key)
    raise SourceError(f"{label}: no such place is read; write {_FORMS}")
