"""Adopts a list that exists: from then on its members are ours. It decides which list is meant, and never makes one.

Who is on it and wanted is recorded without being sent there; who is not wanted becomes ours too, and so leaves at the
next run, under the removal guard. Their fields are not known, so that run sends whoever is wanted once.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.core.digest import UNKNOWN
from reconciler.core.errors import ReconcilerError
from reconciler.core.outcome import Adoption
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.core.record import Claim, ExportRun, RecordedExport, RecordedList, Run, RunStatus
from reconciler.flow.opened import opened, run_id
from reconciler.flow.plan import recorded_names
from reconciler.flow.reading import Library

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.core.model import Connection, Export, SegmentUse
    from reconciler.core.ports import Clock, Destination, Ledger
    from reconciler.flow.opened import Opened, Shop

TRIGGER = "import"


@dataclass(frozen=True, slots=True)
class Adopting:
    """An adoption that is ready to be recorded: nothing is written before somebody agreed."""

    told: Adoption
    connection: str
    export: RecordedExport
    entry: RecordedList
    batch: Acknowledged
    ledger: Ledger
    clock: Clock

    def record(self) -> str:
        """Record it, in one transaction, and in the history; gives the run's id. Raises StateError."""
        self.ledger.adopt(self.connection, self.export, self.entry, self.batch)
        started = self.clock.now()
        run = Run(run_id(started), started, None, TRIGGER, RunStatus.RUNNING, "")
        self.ledger.start(run)
        outcome = ExportRun(
            self.told.export, self.connection, RunStatus.SUCCESSFUL, TRIGGER, unchanged=self.told.wanted
        )
        self.ledger.finish(run.id, ended=self.clock.now(), status=RunStatus.SUCCESSFUL, requests=0, exports=(outcome,))
        return run.id


@contextmanager
def adopting(
    shop: Shop, export: str, segment: str, title: str, list_id: str | None, *, lock_timeout: float
) -> Iterator[Adopting]:
    """Find the list, read its members and the segment's, and hold the lock until the end.

    Raises ReconcilerError when the export, the segment or the one list of that title is not there.
    """
    with opened(shop, lock_timeout) as desk:
        declared, use, connection = _declared(desk, export, segment)
        with closing(desk.outside.destination(connection)) as destination:
            chosen = _chosen(destination.lists(), title, list_id)
            members, nameless = _members(desk, destination, chosen)
        wanted = _wanted(desk, declared, connection, declared.segments.index(use))
        names = {name: [each.name for each in desk.ledger.exports(name)] for name in desk.ledger.connections()}
        old = recorded_names(desk.declarations, names)[connection.name]
        recorded, entry = _places(desk.ledger, old, declared, use, title, chosen)
        batch = _batch(desk.ledger, old, recorded.number, entry.slot, members)
        here = len(wanted & members.keys())
        told = Adoption(export, segment, connection.name, title, chosen, here, len(members) - here, nameless)
        yield Adopting(told, old, recorded, entry, batch, desk.ledger, shop.clock)


def _declared(desk: Opened, name: str, segment: str) -> tuple[Export, SegmentUse, Connection]:
    declared = desk.declarations.exports.get(name)
    if declared is None:
        raise ReconcilerError(f'there is no export "{name}"')
    if declared.connection is None:
        raise ReconcilerError(f"export {name} is detached: it has no connection to adopt a list from")
    use = next((each for each in declared.segments if each.segment == segment), None)
    if use is None:
        raise ReconcilerError(f'export {name} has no segment "{segment}"')
    return declared, use, desk.declarations.connections[declared.connection]


def _chosen(lists: Mapping[str, tuple[str, ...]], title: str, list_id: str | None) -> str:
    ids = lists.get(title, ())
    if not ids:
        raise ReconcilerError("Autopilot has no list of that title; an export makes its lists itself")
    if list_id is not None and list_id not in ids:
        raise ReconcilerError(f"no list of that title has that id; there are {_told(ids)}")
    if list_id is None and len(ids) > 1:
        raise ReconcilerError(f"{len(ids)} lists have that title; name one with --list-id: {_told(ids)}")
    return list_id or ids[0]


def _told(ids: Iterable[str]) -> str:
    """Give ids that a server made, so that nothing in them steers a terminal."""
    return ", ".join(map(ascii, ids))


def _members(desk: Opened, destination: Destination, list_id: str) -> tuple[dict[bytes, str], int]:
    members: dict[bytes, str] = {}
    nameless = 0
    for page in destination.members(list_id):
        for contact, address in page:
            if address:
                members[desk.digests.person(address)] = contact
            else:
                nameless += 1
    return members, nameless


def _wanted(desk: Opened, export: Export, connection: Connection, index: int) -> set[bytes]:
    with Library(desk.declarations, desk.outside, desk.digests, desk.ledger.suppressed()) as library:
        found = library.find(export, connection, keep=False)
    if found.gathered is None:
        raise ReconcilerError(f"nothing was adopted: {found.failure}")
    if found.gathered.cut:
        raise ReconcilerError("nothing was adopted: the export holds more people than the connection may")
    return {key for key, person in found.gathered.people.items() if person.mask >> index & 1}


def _places(
    ledger: Ledger, connection: str, export: Export, use: SegmentUse, title: str, list_id: str
) -> tuple[RecordedExport, RecordedList]:
    """Give the export and the list as they are to be recorded. Raises ReconcilerError: the segment has another list."""
    exports, lists = ledger.exports(connection), ledger.lists(connection)
    past = {each.name: each for each in exports}
    recorded = past.get(export.name) or past.get(export.previous_name or "")
    if recorded is None:
        number = max((each.number for each in exports), default=0) + 1
        recorded = RecordedExport(number, export.name, 0, export.protected, export.keep_retired)
    entry = next((each for each in lists if each.list_id == list_id), None)
    if entry is None:
        entry = RecordedList(max((each.slot for each in lists), default=0) + 1, title, list_id, made=False)
    place = recorded.segments.get(use.segment)
    if place is not None and place[1] != entry.slot and any(each.slot == place[1] for each in lists):
        raise ReconcilerError(f"segment {use.segment} of export {export.name} has a list already; nothing was adopted")
    segments = {**recorded.segments, use.segment: (use.title, entry.slot)}
    return replace(recorded, segments=segments), replace(entry, behind=False)


def _batch(ledger: Ledger, connection: str, number: int, slot: int, members: Mapping[bytes, str]) -> Acknowledged:
    past = {c.key: c for c in ledger.claims(connection) if c.export == number and c.key in members}
    claims = []
    for key in members:
        claim = past.get(key, Claim(key, number, UNKNOWN, ()))
        claims.append(ClaimWrite(number, key, claim.digest, tuple(sorted({*claim.slots, slot}))))
    contacts = {key: contact for key, contact in members.items() if contact}
    return Acknowledged(claims=claims, contacts=contacts)
