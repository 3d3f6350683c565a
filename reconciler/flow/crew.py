"""Threads that work is done on, for the one thread that waits for it. It decides nothing.

They are daemons, so that a request which is never answered does not keep the process once nobody waits for it.
"""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, wait
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SLICE = 0.2
"""Seconds between two looks at whether the run is to end."""


class Crew(Generic[T]):
    """Up to `size` threads, each started when it is needed; `work` is what their names say."""

    def __init__(self, size: int, work: str = "push") -> None:
        self._size, self._name, self._threads = size, work, 0
        self._todo: SimpleQueue[tuple[Future[T], Callable[[], T]] | None] = SimpleQueue()
        self._doing: set[Future[T]] = set()

    def begin(self, act: Callable[[], T]) -> None:
        """Do this on a thread that is free, or on the next that becomes so."""
        future: Future[T] = Future()
        self._doing.add(future)
        if self._threads < min(len(self._doing), self._size):
            self._threads += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
        self._todo.put((future, act))

    @property
    def busy(self) -> bool:
        """Whether something was begun that has not been given back."""
        return bool(self._doing)

    def ended(self) -> list[T]:
        """Wait for an instant, and give what has ended meanwhile. Raises what one of them raised."""
        done, self._doing = wait(self._doing, SLICE, return_when=FIRST_COMPLETED)
        return [future.result() for future in done]

    def leave(self) -> None:
        """Let the threads go, each when it has done what it does."""
        for _ in range(self._threads):
            self._todo.put(None)

    def _work(self) -> None:
        while (task := self._todo.get()) is not None:
            future, act = task
            try:
                future.set_result(act())
            except BaseException as error:  # noqa: BLE001  # raised again by the thread that takes it
                future.set_exception(error)
