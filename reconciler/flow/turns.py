"""Decides which exports a schedule passes over: those that are not due, and those for which nothing has changed.

A mark stands for all that goes into what an export sends: the source's content, everything declared, and who is
suppressed. With it is recorded what the ledger held of the export when a run had brought it up to date, so that
whatever was written since, by whatever command or by half a run, makes the next run look again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.core.canonical import declared
from reconciler.core.due import RUNS, Story, newest_first, not_due, timing
from reconciler.core.errors import SourceError
from reconciler.core.record import RunStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from reconciler.core.due import Past
    from reconciler.core.model import Declarations, Export
    from reconciler.core.record import ExportRun, Run
    from reconciler.flow.outside import Outside, Request
    from reconciler.flow.overlay import Record
    from reconciler.flow.reading import Library

FORM = "1"
"""Changes when the same data would be sent otherwise, so that everything is looked at once."""
UP_TO_DATE = frozenset({RunStatus.SUCCESSFUL, RunStatus.SKIPPED})
"""What may be said of an export that has a mark: it ran, or was skipped because it was as its mark says."""


class Turns:
    """Judges the exports of one plan. Nothing is read of the history or of a source before it is needed."""

    def __init__(
        self, declarations: Declarations, ledger: Record, outside: Outside, request: Request, library: Library
    ) -> None:
        self._declarations, self.ledger, self.request, self.library = declarations, ledger, request, library
        self._calendar, self._now = outside.calendar, outside.clock.now()
        self._marks: dict[str, str] = {}
        self.stood: dict[str, dict[str, str]] = {}

    def waiting(self, exports: Iterable[Export], former: str) -> dict[str, str]:
        """Say which exports are not due, and when they are. `former` is the recorded name of their connection."""
        if self.request.trigger != "schedule":
            return {}
        told = {}
        for export in exports:
            if export.schedule is not None:
                found = timing(self._calendar, export.schedule, self._past(export, former), self._now)
                if not found.now:
                    told[export.name] = not_due(export.schedule, found, self._now)
        return told

    def unchanged(self, exports: Iterable[Export], former: str) -> dict[str, str]:
        """Say which exports a schedule need not run, because their last run would be repeated. Only a schedule may."""
        if self.request.trigger != "schedule" or self.ledger.doubtful(former):
            return {}
        lasts = self._comparable(exports, former)
        if not lasts:
            return {}
        with ThreadPoolExecutor(1, "standing") as beside:  # a file of a gigabyte is digested meanwhile
            standing = beside.submit(self._standing, former)
            marks = {name: self.mark(self._declarations.exports[name]) for name in lasts}
            held = standing.result()
        self.stood[former] = held
        told = {}
        for name, (run, done) in lasts.items():
            if marks[name] and done.source_mark == _whole(marks[name], held.get(name, "")):
                when = f"{run.started.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
                told[name] = f"unchanged: nothing that it reads has changed since {when}"
        return told

    def _comparable(self, exports: Iterable[Export], former: str) -> dict[str, tuple[Run, ExportRun]]:
        """Give the last runs that left a mark, of exports that are recorded and whose lists are known."""
        behind = {entry.slot for entry in self.ledger.lists(former) if entry.behind}
        kept = {e.name: {slot for _, slot in e.segments.values()} for e in self.ledger.exports(former)}
        lasts = {export.name: self._past(export, former).last for export in exports if export.name in kept}
        return {
            name: last
            for name, last in lasts.items()
            if last is not None
            and last[1].status is RunStatus.SUCCESSFUL
            and last[1].source_mark
            and not behind & kept[name]
        }

    def _standing(self, former: str) -> dict[str, str]:
        return standing(self.ledger, former)

    def marks(self, exports: Iterable[Export]) -> Mapping[str, str]:
        """Give the marks of those exports that a schedule runs, when this is going to be carried out.

        A mark reads the source once more, whole. So a run by hand makes none of an export that has no times of its own:
        should a schedule run it all the same, its first run looks at everything, and leaves a mark for the next.
        """
        if not self.request.keep:
            return {}
        asked = self.request.trigger == "schedule"
        scheduled = (e for e in exports if "schedule" in e.triggers and (asked or e.schedule is not None))
        return {export.name: mark for export in scheduled if (mark := self.mark(export))}

    def mark(self, export: Export) -> str:
        """Give the mark of an export as it is now; empty where nothing can be told."""
        if export.name not in self._marks:
            digests = self.library.digests
            content = self._content(export) if digests.lasting else None
            said = "" if content is None else f"{FORM} {export.name} {content} {self._common}"
            self._marks[export.name] = said and digests.content(said.encode()).hex()  # keyed: content can be guessed
        return self._marks[export.name]

    def _content(self, export: Export) -> str | None:
        try:
            return self.library.mark(export)
        except SourceError:  # reading it fails too, and says so
            return None

    @cached_property
    def _common(self) -> str:
        left_out = hashlib.sha256(b"".join(sorted(self.library.suppressed())))
        return f"{declared(self._declarations)} {left_out.hexdigest()}"

    @cached_property
    def _story(self) -> Story:
        return Story(newest_first(self.ledger.runs(limit=RUNS)))

    def _past(self, export: Export, former: str) -> Past:
        return self._story.of(names_of(export, former))


def names_of(export: Export, former: str) -> Collection[tuple[str, str]]:
    """Give the (connection, name) under which the history may know an export; `former`: its connection's old name."""
    names = {export.name, export.previous_name or export.name}
    return {(connection, name) for connection in {export.connection or "", former} for name in names}


def standing(ledger: Record, connection: str) -> dict[str, str]:
    """Digest what the ledger holds of each export of a connection, by name: its lists, and every claim."""
    exports = {export.number: export for export in ledger.exports(connection)}
    told: defaultdict[int, hashlib._Hash] = defaultdict(hashlib.sha256)
    written: dict[tuple[int, ...], bytes] = {}  # few combinations of lists, 100,000 people
    for key, number, digest, slots in ledger.claims(connection):
        if slots not in written:
            written[slots] = repr(slots).encode()
        told[number].update(key + digest + written[slots])
    for number, export in exports.items():
        told[number].update(repr(sorted(export.segments.items())).encode())
    return {export.name: told[number].hexdigest() for number, export in exports.items()}


def marked(
    runs: list[ExportRun],
    marks: Mapping[str, str],
    ledger: Record,
    connection: str,
    stood: Mapping[str, str] | None = None,
) -> list[ExportRun]:
    """Give outcomes of a connection with what tells the next run that nothing has changed since.

    `stood` is how its exports stood when it was planned, where nothing was written since.
    """
    current = {done.export for done in runs if done.status in UP_TO_DATE and done.export in marks}
    held = {} if not current else standing(ledger, connection) if stood is None else stood
    return [
        replace(done, source_mark=_whole(marks[done.export], held.get(done.export, "")))
        if done.export in current
        else done
        for done in runs
    ]


def _whole(mark: str, held: str) -> str:
    return f"{mark}-{held[:32]}"
