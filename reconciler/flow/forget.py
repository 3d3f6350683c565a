"""Forgets one person, in every connection of the project. It decides that nobody is deleted before being suppressed.

Suppressed first, durably; then erased in one connection after another. Cut off anywhere, it goes on when it is asked
again, or with the next run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.errors import ReconcilerError
from reconciler.core.outcome import Receipt
from reconciler.core.record import Run, RunStatus
from reconciler.flow.erasing import erase, places
from reconciler.flow.opened import opened, run_id

if TYPE_CHECKING:
    from reconciler.flow.opened import Shop

TRIGGER = "forget"


def forget(shop: Shop, raw: str, *, lock_timeout: float) -> Receipt:
    """Suppress an address for ever, and erase the person. Works for an address that is nowhere too.

    Raises ReconcilerError for what is no address, StateError, SecretMissing; no message repeats the address.
    """
    with opened(shop, lock_timeout) as desk:
        address = desk.outside.addresses(raw)
        if address is None:
            raise ReconcilerError("that is not an email address, and nothing was done")
        key = desk.digests.person(address)
        known = places(desk.declarations, desk.ledger)
        desk.ledger.suppress(key, known)
        started = shop.clock.now()
        run = Run(run_id(started), started, None, TRIGGER, RunStatus.RUNNING, "")
        desk.ledger.start(run)
        done = tuple(
            erase(name, connection, key, address, desk.ledger, desk.outside) for name, connection in known.items()
        )
        status = RunStatus.FAILED if any(one.fault for one in done) else RunStatus.SUCCESSFUL
        desk.ledger.finish(
            run.id,
            ended=shop.clock.now(),
            status=RunStatus.CANCELED if shop.stop() else status,
            requests=sum(one.requests for one in done),
            exports=(),
        )
    return Receipt(run.id, key, done)
