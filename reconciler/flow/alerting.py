"""Decides whom a run alerts of what: the history before it and after it, for each export that it was about."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING

from reconciler.core.alerts import Moment, alerts, overdue, ranked
from reconciler.core.due import RUNS, TRIGGERS, Story, newest_first
from reconciler.flow.status import timing_of
from reconciler.flow.turns import names_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.core.alerts import Alert, Trouble
    from reconciler.core.due import Calendar
    from reconciler.core.model import Declarations, Export
    from reconciler.core.notify import Notify
    from reconciler.core.ports import LedgerReader
    from reconciler.core.record import ExportRun, Run

TOLERANCE = dt.timedelta(hours=1)
"""How long after a scheduled time an export is not called overdue: the clocks of workflows are late by as much."""

Told = tuple["Notify", tuple["Alert", ...]]


def told(declarations: Declarations, ledger: LedgerReader, calendar: Calendar, run: Run) -> tuple[Told, ...]:
    """Give each target that is to be told of a run, which has ended and is recorded. Raises StateError."""
    targets = declarations.project.notify
    if not targets:
        return ()
    story = _Story(declarations, ledger, calendar, run)
    found: defaultdict[Notify, list[Alert]] = defaultdict(list)
    for done in run.exports:
        moments, late = story.of(done)
        for target in targets:
            found[target] += alerts(moments, late, target)
    return tuple((target, ranked(found[target])) for target in targets if found[target])


class _Story:
    """The history up to a run, with that run, by export."""

    def __init__(self, declarations: Declarations, ledger: LedgerReader, calendar: Calendar, run: Run) -> None:
        self._declarations, self._calendar, self._run = declarations, calendar, run
        earlier = newest_first(one for one in ledger.runs(limit=RUNS) if one.trigger in TRIGGERS and one.id != run.id)
        self._runs = (run, *(one for one in earlier if one.started <= run.started))
        self._since: dict[int, Story] = {}
        self._by_name: defaultdict[tuple[str, str], list[tuple[int, ExportRun]]] = defaultdict(list)
        for number, one in enumerate(self._runs):
            for done in one.exports:
                self._by_name[done.connection, done.export].append((number, done))

    def of(self, done: ExportRun) -> tuple[list[Moment], list[Trouble | None]]:
        """Give every run of an export, the oldest first, and how late it was before, at the start and at the end."""
        export = self._declarations.exports.get(done.export)
        names = self._names(export, done)
        found = dict(sorted((entry for name in names for entry in self._by_name.get(name, ())), reverse=True))
        moments = [Moment(each, told=self._runs[number].ended is not None) for number, each in found.items()]
        if export is None:
            return moments, []
        before = next((number for number in sorted(found) if number and self._runs[number].ended is not None), None)
        known = None if before is None else self._late(export, names, before, self._runs[before].ended)
        now = self._late(export, names, 1, self._run.started), self._late(export, names, 0, self._run.ended)
        return moments, [known, *now]

    def _names(self, export: Export | None, done: ExportRun) -> Collection[tuple[str, str]]:
        own = {(done.connection, done.export)}
        if export is None or export.connection is None:
            return own
        former = self._declarations.connections[export.connection].previous_name
        return own | set(names_of(export, former or export.connection))

    def _late(
        self, export: Export, names: Collection[tuple[str, str]], since: int, now: dt.datetime | None
    ) -> Trouble | None:
        """Judge the schedule by the runs from number `since` on, at a time."""
        if now is None:
            return None
        if since not in self._since:
            self._since[since] = Story(self._runs[since:])
        return overdue(timing_of(self._calendar, export, self._since[since].of(names), now), now, TOLERANCE)
