"""The store on Azure, S3 and Google storage: an object each, by conditional writes. It decides what a URL may say."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError

from reconciler.clouds.faults import FOREIGN, fault, homeless
from reconciler.clouds.known import CLOUDS, Cloud, opened, settings
from reconciler.core.errors import StateError, StoreConflict
from reconciler.core.store import Stored
from reconciler.state.stores.names import below, checked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from urllib.parse import SplitResult

    from obstore import GetResult
    from obstore.store import AzureStore, GCSStore, S3Store

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_PREFIX = re.compile(r"(?:/(?!\.)[A-Za-z0-9._-]+(?<!\.))*/?")

_WRITER = "writer"
"""The name of the note on each object that says which write it is of."""


def open_url(url: SplitResult, environ: Mapping[str, str], root: Path) -> ObjectStore:  # noqa: ARG001  # as every opener
    """Open a prefix of a container or bucket, without a request. Raises StateError; ValueError for another form."""
    cloud = CLOUDS[url.scheme]
    if url.query or not _BUCKET.fullmatch(url.netloc) or not _PREFIX.fullmatch(url.path):
        raise ValueError
    config, plain = settings(cloud, environ)
    prefix = url.path.strip("/")
    place = f"{url.scheme}://{url.netloc}/{prefix}"
    store = opened(cloud, url.netloc, place, config, plain=plain, prefix=prefix)
    return ObjectStore(store, cloud, place)


class ObjectStore:
    """Objects below one prefix. A write whose answer was lost is known again by its note, and no rival of itself."""

    def __init__(self, store: AzureStore | S3Store | GCSStore, cloud: Cloud, place: str) -> None:
        self._store = store
        self._cloud = cloud
        self._place = place

    def read(self, name: str) -> Stored | None:
        """Give an object."""
        checked(name)
        try:
            found = self._get(name)
            return None if found is None else Stored(bytes(found.bytes()), self._version(found.meta))
        except FOREIGN as error:
            raise fault(error, self._place, self._cloud.needs) from None

    def create(self, name: str, data: bytes) -> str:
        """Write an object that is not there yet."""
        return self._put(name, data, "create")

    def replace(self, name: str, data: bytes, version: str) -> str:
        """Write an object in place of this version."""
        return self._put(name, data, {self._cloud.version: version})

    def delete(self, name: str) -> None:
        """Remove an object."""
        checked(name)
        try:
            obstore.delete(self._store, name)
        except FOREIGN as error:
            if not isinstance(error, FileNotFoundError) or homeless(error):
                raise fault(error, self._place, self._cloud.needs) from None

    def delete_all(self, names: Sequence[str]) -> None:
        """Remove several: in bulk where the server can, which some cannot, and which stops at one that is not there."""
        several = sorted({checked(name) for name in names})
        try:
            if several:
                obstore.delete(self._store, several)
        except FOREIGN:
            for name in several:
                self.delete(name)

    def names(self, folder: str) -> tuple[str, ...]:
        """Give the names below a folder."""
        below(folder, ())
        try:
            listed = [entry["path"] for part in obstore.list(self._store, folder or None) for entry in part]
        except FOREIGN as error:
            raise fault(error, self._place, self._cloud.needs) from None
        return below(folder, listed)

    def close(self) -> None:
        """Leave it: the connections are closed with the process."""

    def _put(self, name: str, data: bytes, mode: Any) -> str:
        checked(name)
        note = {_WRITER: secrets.token_hex(16)}
        try:
            try:
                put = obstore.put(self._store, name, data, mode=mode, attributes=note, use_multipart=False)
            except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
                if homeless(error):
                    raise
                found = self._get(name)
                if found is None or found.attributes.get(_WRITER) != note[_WRITER]:
                    raise StoreConflict(f"{self._place}: {name}: another run was quicker") from None
                return self._version(found.meta)
            return self._version(put)
        except FOREIGN as error:
            raise fault(error, self._place, self._cloud.needs) from None

    def _get(self, name: str) -> GetResult | None:
        try:
            return obstore.get(self._store, name)
        except FileNotFoundError as error:
            if homeless(error):
                raise
            return None

    def _version(self, said: Mapping[str, Any]) -> str:
        version = said[self._cloud.version]
        if not isinstance(version, str) or not version:
            raise StateError(f"{self._place}: this store does not tell versions apart; take another one")
        return version
