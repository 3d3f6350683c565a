"""Plans: what is declared and who is in each segment now, against what is recorded. It is handed readers only."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from reconciler.core.errors import ReconcilerError
from reconciler.core.plan import Action, Counts, ExportPlan, Plan, Reason
from reconciler.core.planning import Bench, Findings, judged
from reconciler.core.precedence import yields
from reconciler.core.roster import Mode, roster
from reconciler.flow.reading import Library
from reconciler.flow.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.digest import Digests
    from reconciler.core.model import Connection, Declarations, Export
    from reconciler.core.planning import Judged
    from reconciler.core.precedence import Yields
    from reconciler.core.roster import Roster
    from reconciler.flow.outside import Outside, Request
    from reconciler.flow.overlay import Record


@dataclass(frozen=True, slots=True)
class Prepared:
    """One connection, judged. `recorded_name` is the name that the ledger knows it by, before a rename.

    `marks` are by export name, of those that a schedule may run.
    """

    connection: Connection | None
    name: str
    recorded_name: str
    judged: Judged
    marks: Mapping[str, str] = field(default_factory=dict)


def prepare(
    declarations: Declarations, ledger: Record, outside: Outside, digests: Digests, request: Request
) -> tuple[Plan, tuple[Prepared, ...]]:
    """Read, merge and judge every connection. Raises ReconcilerError for a name that nothing has."""
    recorded = {name: [r.name for r in ledger.exports(name)] for name in ledger.connections()}
    _check_names(declarations, recorded, request)
    prepared = []
    with Library(declarations, outside, digests, ledger.suppressed()) as library:
        turns = Turns(declarations, ledger, outside, request, library)
        for name, old in sorted(recorded_names(declarations, recorded).items()):
            prepared.append(_prepare(name, old, declarations, ledger, turns, request))
    idle = tuple(_detached(e) for e in declarations.exports.values() if e.connection is None)
    return Plan(tuple(p.judged.plan for p in prepared), idle), tuple(prepared)


def _check_names(declarations: Declarations, recorded: Mapping[str, list[str]], request: Request) -> None:
    known = {*declarations.exports, *(name for names in recorded.values() for name in names)}
    asked = [("export", name) for name in request.exports] + [("allow", one.export) for one in request.allowances]
    for option, name in asked:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise ReconcilerError(f'--{option}: there is no export "{name}"{hint}')


def recorded_names(declarations: Declarations, recorded: Mapping[str, list[str]]) -> dict[str, str]:
    """Give each connection that has exports, declared or recorded, with the name that the ledger knows it by."""
    used = {e.connection for e in declarations.exports.values()}
    names: dict[str, str] = {}
    for name, connection in declarations.connections.items():
        old = name if name in recorded or connection.previous_name not in recorded else connection.previous_name
        if name in used or recorded.get(old or ""):
            names[name] = old or name
    renamed = set(names.values())
    return names | {name: name for name, exports in recorded.items() if exports and name not in renamed}


def _prepare(  # each is one side of the comparison
    name: str, old: str, declarations: Declarations, ledger: Record, turns: Turns, request: Request
) -> Prepared:
    connection = declarations.connections.get(name)
    exports = [e for e in declarations.exports.values() if e.connection == name] if connection else []
    detached = {n for e in declarations.exports.values() if e.connection is None for n in (e.name, e.previous_name)}
    recorded = ledger.exports(old)
    asked = set(request.exports)
    held = {r.name: "not asked for" for r in recorded if asked and r.name not in asked}
    held |= {name: "detached" for name in detached if name is not None}
    idle, library = _idle(exports, request), turns.library
    idle |= turns.waiting([e for e in exports if e.name not in idle], old)
    looked_at = [e for e in exports if e.name not in idle]
    idle |= turns.unchanged(looked_at, old)
    rolled = roster(exports, declarations.segments, recorded, ledger.lists(old), idle, held)
    left = _yields(rolled, connection, library)
    bench = Bench(
        name=name,
        connection=connection,
        roster=rolled,
        findings=_findings(rolled, connection, library, _kept(rolled, left, request)),
        claims=lambda: ledger.claims(old),
        foreign=ledger.foreign(old),
        bulk_lists=ledger.bulk_lists(old),
        keyed=library.digests.lasting,
        yields=left,
        content=library.digests.content,
        allowances=request.allowances,
    )
    return Prepared(connection, name, old, judged(bench), turns.marks(looked_at))


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


def _findings(
    rolled: Roster, connection: Connection | None, library: Library, kept: frozenset[int]
) -> dict[int, Findings]:
    if connection is None:
        return {}
    return {
        entry.number: library.find(entry.export, connection, keep=entry.number in kept)
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
