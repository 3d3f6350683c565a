"""What `forget`, `import` and `show --reveal` tell. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.core.record import Reject


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of one person in one connection: lists left, whether a contact was deleted, or why it is not done."""

    connection: str
    lists: int = 0
    contact: bool = False
    fault: str = ""
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What `forget` did, without a name: the person's keyed digest, and the outcome in each connection."""

    run: str
    person: bytes
    erased: tuple[Erased, ...]

    @property
    def done(self) -> bool:
        """Whether the person is erased in every connection."""
        return not any(one.fault for one in self.erased)


@dataclass(frozen=True, slots=True)
class Adoption:
    """A list that `import` takes over, in people: those wanted on it, and those who leave it at the next run.

    `nameless` contacts have no address, can be nobody of ours, and stay.
    """

    export: str
    segment: str
    connection: str
    list: str
    list_id: str
    wanted: int
    unwanted: int
    nameless: int


@dataclass(frozen=True, slots=True)
class Revealed:
    """A rejected person, found again in the source: here alone people are named."""

    reject: Reject
    profile: str
    address: str
