"""Decides when the next request may leave: one pace per API key, over all threads and exports."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from reconciler.core.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.core.ports import Clock

SHARE = 0.99
"""The part of the limit that is used: what the network adds to the gaps must not push a server's count over it."""

WARY = 0.97
"""The part that is used once a server has said that it was too much: it counts more strictly, or is further away."""

SLICE = 0.2
"""Seconds between two looks at whether the run is to stop, or the pace is held."""


def never() -> bool:
    """Stop never."""
    return False


class Pace:
    """Evenly spaced slots, `rate` a second at most in any one second (GCRA without a burst).

    Threads take the slots in turn: only the one in front sleeps, the others wait for their turn. A slot that nobody
    came for is lost, not saved up. `stop` is asked while waiting: once it says yes, every wait ends with Stopped.
    """

    def __init__(self, rate: float, clock: Clock, stop: Callable[[], bool] = never) -> None:
        if not rate > 0:
            raise ValueError("a pace needs a rate above 0")
        self._rate = rate
        self._gap = 1 / (rate * SHARE)
        self._clock = clock
        self._stop = stop
        self._turn = threading.Lock()
        self._holding = threading.Lock()
        self._next = clock.monotonic()
        self._held = self._next

    def slow_to(self, rate: float) -> None:
        """Let no more than `rate` a second pass from now on, where that is less than so far."""
        with self._holding:
            self._gap = max(self._gap, 1 / (rate * SHARE))

    def wait(self) -> None:
        """Block until the next slot. Raises Stopped when the run is to stop."""
        with self._turn:
            slot = max(self._next, self._clock.monotonic())
            while self._clock.monotonic() < (slot := max(slot, self._held)):
                self._nap(slot)
            self._go_on()
            self._next = slot + self._gap

    def hold(self, seconds: float) -> None:
        """Let no thread go for so long from now on, and then with wider gaps; who waits already is held as well."""
        until = self._clock.monotonic() + seconds
        with self._holding:
            self._held = max(self._held, until)
            self._gap = 1 / (self._rate * WARY)

    def pause(self, seconds: float) -> None:
        """Sleep on this thread alone, outside of the slots. Raises Stopped when the run is to stop."""
        until = self._clock.monotonic() + seconds
        while self._clock.monotonic() < until:
            self._nap(until)
        self._go_on()

    def _nap(self, until: float) -> None:
        self._go_on()
        self._clock.sleep(min(max(0.0, until - self._clock.monotonic()), SLICE))

    def _go_on(self) -> None:
        if self._stop():
            raise Stopped("stopped before the request was sent")
