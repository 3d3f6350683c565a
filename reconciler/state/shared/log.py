"""The log of one ledger in a shared store: entries with numbers, each written once. It decides who is late.

The next number can be taken by one writer only. Whoever takes the ledger over begins by taking a number, and a writer
that was overtaken finds its next one taken: what it would have recorded is nowhere, so it must not be sent either.
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from reconciler.core.errors import StateError, StateLocked, StoreConflict, StoreUnreachable
from reconciler.state.shared.sealed import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.core.store import Store

_AT_ONCE = 16
"""Entries that are read at the same time: a store answers in tens of milliseconds, and a long run leaves hundreds."""


_TOKEN = 16
"""Bytes in front of an entry that name its writer."""


class Log:
    """Entries below `folder`, from `first` on. `size` and `length` are what has been read and written so far."""

    def __init__(self, store: Store, folder: str, key: bytes, first: int) -> None:
        self._store, self._folder, self._key = store, folder, key
        self._writer = secrets.token_bytes(_TOKEN)  # so that no two writers write the same
        self.next = first
        self.size = self.length = 0

    def entries(self) -> Iterator[bytes]:
        """Read on from where we are, in order, up to the first number that nobody took. Raises StateError.

        StoreConflict: there is a newer base, whose writer removed what we were about to read.
        """
        there = set(self._store.names(self._folder))
        names: list[str] = []
        while self._name(self.next + len(names)) in there:
            names.append(self._name(self.next + len(names)))
        bases = f"{self._folder}/base/"
        newest = max((int(name.removeprefix(bases)) for name in there if name.startswith(bases)), default=0)
        if newest > self.next + len(names):
            raise StoreConflict(f"{self._folder}: another run tidied it up meanwhile; run it again")
        with ThreadPoolExecutor(min(_AT_ONCE, max(1, len(names)))) as pool:
            for name, found in zip(names, pool.map(self._store.read, names), strict=True):
                if found is None:
                    raise StateError(f"{name}: it went away while it was read; run it again")
                self._count(found.data)
                yield unpacked(self._key, name, found.data)[_TOKEN:]

    def append(self, entry: bytes) -> None:
        """Write the next entry, durably. Raises StateLocked when somebody else has taken its number; StateError."""
        name = self._name(self.next)
        data = packed(self._key, name, self._writer + entry)
        try:
            self._store.create(name, data)
        except (StoreConflict, StoreUnreachable) as error:
            # An answer may have been lost on its way: what is there may be ours
            found = self._store.read(name)
            if found is None:
                raise
            if found.data != data:
                raise StateLocked(f"{self._folder}: another run has taken over; this one records no more") from error
        self._count(data)

    def names(self) -> Sequence[str]:
        """Give the names of all entries that are there, older ones too."""
        return self._store.names(f"{self._folder}/log")

    def _count(self, data: bytes) -> None:
        self.next += 1
        self.length += 1
        self.size += len(data)

    def _name(self, number: int) -> str:
        return f"{self._folder}/log/{number:012}"
