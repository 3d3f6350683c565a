"""Says on what machine the figures were taken, and how busy it was; it decides nothing."""

from __future__ import annotations

import os
import platform


def load() -> str:
    """Give the mean number of processes that ran in the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def machine(before: str) -> str:
    """Describe it; `before` is the load of before the runs."""
    return (
        f"Python {platform.python_version()} on {platform.system()}, {os.cpu_count()} cores, "
        f"load {before} before and {load()} after"
    )
