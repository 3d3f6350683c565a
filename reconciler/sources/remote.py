"""Decides which objects of a store a URL stands for, and that each is read as it was when the source was opened.

Only the ranges that are asked for are fetched, each on the condition that the object is still of the same version.
"""

from __future__ import annotations

import errno
import hashlib
import io
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import IO, TYPE_CHECKING, Any

import obstore
from obstore.exceptions import PreconditionError

from reconciler.clouds.faults import FOREIGN, homeless
from reconciler.core.errors import SourceError
from reconciler.sources.buckets import Bucket, bucket_of
from reconciler.sources.places import CSV, GLOB, PARQUET, REFRESHING
from reconciler.sources.urls import parsed

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence


_BUFFER = 4 << 20  # bytes of a CSV file that are fetched with one request
LOG = "_delta_log"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An object of one version. `address` is how the engine knows it."""

    bucket: Bucket = field(compare=False, repr=False)
    key: str
    size: int
    etag: str
    written: dt.datetime = field(compare=False)
    address: str = ""

    def __str__(self) -> str:
        return self.address

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    def open(self, _mode: str = "rb") -> IO[bytes]:
        """Open it for a reading from the beginning to the end."""
        return io.BufferedReader(Ranges(self), _BUFFER)

    def fetch(self, start: int, end: int) -> bytes:
        """Give the bytes of a range. Raises OSError, with our words why, and the address."""
        if start >= end:
            return b""
        how: Any = {"range": (start, end), "if_match": self.etag}
        try:
            return bytes(obstore.get(self.bucket.store, self.key, options=how).bytes())
        except (PreconditionError, FileNotFoundError):
            raise OSError(errno.ESTALE, "it was replaced or deleted while it was read; try again", str(self)) from None
        except FOREIGN as error:
            why = str(self.bucket.told(error)).removeprefix(f"{self.bucket.url.label}: ")
            raise OSError(errno.EIO, why, str(self)) from None


class Ranges(io.RawIOBase):
    """A file whose bytes are fetched as they are asked for."""

    def __init__(self, of: RemoteFile) -> None:
        super().__init__()
        self._of = of
        self._at = 0

    @property
    def size(self) -> int:
        """How long it is; the engine asks."""
        return self._of.size

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._of.size}[whence]
        return self._at

    def tell(self) -> int:
        """Say where it is."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fetch as much as there is room for."""
        got = self._of.fetch(self._at, min(self._at + len(buffer), self._of.size))
        buffer[: len(got)] = got
        self._at += len(got)
        return len(got)


@dataclass(frozen=True, slots=True)
class RemotePlace:
    """The objects of one table, sorted, all CSV or all Parquet; as a Place of files on this machine."""

    label: str
    bucket: Bucket
    files: tuple[RemoteFile, ...]
    parquet: bool

    def told(self) -> str:
        """Say how many files and bytes there are, and when the last of them was written."""
        size, last = sum(file.size for file in self.files), max(file.written for file in self.files)
        several = f"{len(self.files):,} files, " if len(self.files) > 1 else ""
        return f"{self.label} ({several}{size:,} bytes, written {last:%Y-%m-%d %H:%M} UTC)"

    def mark(self) -> str:
        """Tell the content apart by the versions of the objects."""
        told = hashlib.sha256(f"{self.label!r} {len(self.files)}\n".encode())
        for file in self.files:
            told.update(f"{file.key!r} {file.size} {file.etag!r}\n".encode())
        return told.hexdigest()

    def unchanged(self) -> None:
        """Raise SourceError when an object is no longer the one that was opened, or is not alone any more."""
        now = listed(self.bucket)
        if isinstance(now, str) or [(f.key, f.etag) for f in now] != [(f.key, f.etag) for f in self.files]:
            raise SourceError(f"{self.label}: was written to while it was read; try again")


def find(label: str, environ: Mapping[str, str]) -> RemotePlace | Bucket:
    """Give the objects of a URL; the bucket, when it is a Delta table. Raises SourceError."""
    bucket = bucket_of(parsed(label), environ)
    found = listed(bucket)
    if isinstance(found, str):
        return bucket
    endings = {file.name.lower().endswith(PARQUET) for file in found}
    if not endings:
        raise SourceError(f"{label}: there is no CSV, Parquet or Delta here")
    if len(endings) > 1:
        raise SourceError(f"{label}: holds CSV and Parquet files; name one kind, as in {label.rstrip('/')}/*.csv")
    return RemotePlace(label, bucket, tuple(found), endings.pop())


def listed(bucket: Bucket) -> Sequence[RemoteFile] | str:
    """Give the objects of the bucket's URL, sorted; LOG when it is a Delta table. Raises SourceError."""
    try:
        found = _objects(bucket)
    except FOREIGN as error:
        raise bucket.told(error) from None
    if isinstance(found, str):
        return found
    if any(entry["e_tag"] is None for entry in found):
        raise SourceError(f"{bucket.url.label}: this store does not tell versions apart; take another one")
    return [
        RemoteFile(bucket, entry["path"], entry["size"], entry["e_tag"], entry["last_modified"])
        for entry in sorted(found, key=lambda entry: str(entry["path"]))
    ]


def _objects(bucket: Bucket) -> list[Any] | str:
    key = bucket.url.key
    if GLOB & set(key):
        pattern = key.split("/")
        plain = next(index for index, part in enumerate(pattern) if GLOB & set(part))
        entries = (entry for part in obstore.list(bucket.store, "/".join(pattern[:plain]) or None) for entry in part)
        return _at_rest(bucket, (entry for entry in entries if _matches(entry["path"].split("/"), pattern)))
    try:
        return [obstore.head(bucket.store, key)]
    except FileNotFoundError as error:
        if homeless(error):
            raise
    below = obstore.list_with_delimiter(bucket.store, key)
    folders = {folder.rstrip("/").rpartition("/")[2] for folder in below["common_prefixes"]}
    if LOG in folders:
        return LOG
    if folders & set(REFRESHING):
        raise _refreshing(bucket)
    return _at_rest(bucket, below["objects"])


def _at_rest(bucket: Bucket, entries: Iterable[Any]) -> list[Any]:
    """Keep what is a table; refuse a folder that is being written, as a sign in it says."""
    found = list(entries)
    if any(entry["path"].rpartition("/")[2] in REFRESHING for entry in found):
        raise _refreshing(bucket)
    return [entry for entry in found if entry["path"].lower().endswith((*CSV, *PARQUET))]


def _refreshing(bucket: Bucket) -> SourceError:
    return SourceError(f"{bucket.url.label}: is being refreshed; try again when the sign in it is gone")


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Tell whether a key is one of a glob; a folder's wildcard does not go over a '/', `**` does."""
    if not pattern or not parts:
        return not pattern and not parts
    if pattern[0] == "**":
        return _matches(parts, pattern[1:]) or _matches(parts[1:], pattern)
    return fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
