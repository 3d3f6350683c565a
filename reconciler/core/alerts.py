"""Decides when somebody is told of an export: when something goes wrong with it, and when that is over.

What was known before comes from the history alone. An export is in at most one kind of trouble with its work (failure,
blocked, degraded), and beside it may be overdue; each change of either is one alert. A run that was skipped or stopped
by somebody says nothing new, so whatever was so before it stays so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING

from reconciler.core.plan import Action
from reconciler.core.record import RunStatus

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from reconciler.core.due import Timing
    from reconciler.core.notify import Degraded, Notify
    from reconciler.core.record import ExportRun

LEAST_RUNS = 3
"""Runs below which there is no mean that another one could be far from."""

_SILENT = {RunStatus.SKIPPED, RunStatus.CANCELED, RunStatus.RUNNING}
_CHANGING = {Action.CREATE.value, Action.UPDATE.value}


class Kind(Enum):
    """What may be wrong with an export, the worst first: the words of `notify.on`."""

    FAILURE = "failure"
    BLOCKED = "blocked"
    OVERDUE = "overdue"
    DEGRADED = "degraded"


class Turn(Enum):
    """Whether it begins or is over."""

    FIRST = "first"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with an export at one moment. The sentence is without personal data, and not escaped."""

    kind: Kind
    sentence: str


@dataclass(frozen=True, slots=True)
class Moment:
    """What the history says of an export at one run. `told`: that run ended, so whoever is alerted has heard of it."""

    done: ExportRun
    told: bool = True


@dataclass(frozen=True, slots=True)
class Alert:
    """One change of one export, as it is told."""

    kind: Kind
    turn: Turn
    export: str
    connection: str
    sentence: str


def alerts(past: Sequence[Moment], overdue: Sequence[Trouble | None], to: Notify) -> tuple[Alert, ...]:
    """Give what one target is told of one export after its last run.

    `past` has every run of the export that the history remembers, the oldest first; the last of them is the one that
    has just ended. `overdue` says how it stood when somebody was last told, at the start of this run and at its end.
    """
    if not past:
        return ()
    states: list[Trouble | None] = [None, *troubles((moment.done for moment in past), to)]
    known = max((number for number, moment in enumerate(past[:-1], 1) if moment.told), default=0)
    late = overdue if Kind.OVERDUE.value in to.on else ()
    last = past[-1].done
    return tuple(
        Alert(trouble.kind, turn, last.export, last.connection, _told(turn, trouble))
        for turn, trouble in (*changes(states[known:]), *changes(late))
        if turn is Turn.FIRST or Turn.RECOVERY.value in to.on
    )


def changes(states: Iterable[Trouble | None]) -> Iterator[tuple[Turn, Trouble]]:
    """Give each change from one state to the next: another kind of trouble, or none any more."""
    for before, now in pairwise(states):
        if now is None and before is not None:
            yield Turn.RECOVERY, before
        elif now is not None and (before is None or before.kind is not now.kind):
            yield Turn.FIRST, now


def troubles(past: Iterable[ExportRun], to: Notify) -> Iterator[Trouble | None]:
    """Give how the work of an export stood after each of its runs.

    A trouble that the target does not ask for leaves what was so before: it must not pass for a recovery.
    """
    now: Trouble | None = None
    people: list[int] = []
    for done in past:
        if done.status not in _SILENT:
            found = _trouble(done, people, to.degraded)
            now = found if found is None or found.kind.value in to.on else now
        if done.action == Action.RETIRE.value and done.status is RunStatus.SUCCESSFUL:
            people.clear()  # what has the name from now on is another export
        elif _carried_out(done) and done.status not in _SILENT:
            people.append(_people(done))
        yield now


def overdue(timing: Timing | None, now: dt.datetime, tolerance: dt.timedelta) -> Trouble | None:
    """Say that a scheduled time went by without a run that served it, if it is longer ago than is tolerated."""
    if timing is None or timing.since is None or now - timing.since <= tolerance:
        return None
    since = f"{timing.since:%Y-%m-%d %H:%M %z}"
    return Trouble(Kind.OVERDUE, f"it was due at {since}, and no run has brought it up to date since then")


def _trouble(done: ExportRun, people: Sequence[int], limits: Degraded) -> Trouble | None:
    if done.action == Action.BLOCKED.value:
        return Trouble(Kind.BLOCKED, _reasons(done) or "a rule stops it")
    if done.status is RunStatus.INTERRUPTED:
        return Trouble(Kind.FAILURE, "the run was cut off; the next one goes on with it")
    if not _carried_out(done):
        return Trouble(Kind.FAILURE, _reasons(done) or "it failed")
    if done.action == Action.RETIRE.value:
        return None
    found = (_refused(done, limits), _nothing(done, people), _far(done, people, limits))
    told = "; ".join(sentence for sentence in found if sentence)
    return Trouble(Kind.DEGRADED, told) if told else None


def _carried_out(done: ExportRun) -> bool:
    """Tell whether a run did all that it could: whom Autopilot refuses by name is judged by the share of them."""
    return done.status is RunStatus.SUCCESSFUL or (
        done.status is RunStatus.FAILED and done.rejected > 0 and len(done.reasons) == 1
    )


def _people(done: ExportRun) -> int:
    """Count whom the export wanted at the destination."""
    return done.unchanged + done.sent + done.rejected


def _refused(done: ExportRun, limits: Degraded) -> str:
    if done.rejected * 100 <= limits.rejected * _people(done):
        return ""
    share = f"{done.rejected * 100 / _people(done):.3g}%"
    return f"Autopilot refused {done.rejected:,} of {_people(done):,} people ({share}, more than {limits.rejected:g}%)"


def _nothing(done: ExportRun, people: Sequence[int]) -> str:
    """Say that nobody was sent although there was something to send; what was only settings leaves all as they were."""
    if done.sent or done.left or done.rejected:
        return ""
    out = sum(done.excluded.values())
    if not _people(done) and out:
        return f"nobody was sent: all {out:,} who were chosen are left out"
    if done.action in _CHANGING and people and done.unchanged < people[-1]:
        return f"nobody was sent, although only {done.unchanged:,} of {people[-1]:,} people are as they were"
    return ""


def _far(done: ExportRun, people: Sequence[int], limits: Degraded) -> str:
    last = people[-limits.runs :]
    if len(last) < min(LEAST_RUNS, limits.runs):
        return ""
    mean = sum(last) / len(last)
    if abs(_people(done) - mean) * 100 <= limits.deviation * mean:
        return ""
    return (
        f"{_people(done):,} people, where the last {len(last):,} runs had {mean:,.0f} on average "
        f"(more than {limits.deviation:g}% away)"
    )


def _reasons(done: ExportRun) -> str:
    return "; ".join(done.reasons)


def _told(turn: Turn, trouble: Trouble) -> str:
    if turn is Turn.FIRST:
        return trouble.sentence
    match trouble.kind:
        case Kind.FAILURE:
            return "it failed before, and works again"
        case Kind.BLOCKED:
            return "it was blocked before, and runs again"
        case Kind.OVERDUE:
            return "it was overdue, and is up to date again"
        case Kind.DEGRADED:
            return "its people are as usual again"


def ranked(found: Collection[Alert]) -> tuple[Alert, ...]:
    """Order alerts: what begins before what is over, the worst first."""
    order = list(Kind)
    return tuple(sorted(found, key=lambda a: (a.turn is Turn.RECOVERY, order.index(a.kind), a.connection, a.export)))
