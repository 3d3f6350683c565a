"""Plans: what is declared and who is in each segment now, against what is recorded. It is handed readers only."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from reconciler.core.errors import ReconcilerError
from reconciler.core.plan import Action, Counts, ExportPlan, Plan, Reason
from reconciler.core.planning import Bench, judged
from reconciler.core.precedence import yields
from reconciler.core.roster import Mode, roster
from reconciler.flow.reading import Library, Task
from reconciler.flow.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Sized

    from reconciler.core.digest import Digests
    from reconciler.core.model import Connection, Declarations, Export
    from reconciler.core.planning import Findings, Judged
    from reconciler.core.precedence import Yields
    from reconciler.core.record import RecordedExport
    from reconciler.core.roster import Roster
    from reconciler.flow.outside import Outside, Request
    from reconciler.flow.overlay import Record

    Recorded = Mapping[str, Sequence[RecordedExport]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One connection, judged. `recorded_name` is the name that the ledger knows it by, before a rename.

    `marks` are by export name, of those that a schedule may run; `stood` is how its exports stood, where a schedule had
    to know.
    """

    connection: Connection | None
    name: str
    recorded_name: str
    judged: Judged
    marks: Mapping[str, str] = field(default_factory=dict)
    stood: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """One connection before anybody is read: which of its exports run, and what is to be read for them, by number."""

    connection: Connection | None
    name: str
    recorded_name: str
    roster: Roster
    yields: Mapping[int, Yields]
    tasks: Mapping[int, Task]
    marks: Mapping[str, str]


def prepare(
    declarations: Declarations, ledger: Record, outside: Outside, digests: Digests, request: Request
) -> tuple[Plan, tuple[Prepared, ...]]:
    """Read, merge and judge every connection of the shard. Raises ReconcilerError for a name that nothing has.

    Which exports run is found out for all of them before anybody is read, so that many are read in one scan.
    """
    mine = request.shard.recorded(declarations.connections)
    recorded = {name: ledger.exports(name) for name in ledger.connections() if mine(name)}
    _check_names(declarations, recorded, request)
    names = {name: old for name, old in recorded_names(declarations, recorded).items() if mine(name)}
    names = {name: old for name, old in names.items() if _concerned(name, old, declarations, recorded, request)}
    exports: dict[str | None, list[Export]] = {}
    for export in declarations.exports.values():
        exports.setdefault(export.connection, []).append(export)
    with Library(declarations, outside, digests, ledger.suppressed()) as library:
        turns = Turns(declarations, ledger, outside, request, library)
        parts = [
            _part(name, old, declarations, exports, recorded.get(old, ()), turns) for name, old in sorted(names.items())
        ]
        found = iter(library.read([task for part in parts for task in part.tasks.values()]))
    prepared = tuple(_prepared(part, dict(zip(part.tasks, found, strict=False)), turns) for part in parts)
    idle = tuple(_detached(e) for e in exports.get(None, ()))
    return Plan(tuple(p.judged.plan for p in prepared), idle), prepared


def _concerned(name: str, old: str, declarations: Declarations, recorded: Recorded, request: Request) -> bool:
    """Tell whether a connection has, or had, an export that is asked for: of others nothing need be known."""
    asked = [declarations.exports[each] for each in request.exports if each in declarations.exports]
    had = {export.name for export in recorded.get(old, ())}
    return not request.exports or any(e.connection == name for e in asked) or not had.isdisjoint(request.exports)


def _check_names(declarations: Declarations, recorded: Recorded, request: Request) -> None:
    known = {*declarations.exports, *(export.name for exports in recorded.values() for export in exports)}
    asked = [("export", name) for name in request.exports] + [("allow", one.export) for one in request.allowances]
    for option, name in asked:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise ReconcilerError(f'--{option}: there is no export "{name}"{hint}')


