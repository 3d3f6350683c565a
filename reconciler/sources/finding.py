"""Decides what a declared path leads to: files on this machine, objects of a store, or a Delta table in either."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.core.errors import SourceError
from reconciler.sources import extras, places, urls
from reconciler.sources.columns import csv_table, parquet_table
from reconciler.sources.tables import FileTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from reconciler.sources.columns import Declared
    from reconciler.sources.engine import Engine
    from reconciler.sources.exported import Dated
    from reconciler.sources.table import Table

Found = Any
"""A table in CSV, a place in Parquet, or a place in Delta; what is of the extra has no name here."""


def find(declared: Declared, roots: Sequence[Path], environ: Mapping[str, str]) -> Found:
    """Find the files of a table, and read the headers of those in CSV. Raises SourceError."""
    label = declared.path
    if urls.is_url(label):
        remote = extras.lake("reconciler.sources.remote", label)
        chosen = extras.lake("reconciler.sources.buckets", label).dated(label, environ)
        place = remote.find(_below(label, chosen), environ)
        if isinstance(place, remote.Bucket):
            return _delta(declared, place, ())
        place = _addressed(place)
    elif (folder := places.delta(label, roots)) is not None:
        return _delta(declared, folder, tuple(root.resolve() for root in roots))
    else:
        chosen = places.dated(label, roots[0], roots[1:])
        place = places.find(_below(label, chosen), roots[0], roots[1:])
    if declared.version is not None:
        raise SourceError(f"{label}: version is for a Delta table, and this is none; leave it out")
    if chosen is not None:
        return replace(csv_table(chosen.declared(declared), place), note=chosen.note)
    return place if place.parquet else csv_table(declared, place)


def _below(label: str, chosen: Dated | None) -> str:
    return label if chosen is None else f"{label.rstrip('/')}/{chosen.folder}"


def _addressed(place: Any) -> Any:
    """Give each object an address for the engine that is no glob, and is the same in no two tables."""
    named = f"lake://{hashlib.sha256(place.label.encode()).hexdigest()}"
    files = tuple(replace(file, address=f"{named}/{number}") for number, file in enumerate(place.files))
    return replace(place, files=files)


def settled(found: Found, engine: Engine) -> Table:
    """Settle the columns of what was found. Raises SourceError."""
    if isinstance(found, FileTable):
        return found
    if not hasattr(found, "files"):
        table: Table = extras.lake("reconciler.sources.delta", found.label).delta_table(found, engine)
        return table
    return parquet_table(found, engine)


def local(found: Sequence[Found]) -> list[str]:
    """Give the paths that the engine reads."""
    return [str(path) for each in found for path in _files(each)]


def lake_files(found: Sequence[Found]) -> Any | None:
    """Give the objects of stores that the engine reads, as a file system; None: there are none."""
    remote = {str(file): file for each in found for file in _files(each) if hasattr(file, "etag")}
    if not remote:
        return None
    return extras.lake("reconciler.sources.lakefs", next(iter(remote.values())).bucket.url.label).LakeFiles(remote)


def _files(found: Found) -> Sequence[Any]:
    place = found.place if isinstance(found, FileTable) else found
    return getattr(place, "files", ())


def _delta(declared: Declared, at: Any, roots: Sequence[Path]) -> Found:
    delta = extras.lake("reconciler.sources.delta", declared.path)
    return delta.open_delta(declared.path, at, declared.version, roots)
