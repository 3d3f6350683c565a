"""Saves a plan, and brings a saved one to be carried out: gathers what it is held against. The core judges."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from reconciler.core import review
from reconciler.core.allow import settled
from reconciler.core.canonical import declared
from reconciler.core.errors import SecretMissing
from reconciler.core.seal import Sealed, held, reviewed, seal_of, sealed, unsealed
from reconciler.flow import planfile
from reconciler.flow.opened import reach
from reconciler.flow.outside import Request

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection
    from pathlib import Path

    from reconciler.core.digest import Digests
    from reconciler.core.model import Declarations
    from reconciler.core.plan import Plan
    from reconciler.core.ports import Clock, LedgerReader


class Openers(Protocol):
    """What is needed of the workshop."""

    @property
    def clock(self) -> Clock:
        """The clock."""
        ...

    def declarations(self) -> Declarations:
        """Load what is declared."""
        ...

    def state_folder(self, declarations: Declarations | None = None) -> Path:
        """Give the folder that holds the state."""
        ...

    def digests(self, folder: Path, *, make: bool) -> tuple[Digests, bytes | None]:
        """Give the digests, and the key that they are under."""
        ...

    def reader(
        self, folder: Path, key: bytes | None, among: Callable[[str], bool] = ..., only: Collection[str] | None = ...
    ) -> LedgerReader:
        """Open what is recorded, without writing, of connections of which `among` is true: of `only` these at most."""
        ...

    def commit(self) -> str | None:
        """Give the commit that is checked out, if the project is in a git repository."""
        ...


@dataclass(frozen=True, slots=True)
class Ticket:
    """A saved plan that may be carried out once, and how strictly: `drift` in percent of each count."""

    plan: Sealed
    seal: str
    max_age: dt.timedelta
    drift: float = 0.0

    @property
    def request(self) -> Request:
        """What was asked for when it was made."""
        told = self.plan
        return Request(told.exports, told.trigger, allowances=told.allowances, refresh=told.refresh, shard=told.shard)

    def admit(self, declarations: Declarations, ledger: LedgerReader, now: dt.datetime) -> None:
        """Refuse it for what can be seen without a fresh plan. Raises PlanRefused."""
        identity = ledger.identity()
        here = review.Here(
            now=now,
            project=declarations.project.name,
            lineage=identity.lineage if identity else None,
            serial=identity.serial if identity else 0,
            declarations=declared(declarations),
            used_by=ledger.used_by(self.seal),
        )
        review.admit(self.plan, here, self.max_age)

    def match(self, fresh: Plan) -> None:
        """Refuse a fresh plan that is not the one that was reviewed. Raises PlanRefused."""
        review.match(self.plan, fresh, self.drift)


def check(path: Path, digests: Digests) -> None:
    """Refuse before anything is read that takes long. Raises SecretMissing, ReconcilerError."""
    if not digests.lasting:
        raise SecretMissing(
            "--out: a saved plan is sealed with the state key, and there is none yet: set RECONCILER_STATE_KEY, "
            "or apply once without a saved plan, which makes one"
        )
    planfile.check(path)


def save(  # what a plan is made of
    path: Path,
    plan: Plan,
    request: Request,
    declarations: Declarations,
    ledger: LedgerReader,
    shop: Openers,
    digests: Digests,
) -> None:
    """Write a sealed plan into a file. Raises ReconcilerError."""
    identity = ledger.identity()
    waivers = ((export.name, waiver) for export in plan.exports for waiver in export.allowed)
    told = Sealed(
        created=shop.clock.now(),
        project=declarations.project.name,
        lineage=identity.lineage if identity else None,
        serial=identity.serial if identity else 0,
        commit=shop.commit(),
        declarations=declared(declarations),
        exports=request.exports,
        trigger=request.trigger,
        refresh=request.refresh,
        allowances=settled(request.allowances, waivers),
        checksum=plan.checksum,
        reviewed=reviewed(plan),
        connections=held(plan),
        shard=request.shard,
    )
    planfile.keep(path, sealed(told, digests))


def present(path: Path, shop: Openers, *, max_age: dt.timedelta, drift: float) -> Ticket:
    """Open a saved plan, and refuse before anything is locked, made or sent what can be refused then.

    Raises PlanRefused. What may change meanwhile is judged again by the session that holds the lock.
    """
    file = planfile.load(path)
    declarations = shop.declarations()
    folder = shop.state_folder(declarations)
    digests, key = shop.digests(folder, make=False)
    ticket = Ticket(unsealed(file, digests if digests.lasting else None), seal_of(file), max_age, drift)
    reached = reach(declarations, ticket.plan.exports, ticket.plan.shard)
    with closing(shop.reader(folder, key, reached.among, reached.only)) as reader:
        ticket.admit(declarations, reader, shop.clock.now())
    return ticket
