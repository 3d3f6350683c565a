"""The requests of a run as values, and what became of each. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.core.ports import Item, Pushed

if TYPE_CHECKING:
    from reconciler.core.errors import DestinationError
    from reconciler.core.standing import Standing

NO_LIST = 0
"""The slot of a bulk request that touches no list; lists are numbered from 1."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """Up to 100 contacts in one request, for one list or for none. `probe`: find out whether the list is honoured."""

    standings: tuple[Standing, ...]
    slot: int
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Single:
    """One contact and one list in one request."""

    standing: Standing
    slot: int


@dataclass(frozen=True, slots=True)
class Join:
    """One known contact onto one list."""

    standing: Standing
    slot: int
    contact_id: str


@dataclass(frozen=True, slots=True)
class Leave:
    """One known contact off one list."""

    standing: Standing
    slot: int
    contact_id: str


Parcel = Bulk | Single | Join | Leave


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a parcel.

    `listed` says that the accepted are on the list now, `nobody` that none of them is; `works` is what a probe found.

    With an `error` nothing is known beyond what `pushed` says.
    """

    parcel: Parcel
    pushed: Pushed = field(default_factory=Pushed)
    listed: bool = True
    nobody: bool = False
    works: bool | None = None
    error: DestinationError | None = None


def standings(parcel: Parcel) -> tuple[Standing, ...]:
    """Give the people whom a parcel is about."""
    return parcel.standings if isinstance(parcel, Bulk) else (parcel.standing,)


def item(standing: Standing) -> Item:
    """Give a person as it goes out."""
    step = standing.step
    return Item(step.key, step.address, step.contact)
