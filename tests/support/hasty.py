"""A clock on which every wait is over at once."""

from __future__ import annotations

import threading
import time

from reconciler.clock import SystemClock


class HastyClock(SystemClock):
    """Sleeping costs no time: it moves the clock instead. May be used from any thread."""

    def __init__(self) -> None:
        self._slept = 0.0
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        """Give the seconds of the machine, and those slept."""
        return time.monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        """Move on."""
        with self._lock:
            self._slept += max(seconds, 0.0)
