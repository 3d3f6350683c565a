"""Decides how the lists at Autopilot differ from what is recorded of them, and what the record should say instead.

Pure, and over keyed digests only. A correction never removes anybody: it forgets memberships that are not there, so
that whoever is still wanted is put back, and notes whom somebody else put there, so that they are left alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reconciler.core.digest import UNKNOWN
from reconciler.core.plan import ExportDrift, ListDrift

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from reconciler.core.record import Claim, RecordedExport, RecordedList


@dataclass(frozen=True, slots=True)
class Found:
    """A list as it was read: the title it has now, contact ids by key, and how many contacts have no address.

    `title` None: the list is gone. A contact id is empty where the answer had none.
    """

    title: str | None
    members: Mapping[bytes, str] = field(default_factory=dict)
    nameless: int = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """How one list differs. `missing` are recorded there and gone, `strangers` there and recorded nowhere.

    `returned` were there before us and are not any more. `moved` gives the contact ids of members who were recorded
    under another one. `renamed` is the title it has now, where that is another; `nameless` counts contacts without an
    address, who can be nobody of ours.
    """

    entry: RecordedList
    vanished: bool = False
    renamed: str = ""
    missing: frozenset[bytes] = frozenset()
    strangers: frozenset[bytes] = frozenset()
    returned: frozenset[bytes] = frozenset()
    moved: Mapping[bytes, str] = field(default_factory=dict)
    nameless: int = 0

    def told(self, taken_off: int) -> ListDrift | None:
        """Say how it differs for an export of whose people so many were taken off; None: in nothing."""
        added = len(self.strangers) + self.nameless
        if not (self.vanished or self.renamed or taken_off or added):
            return None
        return ListDrift(self.entry.title, taken_off, added, self.renamed, self.vanished)


@dataclass(frozen=True, slots=True)
class Drift:
    """How the lists of one connection differ. `gone` are people whose contact is not there any more."""

    lists: tuple[Compared, ...] = ()
    gone: frozenset[bytes] = frozenset()
    requests: int = 0

    @property
    def vanished(self) -> frozenset[int]:
        """The slots of lists that are gone."""
        return frozenset(one.entry.slot for one in self.lists if one.vanished)

    @property
    def contacts(self) -> dict[bytes, str | None]:
        """The contact ids that are others than recorded; None: the contact is gone."""
        moved: dict[bytes, str | None] = dict.fromkeys(self.gone)
        for one in self.lists:
            moved |= one.moved
        return moved

    def foreign(self, recorded: Mapping[bytes, frozenset[int]]) -> dict[bytes, frozenset[int]]:
        """Give who was on which list without us, corrected."""
        gone = self.vanished
        marks = {(key, slot) for key, slots in recorded.items() for slot in slots if slot not in gone}
        for one in self.lists:
            marks -= {(key, one.entry.slot) for key in one.returned}
            marks |= {(key, one.entry.slot) for key in one.strangers}
        found: dict[bytes, frozenset[int]] = {}
        for key, slot in marks:
            found[key] = found.get(key, frozenset()) | {slot}
        return found

    def exports(self, recorded: Iterable[RecordedExport]) -> tuple[RecordedExport, ...]:
        """Give the recorded exports without the lists that are gone."""
        return tuple(_without(export, self.vanished) for export in recorded)

    def claims(self, recorded: Iterable[Claim]) -> Iterator[Claim]:
        """Give the claims in their order, each that is true as it is itself, the others corrected."""
        missing, again = self._missing(), self.contacts.keys()
        gone = self.vanished
        for claim in recorded:
            off = missing.get(claim.key, ())
            slots = claim.slots
            if off or not gone.isdisjoint(slots):
                slots = tuple(slot for slot in slots if slot not in off and slot not in gone)
            if claim.key in again:
                yield claim._replace(digest=UNKNOWN, slots=slots)
            else:
                yield claim if slots == claim.slots else claim._replace(slots=slots)

    def exports_told(self, exports: Iterable[RecordedExport], claims: Iterable[Claim]) -> dict[int, ExportDrift]:
        """Say what concerns each export, by its number. Whose contact is gone was not taken off by anybody."""
        missing, again = self._missing(), self.contacts.keys()
        taken: Counter[tuple[int, int]] = Counter()
        contacts: Counter[int] = Counter()
        for claim in claims:
            contacts[claim.export] += claim.key in again
            if claim.key not in self.gone:
                taken.update((claim.export, slot) for slot in missing.get(claim.key, ()) if slot in claim.slots)
        told = {}
        for export in exports:
            slots = {slot for _, slot in export.segments.values()} | {s for n, s in taken if n == export.number}
            lists = [one.told(taken[export.number, one.entry.slot]) for one in self.lists if one.entry.slot in slots]
            told[export.number] = ExportDrift(tuple(one for one in lists if one), contacts[export.number])
        return told

    def _missing(self) -> dict[bytes, set[int]]:
        missing: dict[bytes, set[int]] = {}
        for one in self.lists:
            for key in one.missing:
                missing.setdefault(key, set()).add(one.entry.slot)
        return missing


def compare(
    entry: RecordedList,
    found: Found,
    held: AbstractSet[bytes],
    before: AbstractSet[bytes],
    unsure: Collection[bytes],
    ids: Mapping[bytes, str],
) -> Compared:
    """Compare one list with its record.

    `held` are the people recorded on it, `before` those who were there before us, `ids` their recorded contact ids.
    `unsure` may have been put there by us without an answer, so they are no strangers.
    """
    if found.title is None:
        return Compared(entry, vanished=True)
    there = found.members
    ours = held | before
    return Compared(
        entry,
        renamed=found.title if found.title != entry.title else "",
        missing=frozenset(held - there.keys()),
        strangers=frozenset(key for key in there if key not in ours and key not in unsure),
        returned=frozenset(before - there.keys()),
        moved={key: there[key] for key in ids if there.get(key) and there[key] != ids[key]},
        nameless=found.nameless,
    )


def holders(claims: Iterable[Claim]) -> dict[int, set[bytes]]:
    """Give who is recorded on each list, by slot."""
    held: dict[int, set[bytes]] = {}
    for claim in claims:
        for slot in claim.slots:
            held.setdefault(slot, set()).add(claim.key)
    return held


def _without(export: RecordedExport, gone: frozenset[int]) -> RecordedExport:
    kept = {name: place for name, place in export.segments.items() if place[1] not in gone}
    return export if len(kept) == len(export.segments) else replace(export, segments=kept)


def sentences(drift: ExportDrift) -> tuple[str, ...]:
    """Say it in sentences; not escaped."""
    said = [sentence for one in drift.lists for sentence in _of_list(one)]
    if drift.contacts:
        one = drift.contacts == 1
        said.append(
            f"drift: {drift.contacts:,} {'contact is' if one else 'contacts are'} gone from Autopilot, or replaced by "
            "another; who is still wanted is sent whole again"
        )
    return tuple(said)


def _of_list(drift: ListDrift) -> Iterator[str]:
    if drift.vanished:
        yield f"drift: the list {drift.list} is gone from Autopilot; it is made again, with its members"
    if drift.renamed:
        yield f"drift: the list {drift.list} is called {drift.renamed} at Autopilot now; it is kept, by its id"
    if drift.taken_off:
        were = "person was" if drift.taken_off == 1 else "people were"
        yield f"drift: {drift.taken_off:,} {were} taken off {drift.list} by hand; who is still wanted is put back"
    if drift.added:
        is_on = "person is on" if drift.added == 1 else "people are on"
        yield f"drift: {drift.added:,} {is_on} {drift.list} whom no run put there; they are left alone"
