"""Decides what one connection's run would do: merges, judges, and merges again with the blocked exports held.

A blocked export keeps its people as they are recorded, so what the others may do is judged once more without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reconciler.core.allow import noted, of_export
from reconciler.core.diff import Merge, Side
from reconciler.core.guard import Facts, verdict
from reconciler.core.model import CEILING
from reconciler.core.plan import Action, ConnectionPlan, Counts, ExportPlan, Reason, Requests
from reconciler.core.precedence import ranks
from reconciler.core.record import RecordedExport
from reconciler.core.roster import Mode
from reconciler.core.rows import notes, segments
from reconciler.core.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from reconciler.core.allow import Allowance
    from reconciler.core.model import Connection
    from reconciler.core.people import Gathered
    from reconciler.core.plan import Waiver
    from reconciler.core.precedence import Yields
    from reconciler.core.record import Claim
    from reconciler.core.roster import Entry, Roster

SHARED = {"removals": 1, "cap": 2}
"""Rules whose figures fall when another export is held, in the order in which they are believed."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the source gave for one export: people, or the reason why there are none.

    `total` is the source's own count where reading was cut; `snapshot` says which data was read.
    """

    gathered: Gathered | None = None
    recognised: tuple[bool, ...] = ()
    failure: str = ""
    total: int | None = None
    snapshot: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A connection after judging: the plan, and the merge that carries it out."""

    plan: ConnectionPlan
    merge: Merge
    roster: Roster
    blocked: frozenset[int]

    @property
    def held(self) -> frozenset[int]:
        """The numbers of the exports whose people stay as they are in this run."""
        return self.blocked | {entry.number for entry in self.roster.entries if entry.mode is Mode.HOLD}


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that judging one connection needs. `claims` opens a new stream of what is recorded each time.

    `keyed`: the digests are under the state key, so that the digest of all steps means something later. `yields` has by
    number what exports leave to others, for which `content` digests what is sent of a person.
    """

    name: str
    connection: Connection | None
    roster: Roster
    findings: Mapping[int, Findings]
    claims: Callable[[], Iterator[Claim]]
    foreign: Mapping[bytes, frozenset[int]] = field(default_factory=dict)
    bulk_lists: bool | None = None
    keyed: bool = False
    yields: Mapping[int, Yields] = field(default_factory=dict)
    content: Callable[[bytes], bytes] = bytes
    allowances: tuple[Allowance, ...] = ()
    reasons: dict[int, tuple[Reason, ...]] = field(default_factory=dict)
    waivers: dict[int, tuple[Waiver, ...]] = field(default_factory=dict)


def judged(bench: Bench) -> Judged:
    """Merge and judge until no further export is blocked; at most once for each export."""
    shown: dict[int, Tally] = {}
    people = None
    while True:
        sides = _sides(bench)
        merge = Merge(sides, bench.foreign, bench.content)
        tally = _at_rest(sides) or Tally.count(merge, bench.claims())
        people = tally.people if people is None else people
        blocked = _newly_blocked(bench, tally)
        for entry in bench.roster.entries:
            if entry.number in blocked or entry.number not in bench.reasons:
                shown[entry.number] = tally
        bench.reasons.update(blocked)
        if not blocked:
            break
    shown_exports = (_export(bench, entry, shown.get(entry.number)) for entry in bench.roster.entries)
    exports = tuple(noted(export, of_export(bench.allowances, export.name).values()) for export in shown_exports)
    plan = _connection(bench, tally, people, tuple(sorted(exports, key=lambda e: e.name)))
    return Judged(plan, merge, bench.roster, frozenset(bench.reasons))


def _at_rest(sides: Sequence[Side]) -> Tally | None:
    """Count a connection of one recorded export without reading its claims, when nothing runs, as most by schedule."""
    recorded = [side.entry for side in sides if side.entry.recorded is not None]
    if len(recorded) != 1 or any(side.entry.mode is not Mode.HOLD for side in sides):
        return None
    return Tally.at_rest(recorded[0].number, recorded[0].recorded.people if recorded[0].recorded else 0)


def _sides(bench: Bench) -> list[Side]:
    entries = bench.roster.entries
    order = ranks((e.name for e in entries), bench.connection.precedence if bench.connection else ())
    sides = []
    for entry in entries:
        found = bench.findings.get(entry.number)
        held = entry.number in bench.reasons
        runs = entry.mode is Mode.RUN and not held and found is not None and found.gathered is not None
        sides.append(
            Side(
                entry=entry if runs or (entry.mode is Mode.RETIRE and not held) else replace(entry, mode=Mode.HOLD),
                people=found.gathered.people if runs and found and found.gathered else None,
                rank=order(entry.name),
                yields=bench.yields.get(entry.number, {}),
            )
        )
    return sides


def _newly_blocked(bench: Bench, tally: Tally) -> dict[int, tuple[Reason, ...]]:
    """Give the exports to be held next: who is stopped by what is its own goes before who is stopped through others."""
    blocked: dict[int, dict[int, tuple[Reason, ...]]] = {}
    for entry in bench.roster.entries:
        if entry.mode is Mode.HOLD or entry.number in bench.reasons:
            continue
        facts = _facts(bench, entry, tally)
        reasons, bench.waivers[entry.number] = verdict(facts)
        if reasons:
            turn = 0 if facts.total is not None else min(SHARED.get(reason.rule, 0) for reason in reasons)
            blocked.setdefault(turn, {})[entry.number] = reasons
    return blocked[min(blocked)] if blocked else {}


def _facts(bench: Bench, entry: Entry, tally: Tally) -> Facts:
    found = bench.findings.get(entry.number, Findings())
    gathered = found.gathered
    counts = tally.counts(entry.number, len(gathered.people)) if gathered else None
    return Facts(
        entry=entry,
        connection=bench.connection,
        people=tally.people,
        counts=counts,
        removals=tally.removals[entry.number],
        updates=tally.rewritten[entry.number],
        members=gathered.members if gathered else (),
        recognised=found.recognised,
        failure=found.failure,
        total=found.total,
        allowances=of_export(bench.allowances, entry.name),
    )


def _connection(bench: Bench, tally: Tally, people: int, exports: tuple[ExportPlan, ...]) -> ConnectionPlan:
    connection = bench.connection
    fresh = len(bench.roster.fresh & {slot for _, slot in tally.add})
    unknown = bench.bulk_lists is None
    requests = tally.requests(bulk_lists=bench.bulk_lists is not False, fresh=fresh, probe=unknown)
    otherwise = tally.requests(bulk_lists=False, fresh=fresh, probe=unknown) if unknown else Requests()
    return ConnectionPlan(
        name=bench.name,
        display_name=connection.display_name if connection else bench.name,
        people=people,
        limit=min(connection.limit, CEILING) if connection else CEILING,
        rate=connection.rate if connection else 1.0,
        requests=requests,
        bulk_lists=bench.bulk_lists,
        requests_if_not=otherwise.total,
        exports=exports,
        digest=tally.digest if bench.keyed else "",
    )


def _export(bench: Bench, entry: Entry, tally: Tally | None) -> ExportPlan:
    found = bench.findings.get(entry.number, Findings())
    gathered = found.gathered
    reasons = bench.reasons.get(entry.number, ())
    held = entry.recorded.people if entry.recorded else 0
    if entry.mode is Mode.HOLD or tally is None:
        reasons = reasons or (Reason("idle", entry.idle),)
        action = Action.BLOCKED if entry.number in bench.reasons else Action.SKIPPED
        return ExportPlan(entry.name, bench.name, action, reasons, Counts(desired=held, kept=held))
    counts = tally.counts(entry.number, len(gathered.people) if gathered else 0)
    if entry.mode is Mode.RETIRE and entry.keeps_retired:
        counts = Counts(kept=counts.leave)
    if entry.mode is Mode.RUN and gathered is None:
        counts = Counts(desired=0, kept=held)
    return ExportPlan(
        name=entry.name,
        connection=bench.name,
        action=_action(entry, counts, tally, bench.roster.fresh, blocked=bool(reasons)),
        reasons=reasons,
        profiles=counts,
        excluded=dict(gathered.excluded) if gathered else {},
        segments=segments(bench.roster, entry, tally, gathered),
        renamed_from=entry.renamed_from,
        notes=notes(bench.roster, entry, gathered),
        allowed=bench.waivers.get(entry.number, ()),
        snapshot=found.snapshot,
    )


def _action(entry: Entry, counts: Counts, tally: Tally, fresh: Collection[int], *, blocked: bool) -> Action:
    if blocked:
        return Action.BLOCKED
    if entry.mode is Mode.RETIRE:
        return Action.RETIRE
    if entry.recorded is None:
        return Action.CREATE
    number = entry.number
    moved = any(n for (export, _), n in (*tally.add.items(), *tally.remove.items()) if export == number)
    if counts.create or counts.update or counts.leave or moved or settings(entry, fresh) != entry.recorded:
        return Action.UPDATE
    return Action.NONE


def settings(entry: Entry, listless: Collection[int]) -> RecordedExport:
    """Give what is to be recorded of a declared export itself; `listless` are slots that have no list (yet)."""
    export = entry.export
    assert export is not None
    return RecordedExport(
        number=entry.number,
        name=export.name,
        people=entry.recorded.people if entry.recorded else 0,
        protected=export.protected,
        keep_retired=export.keep_retired,
        segments={
            use.segment: (use.title, slot)
            for use, slot in zip(export.segments, entry.slots, strict=True)
            if slot not in listless
        },
    )
