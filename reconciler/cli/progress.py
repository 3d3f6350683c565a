"""Shows how far a run has come, on a terminal only."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.core.plan import Plan


@contextmanager
def shown(plan: Plan) -> Iterator[Callable[[int], None]]:
    """Give a function that is told of people brought up to date; where nobody watches, it does nothing."""
    people = sum(e.profiles.create + e.profiles.update + e.profiles.leave for e in plan.exports)
    if not people or not sys.stderr.isatty() or os.environ.get("CI"):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("pushing", total=people)
        yield lambda number: bar.advance(task, number)
