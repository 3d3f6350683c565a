"""The port of a shared store: named objects, and writes of which exactly one of several writers wins. Decides nothing.

The state of a project that several machines share lives in one. Everything that keeps two runs apart rests on `create`
and `replace`, so a store that takes conditional writes and does not honour them must be refused when it is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Stored(NamedTuple):
    """An object as it was read. `version` is the store's own word for it: it names these bytes and no others."""

    data: bytes
    version: str


class Store(Protocol):
    """Objects by name, for one project. Usable from several threads.

    A name is one to eight parts of lower-case letters, digits, `-`, `_` and `.`, joined by `/`. All of it raises
    StoreUnreachable when the store does not answer after bounded retries, and StateError when it refuses (rights, a
    place that is not there), each in one line that holds no secret.
    """

    def read(self, name: str) -> Stored | None:
        """Give an object; None: there is none. What was written before, by whomever, is seen."""
        ...

    def create(self, name: str, data: bytes) -> str:
        """Write an object that is not there yet, durably, and give its version. Raises StoreConflict when it is."""
        ...

    def replace(self, name: str, data: bytes, version: str) -> str:
        """Write an object in place of this very version, and give its own. Raises StoreConflict when it is another."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is well."""
        ...

    def delete_all(self, names: Sequence[str]) -> None:
        """Remove several at once, in one request where the store can."""
        ...

    def names(self, folder: str) -> tuple[str, ...]:
        """Give the whole names of all objects below a folder (`""`: all of them), ascending."""
        ...

    def close(self) -> None:
        """Leave it. May be called twice."""
        ...
