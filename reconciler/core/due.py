"""Decides whether an export is due: its scheduled times against what the history remembers of its runs.

However many scheduled times went by, one run makes up for all of them: each run brings the whole of an export up to
date. What failed, was blocked, canceled or cut off was no run, so the export stays due.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from reconciler.core.plan import Action
from reconciler.core.record import RunStatus

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Iterator

    from reconciler.core.model import Schedule
    from reconciler.core.record import ExportRun, Run

RUNS = 100_000
"""More runs than a ledger keeps: it drops the oldest, but never the last one that an export really had."""

TRIGGERS = frozenset({"merge", "schedule", "demand"})
"""The triggers of runs that list every export; `forget` and `import` are about people."""

NOT_DUE = "not due"
"""How the reason of an export begins that has nothing to do at this time."""


class Calendar(Protocol):
    """Knows when schedules come round."""

    def __call__(self, schedule: Schedule, after: dt.datetime, /) -> Iterator[dt.datetime]:
        """Give the moments after a moment, ascending, each with the offset from UTC that the zone has then."""
        ...


@dataclass(frozen=True, slots=True)
class Past:
    """What the history says of one export.

    `served`: when the last run started that brought it up to date, or saw that nothing of its source had changed.
    `known`: the moment since which somebody could have run it, as far as the history tells; None: it tells nothing.
    `last`: its last real run, `fresh` the last one that succeeded, `skipped` what was said when it was left out since.
    """

    served: dt.datetime | None = None
    known: dt.datetime | None = None
    last: tuple[Run, ExportRun] | None = None
    fresh: tuple[Run, ExportRun] | None = None
    skipped: ExportRun | None = None


def newest_first(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Order runs by their start: those of connections that are recorded apart are numbered apart."""
    return tuple(sorted(runs, key=lambda run: run.started, reverse=True))


class Story:
    """Runs from the newest on, in which every export of a project is looked up: each run is gone through once."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = tuple(runs)
        self._places: dict[int, dict[tuple[str, str], int]] = {}

    def of(self, names: Collection[tuple[str, str]]) -> Past:
        """Find what there is of an export, by the (connection, name) that it has or had."""
        return _past(((run, self._done(number, run, names)) for number, run in enumerate(self._runs)))

    def _done(self, number: int, run: Run, names: Collection[tuple[str, str]]) -> ExportRun | None:
        if number not in self._places:
            backwards = range(len(run.exports) - 1, -1, -1)
            self._places[number] = {(run.exports[at].connection, run.exports[at].export): at for at in backwards}
        places = self._places[number]
        found = min((places[name] for name in names if name in places), default=None)
        return None if found is None else run.exports[found]


def _past(runs: Iterable[tuple[Run, ExportRun | None]]) -> Past:
    """Put together what runs, from the newest on, did of an export; what was before it was retired is of another."""
    served = known = before = last = fresh = skipped = None
    for run, done in runs:
        if done is None or done.action == Action.RETIRE.value:
            if before is None and run.ended is not None and run.trigger in TRIGGERS:
                before = run.started
            if done is None:
                continue
            break
        known = run.started
        if done.status is RunStatus.SKIPPED:
            skipped = skipped or (done if last is None else None)
        else:
            last = last or (run, done)
        if run.trigger in TRIGGERS and served is None and serves(done):
            served = run.started
        if run.trigger in TRIGGERS and done.status is RunStatus.SUCCESSFUL:
            fresh = (run, done)
            break
    return Past(served, known or before, last, fresh, skipped)


def serves(done: ExportRun) -> bool:
    """Tell whether a run was one for this export. One that is left out has a mark when its source was looked at."""
    return done.status is RunStatus.SUCCESSFUL or (done.status is RunStatus.SKIPPED and bool(done.source_mark))


@dataclass(frozen=True, slots=True)
class Timing:
    """Whether an export is due `now`, since which scheduled time, and when the next one comes.

    `since` None while it is due: it never ran, and nothing tells since when it should have. `next` None: never.
    """

    now: bool
    since: dt.datetime | None
    next: dt.datetime | None


def timing(calendar: Calendar, schedule: Schedule, past: Past, now: dt.datetime) -> Timing:
    """Judge one schedule.

    An export that never ran is due at the first scheduled time after it was first seen, so that one which is declared
    on a Wednesday for Mondays waits for Monday. Where nothing is remembered at all, as at the very first run or when
    the state was lost, it is due at once: a run too many changes nothing that is right already, and one that is
    missing nobody would see.
    """
    coming = next(calendar(schedule, now), None)
    base = past.served or past.known
    if base is None:
        return Timing(now=True, since=None, next=coming)
    first = next(calendar(schedule, base), None)
    since = first if first is not None and first <= now else None
    return Timing(now=since is not None, since=since, next=coming)


def not_due(schedule: Schedule, timing: Timing, now: dt.datetime) -> str:
    """Say when an export is due that is not, as in `not due: next on Tue 24 Nov 06:00 (Europe/Madrid)`."""
    coming = timing.next
    if coming is None:
        return f"{NOT_DUE}: its schedule has no time to come"
    year = "" if coming.year == now.astimezone(coming.tzinfo).year else f" {coming.year}"
    return f"{NOT_DUE}: next on {coming:%a} {coming.day} {coming:%b}{year} {coming:%H:%M} ({schedule.timezone})"
