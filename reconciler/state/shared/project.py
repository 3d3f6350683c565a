"""What a shared store holds of the whole project: which state it is, and who was erased. It decides nothing."""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.core.digest import SIZE
from reconciler.core.errors import StateError, StoreConflict
from reconciler.state.shared.sealed import packed, unpacked

if TYPE_CHECKING:
    from reconciler.core.store import Store

_PROJECT, _SUPPRESSED = "project", "suppressed"
_TRIES = 20


def adopt(store: Store, key: bytes, lineage: str) -> None:
    """Let the state be of this lineage, from now on. Raises StateError where it is of another already."""
    with suppress(StoreConflict):
        store.create(_PROJECT, packed(key, _PROJECT, json.dumps({"format": 1, "lineage": lineage}).encode()))
    if _lineage(store, key) != lineage:
        raise StateError("a state of another lineage is there already; migrate to a place that has none")


def lineage(store: Store, key: bytes, *, make: bool) -> str | None:
    """Give the lineage; None when nothing was ever recorded. `make` gives one at first use."""
    found = _lineage(store, key)
    if found is None and make:
        fresh = json.dumps({"format": 1, "lineage": str(uuid.uuid4())}).encode()
        with suppress(StoreConflict):  # another run was quicker: it is of that lineage
            store.create(_PROJECT, packed(key, _PROJECT, fresh))
        found = _lineage(store, key)
    return found


def _lineage(store: Store, key: bytes) -> str | None:
    found = store.read(_PROJECT)
    if found is None:
        return None
    fields = json.loads(unpacked(key, _PROJECT, found.data))
    if fields.get("format") != 1:
        raise StateError("the state was written by a newer version of reconciler; upgrade reconciler")
    return str(fields["lineage"])


def erased(store: Store, key: bytes) -> frozenset[bytes]:
    """Give the keys of those who were erased."""
    found = store.read(_SUPPRESSED)
    return frozenset() if found is None else _keys(unpacked(key, _SUPPRESSED, found.data))


def erase(store: Store, key: bytes, person: bytes) -> None:
    """Add somebody, durably, whoever else does so at the same time."""
    for _ in range(_TRIES):
        found = store.read(_SUPPRESSED)
        known = _keys(unpacked(key, _SUPPRESSED, found.data)) if found else frozenset()
        if person in known:
            return
        data = packed(key, _SUPPRESSED, b"".join(sorted(known | {person})))
        try:
            if found is None:
                store.create(_SUPPRESSED, data)
            else:
                store.replace(_SUPPRESSED, data, found.version)
        except StoreConflict:
            continue
        return
    raise StateError("the list of those who were erased is written by too many at once; run it again")


def _keys(data: bytes) -> frozenset[bytes]:
    return frozenset(data[at : at + SIZE] for at in range(0, len(data), SIZE))
