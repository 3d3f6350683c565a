"""Decides whether a request comes within the rate of its key."""

from __future__ import annotations

import threading


class Gate:
    """The generic cell rate algorithm: a steady rate, with a burst as long as a window of it at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due = float("-inf")

    def admits(self, now: float, *, rate: float, window: float) -> bool:
        """Count one request at `now` seconds, unless it comes too early. `rate` in requests a second; 0: no limit."""
        if rate <= 0:
            return True
        with self._lock:
            due = max(self._due, now)
            if due - now > window:
                return False
            self._due = due + 1 / rate
            return True
