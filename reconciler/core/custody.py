"""Nouns of the day something went wrong: who holds the lock, how the ledger is, and its copies. They decide nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from reconciler.core.record import Identity

TERM = 60.0
"""Seconds that the lock is held without being renewed, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock, as far as it is written. `token` tells this holding from every other.

    `running` says whether the process is there, None where it is on another machine; `expired`, whether its lease ran
    out by the clock of this one.
    """

    token: str = ""
    who: str = ""
    host: str = ""
    pid: int = 0
    since: dt.datetime | None = None
    expires: dt.datetime | None = None
    running: bool | None = None
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Copy:
    """A good copy that a run left: the serial it holds, when it was made, and why it is good no more, or nothing.

    `connection` names the one that it is of, where the state is kept by connection.
    """

    serial: int
    made: dt.datetime | None
    people: int = 0
    fault: str = ""
    connection: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """How the ledger is. `faults` are sentences, none of them when it is sound; `counts` are rows by what they are.

    `behind` counts lists that are read again before anybody is taken off them. `sealed` says that the file is, byte
    for byte, what the last run left.
    """

    identity: Identity | None
    faults: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    behind: int = 0
    sealed: bool = False
    copies: tuple[Copy, ...] = ()
    holder: Holder | None = None
