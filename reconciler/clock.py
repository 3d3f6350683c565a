"""The clock of the machine. It decides nothing."""

from __future__ import annotations

import datetime as dt
import time


class SystemClock:
    """UTC, a monotonic counter, and real sleep."""

    def now(self) -> dt.datetime:
        """Give the time in UTC."""
        return dt.datetime.now(dt.UTC)

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
