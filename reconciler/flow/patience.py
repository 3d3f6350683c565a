"""Decides how long a run that is to end still waits for the answers to what it has sent.

What it does not wait for is in doubt, as after a crash: its intent is on disk, and the next run clears it up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from reconciler.core.errors import Stopped
from reconciler.flow.crew import Crew

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from reconciler.core.ports import Clock
    from reconciler.flow.listing import Titles

T = TypeVar("T")

GRACE = 4.0
"""Seconds for requests in flight once a run is to end: it has promised to leave within 5, and must record as well."""


class Patience:
    """Without end until the run is told to `stop`, and then for GRACE seconds."""

    def __init__(self, stop: Callable[[], bool], clock: Clock) -> None:
        self._stop, self._clock = stop, clock
        self._since: float | None = None

    def stopped(self) -> bool:
        """Tell whether the run is to end."""
        return self._stop()

    def over(self) -> bool:
        """Tell whether to wait no more; the seconds count from the first call that finds the run stopped."""
        if not self._stop():
            return False
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
        return now - self._since >= GRACE

    def hold(self, ask: Callable[[], T]) -> T:
        """Ask on a thread of its own, and give the answer. Raises Stopped when it is waited for no more."""
        crew: Crew[T] = Crew(1)
        if not self.over():
            crew.begin(ask)
            crew.leave()
        while not self.over():
            if answers := crew.ended():
                return answers[0]
        raise Stopped("stopped before the answer came")


class Attended:
    """The lists of an account, asked for by the thread that keeps the record, with patience."""

    def __init__(self, titles: Titles, patience: Patience) -> None:
        self._titles, self._patience = titles, patience

    def lists(self) -> Mapping[str, tuple[str, ...]]:
        """Give the ids of the lists by title."""
        return self._patience.hold(self._titles.lists)

    def make_list(self, title: str) -> str:
        """Find the list of this title or make it, and give its id."""
        return self._patience.hold(lambda: self._titles.make_list(title))

    def members(self, list_id: str) -> Iterator[Sequence[tuple[str, str]]]:
        """Stream a list's members, page by page: (contact id, address)."""
        pages = self._titles.members(list_id)
        while (page := self._patience.hold(lambda: next(pages, None))) is not None:
            yield page
