"""What the flow is handed of the outside world, and what a run was asked to do. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.shards import WHOLE, Shard

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.core.allow import Allowance
    from reconciler.core.due import Calendar
    from reconciler.core.model import Connection
    from reconciler.core.model import Source as DeclaredSource
    from reconciler.core.ports import Addresses, Clock, Destination, Source, Wire


@dataclass(frozen=True, slots=True)
class Outside:
    """Openers of sources and destinations by declaration, the judge of addresses, the clock and the calendar.

    `suppressed` gives (file:line, text) for each address or digest (hexadecimal) that no export may send; `erased`
    gives the keys of those whom `forget` erased, whatever ledger is in its place now.
    """

    source: Callable[[DeclaredSource], Source]
    wire: Callable[[Connection], Wire]
    destination: Callable[[Connection], Destination]
    addresses: Addresses
    clock: Clock
    calendar: Calendar
    suppressed: Callable[[], tuple[tuple[str, str], ...]]
    erased: Callable[[], frozenset[bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """What a run was asked to do: which exports, for which trigger, and whether contacts are kept to be pushed.

    `allowances` has the safety rules that may be broken once; `refresh`: Autopilot is looked at first. Connections that
    are not in `shard` are left to others, as they are; `parallel` of them are looked at and pushed at a time.
    """

    exports: tuple[str, ...] = ()
    trigger: str = "demand"
    keep: bool = False
    allowances: tuple[Allowance, ...] = ()
    refresh: bool = False
    shard: Shard = WHOLE
    parallel: int = 1
