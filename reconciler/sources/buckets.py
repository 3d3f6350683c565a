"""Decides how a container or bucket is opened for reading, and which dated folder in it is a table's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import obstore

from reconciler.clouds.faults import FOREIGN, fault, homeless
from reconciler.clouds.known import CLOUDS, opened, settings
from reconciler.core.errors import SourceError, StateError
from reconciler.sources import exported
from reconciler.sources.places import GLOB
from reconciler.sources.urls import parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.sources.exported import Dated
    from reconciler.sources.urls import Url

PAGE = "docs/lake.md"


@dataclass(frozen=True, slots=True)
class Bucket:
    """An opened container or bucket. `options` are its settings as Delta's library takes them."""

    url: Url
    store: Any
    options: Mapping[str, str]

    def read(self, name: str) -> bytes:
        """Give an object by its name below the URL. Raises what the library raises."""
        return bytes(obstore.get(self.store, f"{self.url.key}/{name}").bytes())

    def told(self, error: Exception) -> SourceError:
        """Say in one line, without the library's words, what is the matter."""
        return SourceError(str(fault(error, self.url.label, CLOUDS[self.url.cloud].needs, PAGE)))


def bucket_of(url: Url, environ: Mapping[str, str]) -> Bucket:
    """Open the container or bucket of a URL, without a request. Raises SourceError."""
    cloud = CLOUDS[url.cloud]
    if url.account is not None:
        environ = {**environ, "AZURE_STORAGE_ACCOUNT_NAME": url.account}
    try:
        config, plain = settings(cloud, environ)
        if url.onelake:
            config["azure_use_fabric_endpoint"] = "true"
        store = opened(cloud, url.bucket, url.label, config, plain=plain)
    except StateError as error:
        raise SourceError(str(error)) from None
    options = dict(config) | {"allow_http": str(plain).lower(), "connect_timeout": "5s", "timeout": "60s"}
    return Bucket(url, store, options | {"max_retries": "4", "retry_timeout": "60s"})


def dated(label: str, environ: Mapping[str, str]) -> Dated | None:
    """Choose among the dated folders that Customer Insights wrote; None: there is none. Raises SourceError."""
    bucket = bucket_of(parsed(label), environ)
    key = bucket.url.key
    if GLOB & set(key):
        return None
    try:
        folders = obstore.list_with_delimiter(bucket.store, key)["common_prefixes"]
        if not exported.dated([folder.rstrip("/").rpartition("/")[2] for folder in folders]):
            return None
        names = [entry["path"].removeprefix(f"{key}/") for part in obstore.list(bucket.store, key) for entry in part]
        return exported.newest(label, key.rpartition("/")[2], names, lambda name: _bytes(bucket, name))
    except FOREIGN as error:
        raise bucket.told(error) from None


def _bytes(bucket: Bucket, name: str) -> bytes | None:
    """Give an object by its name below the URL, or beside it after '../'."""
    key, up = bucket.url.key, "../"
    key = f"{key.rpartition('/')[0]}/{name.removeprefix(up)}" if name.startswith(up) else f"{key}/{name}"
    try:
        return bytes(obstore.get(bucket.store, key.lstrip("/")).bytes())
    except FileNotFoundError as error:
        if homeless(error):
            raise
        return None
