"""One run of `apply`, from the lock to the last record: it holds the right to write while it is open."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Self

from reconciler.core.errors import DestinationError, SecretMissing
from reconciler.core.record import Run, RunStatus
from reconciler.core.shards import WHOLE
from reconciler.flow import alerting
from reconciler.flow.apply import BUSY, Means, begun, carry_out
from reconciler.flow.beside import SideBySide
from reconciler.flow.doubts import clear_up
from reconciler.flow.erasing import finish
from reconciler.flow.opened import opened, run_id
from reconciler.flow.outside import Request
from reconciler.flow.plan import prepare
from reconciler.flow.refresh import look

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.core.allow import Allowance
    from reconciler.core.outcome import Erased
    from reconciler.core.plan import Plan
    from reconciler.core.shards import Shard
    from reconciler.flow.doubts import Cleared
    from reconciler.flow.opened import Shop
    from reconciler.flow.plan import Prepared
    from reconciler.flow.saved import Ticket


class Session:
    """A run that holds the lock. Plan first, then carry out what was planned.

    With a `ticket` it carries out that saved plan and no other; every check of it raises PlanRefused. With `exports` or
    a `shard` it holds what is recorded of their connections, and leaves those of others to others. `parallel`
    connections are pushed at a time.
    """

    def __init__(
        self,
        shop: Shop,
        *,
        lock_timeout: float,
        ticket: Ticket | None = None,
        exports: tuple[str, ...] = (),
        shard: Shard = WHOLE,
        parallel: int = 1,
    ) -> None:
        self._shop, self._timeout, self._ticket, self._exports = shop, lock_timeout, ticket, exports
        self._shard, self._parallel = shard, parallel
        self._stack = ExitStack()
        self._prepared: tuple[Prepared, ...] = ()
        self.unerased: tuple[Erased, ...] = ()

    def __enter__(self) -> Self:
        desk = self._stack.enter_context(opened(self._shop, self._timeout, self._exports, self._shard))
        self._declarations, self._digests = desk.declarations, desk.digests
        self._ledger, self._outside = desk.ledger, desk.outside
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def plan(
        self, exports: tuple[str, ...], trigger: str, allowances: tuple[Allowance, ...] = (), *, refresh: bool = False
    ) -> Plan:
        """Plan afresh, and keep the people to be pushed. Raises SecretMissing before anybody is asked to agree.

        With `refresh`, or where the state was put back, what is at Autopilot is recorded first, so that the plan mends
        it; raises DestinationError when that cannot be read. Erasures that were begun are gone on with; `unerased` has
        those that are not done.
        """
        if self._ticket is not None:
            self._ticket.admit(self._declarations, self._ledger, self._shop.clock.now())
        request = Request(
            exports, trigger, keep=True, allowances=allowances, shard=self._shard, parallel=self._parallel
        )
        self.unerased = finish(self._declarations, self._ledger, self._outside)
        found = look(self._declarations, self._ledger, self._outside, self._digests, request, whole=refresh)
        found.record(self._ledger)
        plan, self._prepared = self._prepare(request)
        if self._clear_up():
            plan, self._prepared = self._prepare(request)
        if self._ticket is not None:
            self._ticket.match(plan)
        for one in self._prepared:
            if one.connection is not None and any(e.action in BUSY for e in one.judged.plan.exports):
                self._shop.check_key(one.connection)
        return found.told(plan, self._prepared)

    def _prepare(self, request: Request) -> tuple[Plan, tuple[Prepared, ...]]:
        return prepare(self._declarations, self._ledger, self._outside, self._digests, request)

    def _clear_up(self) -> bool:
        """Clear up doubts; gives whether the plan is stale. Lists are read side by side, and this thread records."""
        beside: SideBySide[Cleared | None] = SideBySide(self._parallel)
        found = beside.done([partial(self._cleared, one) for one in self._prepared])
        for one, cleared in zip(self._prepared, found, strict=True):
            if cleared is not None:
                self._ledger.commit(one.recorded_name, cleared.batch)
        return any(cleared.changed for cleared in found if cleared is not None)

    def _cleared(self, one: Prepared) -> Cleared | None:
        """Look at one connection; where that is not possible, doubts stay, and what the run needs of it fails."""
        try:
            return clear_up(one, self._ledger, self._outside, self._digests)
        except (DestinationError, SecretMissing):
            return None

    def carry_out(self, plan: Plan, trigger: str, progress: Callable[[int], None] = lambda _: None) -> Run:
        """Push what was planned, and record the run. `progress` is told of people brought up to date."""
        started = self._shop.clock.now()
        run = Run(
            id=run_id(started),
            started=started,
            ended=None,
            trigger=trigger,
            status=RunStatus.RUNNING,
            checksum=plan.checksum,
            exports=begun(plan),
            seal=self._ticket.seal if self._ticket is not None else "",
        )
        means = Means(self._ledger, self._outside, self._digests, self._shop.stop, progress, self._parallel)
        return carry_out(plan, self._prepared, means, run)

    def alerts(self, run: Run) -> tuple[alerting.Told, ...]:
        """Give who is to be told what of a run that has been carried out. Raises StateError."""
        return alerting.told(self._declarations, self._ledger, self._outside.calendar, run)

    @property
    def project(self) -> str:
        """What the project is called."""
        return self._declarations.project.name
