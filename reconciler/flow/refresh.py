"""Looks at Autopilot for drift: reads every list that is recorded, page by page, and holds it against the record.

No address outlives its page: it is digested at once. To look changes nothing; what was found may be recorded before a
run plans, because it is the truth, and then the ordinary plan mends it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from reconciler.core.drift import Drift, Found, compare, holders, sentences
from reconciler.core.errors import NotFound
from reconciler.core.plan import Look
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.flow.beside import SideBySide
from reconciler.flow.overlay import Corrected
from reconciler.flow.plan import recorded_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.digest import Digests
    from reconciler.core.drift import Compared
    from reconciler.core.model import Connection, Declarations
    from reconciler.core.plan import ConnectionPlan, ExportDrift, Plan
    from reconciler.core.ports import Destination, Ledger, LedgerReader
    from reconciler.core.record import RecordedList
    from reconciler.flow.outside import Outside, Request
    from reconciler.flow.overlay import Record
    from reconciler.flow.plan import Prepared

LOOKUPS = 200
"""Contacts looked up one by one at most, to tell who was taken off every list from whose contact is gone. Beyond it the
latter count as the former, and are mended all the same."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a look found, by the name that the ledger knows a connection by. Empty: nobody looked."""

    drifts: Mapping[str, Drift] = field(default_factory=dict)
    exports: Mapping[str, Mapping[int, ExportDrift]] = field(default_factory=dict)

    def over(self, record: Record) -> Record:
        """Give the record as it is with what was found."""
        return Corrected(record, self.drifts) if self.drifts else record

    def record(self, ledger: Ledger) -> None:
        """Write what was found into the ledger; each part is true by itself. Raises StateError."""
        for name, drift in self.drifts.items():
            _record(name, drift, ledger)

    def told(self, plan: Plan, prepared: tuple[Prepared, ...]) -> Plan:
        """Give the plan with what was found of each export."""
        recorded = {one.name: one for one in prepared}
        connections = tuple(self._told(connection, recorded[connection.name]) for connection in plan.connections)
        return replace(plan, connections=connections)

    def _told(self, plan: ConnectionPlan, one: Prepared) -> ConnectionPlan:
        drift = self.drifts.get(one.recorded_name)
        if drift is None:
            return plan
        numbers = {entry.name: entry.number for entry in one.judged.roster.entries}
        found = self.exports[one.recorded_name]
        exports = []
        for export in plan.exports:
            told = found.get(numbers[export.name])
            notes = (*export.notes, *sentences(told)) if told else export.notes
            exports.append(replace(export, drift=told, notes=notes))
        return replace(plan, exports=tuple(exports), look=Look(len(drift.lists), drift.requests))


def look(  # what is declared, recorded, there, and asked for
    declarations: Declarations,
    ledger: LedgerReader,
    outside: Outside,
    digests: Digests,
    request: Request,
    *,
    whole: bool = True,
) -> Refresh:
    """Read the lists of every connection that the request is about. Raises DestinationError, SecretMissing.

    Without `whole` only those whose record may be older than they are, as after a restore: of nobody who is there
    without being recorded is it known then that it was us.
    """
    mine = request.shard.recorded(declarations.connections)
    if not whole and not any(
        entry.behind for name in ledger.connections() if mine(name) for entry in ledger.lists(name)
    ):
        return Refresh({}, {})
    names = {name: {e.name for e in ledger.exports(name)} for name in ledger.connections() if mine(name)}
    asked = {e.connection for e in declarations.exports.values() if e.name in request.exports}
    work = {}
    for name, old in sorted(recorded_names(declarations, names).items()):
        connection = declarations.connections.get(name)
        concerned = not request.exports or name in asked or not names.get(old, set()).isdisjoint(request.exports)
        if connection is None or old not in names or not concerned:
            continue
        entries = _entries(old, ledger, whole=whole)
        if entries or whole:
            work[old] = partial(_told, old, connection, entries, ledger, outside, digests)
    beside: SideBySide[tuple[Drift, Mapping[int, ExportDrift]]] = SideBySide(request.parallel)
    found = dict(zip(work, beside.done(list(work.values())), strict=True))
    return Refresh({old: drift for old, (drift, _) in found.items()}, {old: told for old, (_, told) in found.items()})


