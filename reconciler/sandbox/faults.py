"""Decides which fault strikes a request: by count and by seed, never by the clock."""

from __future__ import annotations

import random
import threading
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.sandbox.switches import Fault


class FaultPicker:
    """Counts what matches each fault of one setting of the switches."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._faults = faults
        self._matches = [0] * len(faults)
        self._strikes = [0] * len(faults)
        self._lock = threading.Lock()

    def pick(self, method: str, path: str) -> Fault | None:
        """Count one request, and give the first fault that strikes it."""
        if not self._faults:
            return None
        with self._lock:
            striking = [i for i, fault in enumerate(self._faults) if self._strikes_at(i, fault, method, path)]
            if not striking:
                return None
            self._strikes[striking[0]] += 1
            return self._faults[striking[0]]

    def _strikes_at(self, index: int, fault: Fault, method: str, path: str) -> bool:
        if fault.method not in (None, method) or (fault.path is not None and not fnmatchcase(path, fault.path)):
            return False
        self._matches[index] += 1
        match = self._matches[index]
        if match < fault.nth or (match - fault.nth) % fault.every:
            return False
        if fault.count is not None and self._strikes[index] >= fault.count:
            return False
        return random.Random(f"{fault.seed}:{match}").random() < fault.probability  # noqa: S311  # repeatable, no secret
