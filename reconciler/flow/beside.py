"""Does the work of several connections side by side. It decides what the fault of one means for the others.

Most of the time of a run is spent waiting for the pace of an account, and each account has its own.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from reconciler.flow.crew import Crew

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class SideBySide(Generic[T]):
    """Up to `most` pieces of work at a time, each on a thread of its own. Used once.

    What one of them raises ends the rest: what has not begun is left, what has begun is asked to end by `over`, and
    waited for, because it may be writing. Then it is raised.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._fault: BaseException | None = None
        self._over = threading.Event()

    def over(self) -> bool:
        """Tell whether one of them has failed, so that the others are to end in good order."""
        return self._over.is_set()

    def done(self, work: Sequence[Callable[[], T]], first: Callable[[int], float] = float) -> list[T]:
        """Do it all, and give what came of it in the order of `work`; it is begun in the order of `first`."""
        found: dict[int, T] = {}
        order = sorted(range(len(work)), key=first)
        if min(self._most, len(work)) < 2:  # noqa: PLR2004  # one after another needs no threads
            found = {position: work[position]() for position in order}
            return [found[position] for position in range(len(work))]
        crew: Crew[None] = Crew(self._most, "connection")
        for position in order:
            crew.begin(partial(self._do, position, work[position], found))
        crew.leave()
        while crew.busy:
            crew.ended()
        if self._fault is not None:
            raise self._fault
        return [found[position] for position in range(len(work))]

    def _do(self, position: int, act: Callable[[], T], found: dict[int, T]) -> None:
        if self.over():
            return
        try:
            found[position] = act()
        except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits
            self._fault = self._fault or error
            self._over.set()
