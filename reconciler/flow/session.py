"""One run of `apply`, from the lock to the last record: it holds the right to write while it is open."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Protocol, Self

from reconciler.core.errors import DestinationError, SecretMissing
from reconciler.core.model import Run, RunStatus
from reconciler.flow.apply import Means, carry_out
from reconciler.flow.doubts import clear_up
from reconciler.flow.outside import Request
from reconciler.flow.plan import prepare

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from reconciler.core.digest import Digests
    from reconciler.core.model import Declarations
    from reconciler.core.plan import Plan
    from reconciler.core.ports import Clock, Ledger
    from reconciler.flow.outside import Outside
    from reconciler.flow.plan import Prepared


class Shop(Protocol):
    """What a session is given: openers of everything that a run needs."""

    @property
    def clock(self) -> Clock:
        """The clock."""
        ...

    @property
    def stop(self) -> Callable[[], bool]:
        """Whether the run is to end."""
        ...

    def declarations(self) -> Declarations:
        """Load what is declared."""
        ...

    def state_folder(self, declarations: Declarations | None = None) -> Path:
        """Give the folder that holds the state."""
        ...

    def lock(self, folder: Path, wait: float) -> AbstractContextManager[object]:
        """Take the right to write."""
        ...

    def digests(self, folder: Path, *, make: bool) -> tuple[Digests, bytes | None]:
        """Give the digests, and the key that they are under."""
        ...

    def ledger(self, folder: Path, key: bytes) -> Ledger:
        """Open the ledger."""
        ...

    def outside(self, declarations: Declarations) -> Outside:
        """Give the openers of sources and destinations."""
        ...


class Session:
    """A run that holds the lock. Plan first, then carry out what was planned."""

    def __init__(self, shop: Shop, *, lock_timeout: float) -> None:
        self._shop, self._timeout = shop, lock_timeout
        self._stack = ExitStack()
        self._prepared: tuple[Prepared, ...] = ()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            shop = self._shop
            self._declarations = shop.declarations()
            folder = shop.state_folder(self._declarations)
            stack.enter_context(shop.lock(folder, self._timeout))
            self._digests, key = shop.digests(folder, make=True)
            assert key is not None
            self._ledger = stack.enter_context(closing(shop.ledger(folder, key)))
            self._outside = shop.outside(self._declarations)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def plan(self, exports: tuple[str, ...], trigger: str) -> Plan:
        """Plan afresh, and keep the people to be pushed."""
        request = Request(exports, trigger, keep=True)
        plan, self._prepared = self._prepare(request)
        stale = [self._clear_up(one) for one in self._prepared]  # every one of them, so not inside any()
        if any(stale):
            plan, self._prepared = self._prepare(request)
        return plan

    def _prepare(self, request: Request) -> tuple[Plan, tuple[Prepared, ...]]:
        return prepare(self._declarations, self._ledger, self._outside, self._digests, request)

    def _clear_up(self, one: Prepared) -> bool:
        """Clear up doubts; where that is not possible now, they stay, and what the run needs of Autopilot fails."""
        try:
            return clear_up(one, self._ledger, self._outside, self._digests)
        except (DestinationError, SecretMissing):
            return False

    def carry_out(self, plan: Plan, trigger: str) -> Run:
        """Push what was planned, and record the run."""
        started = self._shop.clock.now()
        run = Run(
            id=f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
            started=started,
            ended=None,
            trigger=trigger,
            status=RunStatus.RUNNING,
            checksum=plan.checksum,
        )
        means = Means(self._ledger, self._outside, self._digests, self._shop.stop)
        return carry_out(plan, self._prepared, means, run)
