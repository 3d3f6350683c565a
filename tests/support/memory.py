"""A shared store that keeps its objects in memory, for one process; it passes the suite of the real ones."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

from reconciler.core.errors import StoreConflict
from reconciler.core.store import Stored

if TYPE_CHECKING:
    from collections.abc import Sequence


class MemoryStore:
    """A Store. `asked` counts the requests by what they are."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.asked: dict[str, int] = {}
        self._versions = count(1)
        self._lock = threading.Lock()

    def read(self, name: str) -> Stored | None:
        self._ask("read")
        return self.objects.get(name)

    def create(self, name: str, data: bytes) -> str:
        self._ask("create")
        with self._lock:
            if name in self.objects:
                raise StoreConflict(f"{name}: it is there already")
            return self._put(name, data)

    def replace(self, name: str, data: bytes, version: str) -> str:
        self._ask("replace")
        with self._lock:
            if name not in self.objects or self.objects[name].version != version:
                raise StoreConflict(f"{name}: it is not as it was read")
            return self._put(name, data)

    def delete(self, name: str) -> None:
        self.delete_all([name])

    def delete_all(self, names: Sequence[str]) -> None:
        self._ask("delete")
        for name in names:
            self.objects.pop(name, None)

    def names(self, folder: str) -> tuple[str, ...]:
        self._ask("names")
        return tuple(sorted(name for name in tuple(self.objects) if not folder or name.startswith(f"{folder}/")))

    def close(self) -> None:
        """Nothing to leave."""

    def _ask(self, what: str) -> None:
        self.asked[what] = self.asked.get(what, 0) + 1

    def _put(self, name: str, data: bytes) -> str:
        version = str(next(self._versions))
        self.objects[name] = Stored(data, version)
        return version