def recorded_names(declarations: Declarations, recorded: Mapping[str, Sized]) -> dict[str, str]:
    """Give each connection that has exports, declared or recorded, with the name that the ledger knows it by."""
    used = {e.connection for e in declarations.exports.values()}
    names: dict[str, str] = {}
    for name, connection in declarations.connections.items():
        old = name if name in recorded or connection.previous_name not in recorded else connection.previous_name
        if name in used or recorded.get(old or ""):
            names[name] = old or name
    renamed = set(names.values())
    return names | {name: name for name, exports in recorded.items() if exports and name not in renamed}


def _part(  # each is one side of the comparison
    name: str,
    old: str,
    declarations: Declarations,
    by_connection: Mapping[str | None, list[Export]],
    recorded: Sequence[RecordedExport],
    turns: Turns,
) -> _Part:
    connection, request, library = declarations.connections.get(name), turns.request, turns.library
    exports = by_connection.get(name, []) if connection else []
    detached = {n for e in by_connection.get(None, ()) for n in (e.name, e.previous_name)}
    asked = set(request.exports)
    held = {r.name: "not asked for" for r in recorded if asked and r.name not in asked}
    held |= {r.name: "detached" for r in recorded if r.name in detached}
    idle = _idle(exports, request)
    idle |= turns.waiting([e for e in exports if e.name not in idle], old)
    looked_at = [e for e in exports if e.name not in idle]
    idle |= turns.unchanged(looked_at, old)
    rolled = roster(exports, declarations.segments, recorded, turns.ledger.lists(old), idle, held)
    left = _yields(rolled, connection, library)
    tasks = _tasks(rolled, connection, _kept(rolled, left, request))
    return _Part(connection, name, old, rolled, left, tasks, turns.marks(looked_at))


def _prepared(part: _Part, findings: Mapping[int, Findings], turns: Turns) -> Prepared:
    ledger, old, digests = turns.ledger, part.recorded_name, turns.library.digests
    bench = Bench(
        name=part.name,
        connection=part.connection,
        roster=part.roster,
        findings=findings,
        claims=lambda: ledger.claims(old),
        foreign=ledger.foreign(old),
        bulk_lists=ledger.bulk_lists(old),
        keyed=digests.lasting,
        yields=part.yields,
        content=digests.content,
        allowances=turns.request.allowances,
    )
    return Prepared(part.connection, part.name, old, judged(bench), part.marks, turns.stood.get(old))


def _yields(rolled: Roster, connection: Connection | None, library: Library) -> dict[int, Yields]:
    if connection is None:
        return {}
    declared = {entry.number: entry.export for entry in rolled.entries if entry.export is not None}
    return yields(declared, connection.precedence, library.path(connection))


def _kept(rolled: Roster, left: Mapping[int, Yields], request: Request) -> frozenset[int]:
    """Give the exports whose contacts are kept: to be pushed, or because who decides a field is seen in them alone."""
    if request.keep:
        return frozenset(entry.number for entry in rolled.entries)
    return frozenset(left).union(*left.values())


def _tasks(rolled: Roster, connection: Connection | None, kept: frozenset[int]) -> dict[int, Task]:
    if connection is None:
        return {}
    return {
        entry.number: Task(entry.export, connection, keep=entry.number in kept)
        for entry in rolled.entries
        if entry.mode is Mode.RUN and entry.export is not None
    }


def _idle(exports: list[Export], request: Request) -> dict[str, str]:
    """Say which exports do not run now, and why."""
    idle = {}
    for export in exports:
        named = export.name in request.exports
        if export.suspended:
            idle[export.name] = "suspended"
        elif request.exports and not named:
            idle[export.name] = "not asked for"
        elif request.trigger != "demand" and request.trigger not in export.triggers:
            idle[export.name] = f"does not run on {request.trigger}"
        elif request.trigger == "demand" and not export.triggers and not named:
            idle[export.name] = "runs only when --export names it"
    return idle


def _detached(export: Export) -> ExportPlan:
    reason = Reason("idle", "detached: it has no connection")
    return ExportPlan(export.name, "", Action.SKIPPED, (reason,), Counts())