def _told(  # where, what of it, and the three parts that it takes
    name: str,
    connection: Connection,
    entries: list[RecordedList],
    ledger: LedgerReader,
    outside: Outside,
    digests: Digests,
) -> tuple[Drift, Mapping[int, ExportDrift]]:
    """Look at one connection; gives its drift, and what that means for its exports, by number."""
    with closing(outside.destination(connection)) as destination:
        drift = _look(name, entries, ledger, destination, digests)
    return drift, drift.exports_told(ledger.exports(name), ledger.claims(name))


def _entries(connection: str, ledger: LedgerReader, *, whole: bool) -> list[RecordedList]:
    """Give the lists to be read: those that an export uses, or on which somebody is recorded."""
    entries = [entry for entry in ledger.lists(connection) if whole or entry.behind]
    if not entries:
        return []
    used = {slot for export in ledger.exports(connection) for _, slot in export.segments.values()}
    used |= holders(ledger.claims(connection)).keys()
    return [entry for entry in entries if entry.slot in used]


def _look(
    connection: str, entries: list[RecordedList], ledger: LedgerReader, destination: Destination, digests: Digests
) -> Drift:
    held = holders(ledger.claims(connection))
    before = _by_slot((key, slot) for key, slots in ledger.foreign(connection).items() for slot in slots)
    doubts = ledger.doubtful(connection)
    unsure = _by_slot((key, doubt.slot) for doubt in doubts for key in doubt.keys)
    unnamed = ledger.rejected(connection)
    titles = {each: title for title, ids in destination.lists().items() for each in ids} if entries else {}
    compared, seen = [], set[bytes]()
    for entry in entries:
        found = _read(entry, destination, titles, digests)
        ours, earlier = held.get(entry.slot, set()), before.get(entry.slot, set())
        ids = ledger.contact_ids(connection, (ours | earlier) & found.members.keys())
        # Who was in doubt on a list that is behind may have been cleared up since, and be somebody else's by now
        open_ = set() if entry.behind else unsure.get(entry.slot, set()) | unnamed
        compared.append(compare(entry, found, ours, earlier, open_, ids))
        seen |= found.members.keys()
    gone = _gone(connection, compared, seen, ledger, destination)
    return Drift(tuple(compared), gone, destination.requests())


def _read(entry: RecordedList, destination: Destination, titles: Mapping[str, str], digests: Digests) -> Found:
    """Read one list. It is gone when both the lists and it itself say so: a list made again can never be deleted."""
    members: dict[bytes, str] = {}
    nameless = 0
    try:
        for page in destination.members(entry.list_id):
            for contact, address in page:
                if address:
                    members[digests.person(address)] = contact
                else:
                    nameless += 1
    except NotFound:
        if entry.list_id in titles:
            raise
        return Found(None)
    return Found(titles.get(entry.list_id, entry.title), members, nameless)


def _gone(
    connection: str, compared: list[Compared], seen: set[bytes], ledger: LedgerReader, destination: Destination
) -> frozenset[bytes]:
    """Look up whether the contact is still there of those who are recorded on lists and are on none of them."""
    missing = {key for one in compared for key in (*one.missing, *one.returned)} - seen
    ids = ledger.contact_ids(connection, sorted(missing)[:LOOKUPS])
    return frozenset(key for key, contact in ids.items() if not destination.known(contact))


def _by_slot(pairs: Iterator[tuple[bytes, int]]) -> dict[int, set[bytes]]:
    found: dict[int, set[bytes]] = {}
    for key, slot in pairs:
        found.setdefault(slot, set()).add(key)
    return found


def _record(connection: str, drift: Drift, ledger: Ledger) -> None:
    for one in drift.lists:
        slot = one.entry.slot
        if one.vanished:
            continue
        ledger.save_foreign(connection, slot, sorted(one.strangers))
        ledger.drop_foreign(connection, slot, sorted(one.returned))
        if one.entry.behind:
            ledger.save_list(connection, replace(one.entry, behind=False))
    claims = [
        ClaimWrite(now.export, now.key, now.digest, now.slots)
        for was, now in zip(ledger.claims(connection), drift.claims(ledger.claims(connection)), strict=True)
        if now != was
    ]
    ledger.commit(connection, Acknowledged(claims=claims, contacts=drift.contacts))
    for slot in sorted(drift.vanished):
        ledger.drop_list(connection, slot)
