"""Decides whether a store keeps its word: that of several writers exactly one wins. Some only take the words."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from reconciler.core.errors import StateError, StoreConflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.core.store import Store

FOLDER = "probe"
"""Where probes are; one of a process that was killed stays there and disturbs nobody."""

IGNORES = (
    "this store ignores conditional writes, so two runs at once would overwrite each other; take another one "
    "(docs/stores.md)"
)


def verify(store: Store) -> None:
    """Try it out: make an object twice, and replace a version that is gone; then clean up. May be done by many at once.

    Raises StateError when the second write passes, and whatever the store raises, such as for a right that lacks.
    """
    name = f"{FOLDER}/{secrets.token_hex(16)}"
    first = store.create(name, b"first")
    try:
        _refused(lambda: store.create(name, b"second"))
        store.replace(name, b"third", first)
        _refused(lambda: store.replace(name, b"fourth", first))
        kept = store.read(name)
        if kept is None or kept.data != b"third":
            raise StateError("this store does not give back what was written last; take another one (docs/stores.md)")
    finally:
        store.delete(name)


def _refused(write: Callable[[], str]) -> None:
    try:
        write()
    except StoreConflict:
        return
    raise StateError(IGNORES)
