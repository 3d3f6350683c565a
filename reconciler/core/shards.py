"""Decides which connections are a runner's, where many share the work: each is in exactly one shard.

The shard hangs on the name alone, so that every runner comes to the same answer without asking another.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.core.model import Connection


@dataclass(frozen=True, slots=True)
class Shard:
    """The part `number` of `count`, from 1 on."""

    number: int
    count: int

    @property
    def whole(self) -> bool:
        """Whether it is everything."""
        return self.count == 1

    def holds(self, connection: str) -> bool:
        """Tell whether a connection is in this shard, by its name."""
        # A hash of its own: that of Python differs in each process
        digest = hashlib.sha256(connection.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

    def recorded(self, connections: Mapping[str, Connection]) -> Callable[[str], bool]:
        """Give the function that tells whether what is recorded under a name is in this shard.

        Before a rename is carried out, it is where the new name is, so that the one shard keeps it that renames it.
        """
        renamed = {c.previous_name: name for name, c in connections.items() if c.previous_name is not None}
        return lambda name: self.holds(name if name in connections else renamed.get(name, name))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


WHOLE = Shard(1, 1)
