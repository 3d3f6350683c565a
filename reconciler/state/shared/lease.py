"""The lease on a shared ledger: an object that its holder renews. It decides who may write, and when a holder is gone.

Unlike on one machine, nobody sees whether the holder's process still runs: a holder that died is waited for until its
lease has run out. Clocks differ between machines, so it is also gone when nobody renewed the lease for its whole term,
as seen from here. That a late holder records no more does not hang on this: the log sees to it.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from reconciler.core.errors import StateError, StateLocked, StoreConflict
from reconciler.state import lease as leases
from reconciler.state.lease import RENEWALS, Lease, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.core.custody import Holder
    from reconciler.core.ports import Clock
    from reconciler.core.store import Store, Stored

STEP = 1.0
"""Seconds between two looks at a lease that another holds."""

SAFETY = 0.8
"""Part of its term after which a lease that could not be renewed counts as lost: clocks do not tick alike."""


class Tenancy:
    """The leases that a run holds on some ledgers, until they are released or lost; a context manager.

    May be asked from every thread. A thread renews them meanwhile; one that is lost is all of them.
    """

    def __init__(
        self, store: Store, held: dict[str, str], lease: Lease, clock: Clock, left: Callable[[], None]
    ) -> None:
        self._store, self._held, self._lease, self._clock, self._left = store, held, lease, clock, left
        self._lost = False
        self._until = clock.monotonic() + lease.term * SAFETY
        self._mutex = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="lease", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether it was released."""
        return self._over.is_set()

    def lost(self) -> bool:
        """Tell whether another may write by now, so that nothing may be sent and recorded any more."""
        if not self._lost and self._clock.monotonic() >= self._until:
            with self._mutex:  # the thread may be at it
                if self._clock.monotonic() >= self._until:
                    self._renew()
                    self._lost = self._lost or self._clock.monotonic() >= self._until
        return self._lost

    def check(self) -> None:
        """Raise StateLocked when it is lost."""
        if self.lost():
            raise StateLocked("the lease on the state is lost: this run sends and records no more")

    def release(self) -> None:
        """Let the next writer in. May be called twice."""
        self._over.set()
        with self._mutex:
            for name, version in self._held.items():
                with suppress(StateError):  # it runs out by itself
                    self._store.replace(place(name), b"", version)
            self._held = {}
        self._thread.join()
        self._left()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _keep_up(self) -> None:
        while not self._over.wait(self._lease.term / RENEWALS):
            with self._mutex:
                self._renew()
            if self._lost:
                return

    def _renew(self) -> None:
        began = self._clock.monotonic()
        expires = self._clock.now() + timedelta(seconds=self._lease.term)
        written = replace(self._lease, expires=expires).written()
        try:
            for name, version in self._held.items():
                self._held[name] = self._renewed(name, written, version)
        except StoreConflict:
            self._lost = True
        except StateError:
            return  # a store that is away for a moment costs the rest of the lease, not the run
        else:
            self._until = began + self._lease.term * SAFETY

    def _renewed(self, name: str, written: bytes, version: str) -> str:
        try:
            return self._store.replace(place(name), written, version)
        except StoreConflict:
            found = self._store.read(place(name))  # the answer to a renewal of ours may have been lost
            mine = leases.parsed(found.data) if found else None
            if found is None or mine is None or mine.token != self._lease.token:
                raise
            return self._store.replace(place(name), written, found.version)


def place(name: str) -> str:
    """Give where the lease on a ledger is."""
    return f"connections/{name}/lock"


def taken(  # what it is on, for whom, for how long, and what is done after it
    store: Store, names: Sequence[str], *, who: str, clock: Clock, wait: float, term: float, left: Callable[[], None]
) -> Tenancy:
    """Take the leases of these ledgers, in the order of the alphabet, so that two runs never wait for each other.

    Raises StateLocked when one of them is held for longer than `wait` seconds, StateError.
    """
    lease = leases.begun(secrets.token_hex(8), who, clock.now(), term)
    until = clock.monotonic() + wait
    held: dict[str, str] = {}
    try:
        for name in sorted(names):
            held[name] = _taken(store, name, lease, clock, until)
    except BaseException:
        for name, version in held.items():
            with suppress(StateError):
                store.replace(place(name), b"", version)
        raise
    return Tenancy(store, held, replace(lease, since=clock.now()), clock, left)


def _taken(store: Store, name: str, lease: Lease, clock: Clock, until: float) -> str:
    watch = Watch(clock)
    while True:
        now = clock.now()
        written = replace(lease, since=now, expires=now + timedelta(seconds=lease.term)).written()
        found = store.read(place(name))
        with suppress(StoreConflict):  # another was quicker: look again
            if found is None:
                return store.create(place(name), written)
            if not found.data or watch.gone(found.data, locked=None):
                return store.replace(place(name), written, found.version)
        if clock.monotonic() >= until:
            raise StateLocked(_told(name, store.read(place(name)), clock))
        clock.sleep(min(STEP, max(until - clock.monotonic(), 0)))


def holder(store: Store, name: str, clock: Clock) -> Holder | None:
    """Say who holds the lease; None when nobody does, or it ran out."""
    found = store.read(place(name))
    if found is None or not found.data:
        return None
    return leases.described(found.data, clock.now())


def taken_away(store: Store, name: str, token: str) -> None:
    """Take the lease from the holder that `token` names. Raises StateError when it changed hands meanwhile."""
    found = store.read(place(name))
    lease = leases.parsed(found.data) if found else None
    if found is None or (lease.token if lease else "") != token:
        raise StateError(f"{name}: the lock changed hands meanwhile; look again")
    try:
        store.replace(place(name), b"", found.version)
    except StoreConflict as error:
        raise StateLocked(f"{name}: its holder renewed the lock; look again") from error


def _told(name: str, found: Stored | None, clock: Clock) -> str:
    subject = f"the state of connection {name} is locked"
    lease = leases.parsed(found.data) if found else None
    if lease is None:
        return f"{subject} by another process"
    told = f"{subject} by {lease.who} on {lease.host} (process {lease.pid}) since {lease.since:%Y-%m-%d %H:%M:%S%z}"
    left = (lease.expires - clock.now()).total_seconds()
    return f"{told}; it frees itself {max(left, 0):,.0f} s after its holder died; `reconciler unlock` takes it away"
