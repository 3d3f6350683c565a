"""A machine that calls a ledger in any order, and holds what it has beside what a dictionary would have."""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reconciler.core.errors import StateError
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.core.record import Claim, Intent, RecordedExport, RecordedList, Run, RunStatus
from reconciler.state.place import open_ledger, open_reader

if TYPE_CHECKING:
    from reconciler.core.ports import Ledger, LedgerReader

KEY = bytes(range(32))
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
PEOPLE = [hashlib.blake2b(bytes([n]), digest_size=16).digest() for n in range(6)]
"""Few of them, so that the same people come up again and again."""


@dataclass
class Recorded:
    """One connection of the model."""

    exports: dict[int, RecordedExport] = field(default_factory=dict)
    lists: dict[int, RecordedList] = field(default_factory=dict)
    claims: dict[tuple[bytes, int], tuple[bytes, tuple[int, ...]]] = field(default_factory=dict)
    contacts: dict[bytes, str] = field(default_factory=dict)
    doubtful: dict[tuple[int, int, int], Intent] = field(default_factory=dict)
    foreign: set[tuple[bytes, int]] = field(default_factory=set)
    bulk: bool | None = None
    erasures: dict[bytes, str | None] = field(default_factory=dict)

    def named(self, name: str) -> int | None:
        return next((number for number, export in self.exports.items() if export.name == name), None)


names = st.sampled_from(["north", "south", "o'brien; --"])
numbers = st.integers(1, 3)
slots = st.integers(1, 12)
people = st.sampled_from(PEOPLE)
slot_sets = st.sets(slots, max_size=4).map(lambda chosen: tuple(sorted(chosen)))
segments = st.dictionaries(names, st.tuples(st.text(max_size=5), slots), max_size=3)
claim_writes = st.builds(ClaimWrite, numbers, people, st.none() | people, slot_sets)
NOTHING = Acknowledged(claims=[], contacts={}, intents=[], settled=[])
serials = st.integers(1, 3)
intents = st.builds(Intent, serials, serials, numbers, slots, st.lists(people, min_size=1, max_size=3).map(tuple))
batches = st.builds(
    Acknowledged,
    claims=st.lists(claim_writes, max_size=6),
    contacts=st.dictionaries(people, st.none() | st.text(max_size=5), max_size=4),
    intents=st.lists(intents, max_size=4),
    settled=st.lists(st.tuples(serials, serials), max_size=4),
)


class LedgerIsADictionary(RuleBasedStateMachine):
    """What a dictionary would hold after the same calls is what the ledger holds, also for a reader beside it."""

    parts = 1
    """How many of what it is made of begin a run each."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.folder = Path(self.place.name)
        self.model: dict[str, Recorded] = {}
        self.serial = 0
        self.suppressed: set[bytes] = set()
        self.used: dict[str, str] = {}
        self.ledger: Ledger

    def opened(self) -> Ledger:
        """Open it for writing."""
        return open_ledger(self.folder, KEY)

    def read(self) -> LedgerReader:
        """Open it for reading, beside the other."""
        return open_reader(self.folder, KEY)

    @initialize()
    def open(self) -> None:
        self.ledger = self.opened()

    def teardown(self) -> None:
        self.ledger.close()
        self.place.cleanup()

    def seen(self, connection: str) -> Recorded:
        return self.model.get(connection, Recorded())

    def entered(self, connection: str) -> Recorded:
        return self.model.setdefault(connection, Recorded())

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = self.opened()

    @rule(seal=st.sampled_from(["", "", "seal-a", "seal-b"]))
    def start(self, seal: str) -> None:
        run = Run(f"run-{self.serial + 1}", NOON, None, "demand", RunStatus.RUNNING, "c0ffee", seal=seal)
        if seal in self.used:
            with pytest.raises(StateError, match="contradicts"):
                self.ledger.start(run)
            return
        self.ledger.start(run)
        self.serial += 1
        if seal:
            self.used[seal] = run.id

    @rule(connection=names, number=numbers, name=names, protected=st.booleans(), keep=st.booleans(), used=segments)
    def save_export(
        self, connection: str, number: int, name: str, *, protected: bool, keep: bool, used: dict[str, tuple[str, int]]
    ) -> None:
        export = RecordedExport(number, name, 12345, protected, keep, used)
        if self.seen(connection).named(name) not in {None, number}:
            with pytest.raises(StateError, match="contradicts"):
                self.ledger.save_export(connection, export)
            return
        self.ledger.save_export(connection, export)
        self.entered(connection).exports[number] = export

    @rule(connection=names, number=numbers)
    def drop_export(self, connection: str, number: int) -> None:
        self.ledger.drop_export(connection, number)
        there = self.seen(connection)
        there.exports.pop(number, None)
        gone = {key for key, export in there.claims if export == number}
        there.claims = {place: claim for place, claim in there.claims.items() if place[1] != number}
        for key in gone - {key for key, _ in there.claims}:
            there.contacts.pop(key, None)

    @rule(connection=names, slot=slots, title=st.text(max_size=5), made=st.booleans(), behind=st.booleans())
    def save_list(self, connection: str, slot: int, title: str, *, made: bool, behind: bool) -> None:
        entry = RecordedList(slot, title, f"contactlist_{title}", made, behind)
        self.ledger.save_list(connection, entry)
        self.entered(connection).lists[slot] = entry

    @rule(connection=names, slot=slots, keys=st.lists(people, max_size=4))
    def save_foreign(self, connection: str, slot: int, keys: list[bytes]) -> None:
        self.ledger.save_foreign(connection, slot, keys)
        self.entered(connection).foreign |= {(key, slot) for key in keys}

    @rule(connection=names, slot=slots, keys=st.lists(people, max_size=4))
    def drop_foreign(self, connection: str, slot: int, keys: list[bytes]) -> None:
        self.ledger.drop_foreign(connection, slot, keys)
        self.seen(connection).foreign.difference_update((key, slot) for key in keys)

    @rule(connection=names, number=numbers, name=names, slot=slots, members=st.lists(people, max_size=4, unique=True))
    def adopt(self, connection: str, number: int, name: str, slot: int, members: list[bytes]) -> None:
        export = RecordedExport(number, name, 0, segments={"adopted": ("A list", slot)})
        entry = RecordedList(slot, "A list", f"contactlist_{slot}", made=False)
        claims = [ClaimWrite(number, key, key, (slot,)) for key in members]
        batch = Acknowledged(claims=claims, contacts=dict.fromkeys(members, "person_adopted"))
        if self.seen(connection).named(name) not in {None, number}:
            with pytest.raises(StateError, match="contradicts"):
                self.ledger.adopt(connection, export, entry, batch)
            return
        self.ledger.adopt(connection, export, entry, batch)
        there = self.entered(connection)
        there.exports[number], there.lists[slot] = export, entry
        there.foreign = {(key, on) for key, on in there.foreign if on != slot}
        there.claims |= {(key, number): (key, (slot,)) for key in members}
        there.contacts |= batch.contacts  # type: ignore[arg-type]  # none of them is None

    @rule(key=people, connections=st.lists(names, max_size=2, unique=True))
    def suppress(self, key: bytes, connections: list[str]) -> None:
        self.ledger.suppress(key, connections)
        self.suppressed.add(key)
        for name in connections:
            there = self.entered(name)
            there.erasures[key] = there.contacts.get(key, there.erasures.get(key))

    @rule(connection=names, key=people)
    def erased(self, connection: str, key: bytes) -> None:
        self.ledger.erased(connection, key)
        there = self.seen(connection)
        there.erasures.pop(key, None)
        there.contacts.pop(key, None)
        there.foreign = {(who, on) for who, on in there.foreign if who != key}
        there.claims = {place: claim for place, claim in there.claims.items() if place[0] != key}
        left = {
            place: intent._replace(keys=tuple(each for each in intent.keys if each != key))
            for place, intent in there.doubtful.items()
        }
        there.doubtful = {place: intent for place, intent in left.items() if intent.keys}

    @rule(connection=names, slot=slots)
    def drop_list(self, connection: str, slot: int) -> None:
        self.ledger.drop_list(connection, slot)
        there = self.seen(connection)
        there.lists.pop(slot, None)
        there.exports = {
            number: replace(export, segments={n: place for n, place in export.segments.items() if place[1] != slot})
            for number, export in there.exports.items()
        }
        there.foreign = {(key, on) for key, on in there.foreign if on != slot}
        there.claims = {
            place: (digest, tuple(one for one in held if one != slot)) for place, (digest, held) in there.claims.items()
        }

    @rule(connection=names, works=st.booleans())
    def save_bulk_lists(self, connection: str, *, works: bool) -> None:
        self.ledger.save_bulk_lists(connection, works=works)
        self.entered(connection).bulk = works

    @rule(connection=names, batch=batches)
    def commit(self, connection: str, batch: Acknowledged) -> None:
        there = self.seen(connection)
        last = {(write.key, write.export): write for write in batch.claims}
        if any(write.digest is not None and write.export not in there.exports for write in last.values()):
            with pytest.raises(StateError, match="contradicts"):
                self.ledger.commit(connection, batch)
            return
        self.ledger.commit(connection, batch)
        if batch == NOTHING:
            return
        there = self.entered(connection)
        for place, write in last.items():
            if write.digest is None:
                there.claims.pop(place, None)
            else:
                there.claims[place] = (write.digest, write.slots)
        there.contacts |= {key: contact for key, contact in batch.contacts.items() if contact is not None}
        for key in (key for key, contact in batch.contacts.items() if contact is None):
            there.contacts.pop(key, None)
        there.doubtful = {place: one for place, one in there.doubtful.items() if place[:2] not in batch.settled}
        there.doubtful |= {one[:3]: one for one in batch.intents}

    @rule(old=names, new=names)
    def rename_connection(self, old: str, new: str) -> None:
        known = old in self.model and old != new
        if known and new in self.ledger.connections():
            with pytest.raises(StateError, match="under both names"):
                self.ledger.rename_connection(old, new)
            return
        self.ledger.rename_connection(old, new)
        if known:
            self.model[new] = self.model.pop(old)

    @rule(connection=names, old=names, new=names)
    def rename_export(self, connection: str, old: str, new: str) -> None:
        there = self.seen(connection)
        number = there.named(old)
        if number is not None and there.named(new) not in {None, number}:
            with pytest.raises(StateError, match="both are recorded"):
                self.ledger.rename_export(connection, old, new)
            return
        self.ledger.rename_export(connection, old, new)
        if number is not None:
            there.exports[number] = replace(there.exports[number], name=new)

    @invariant()
    def the_same_is_recorded(self) -> None:
        if not hasattr(self, "ledger"):
            return
        self.compare(self.ledger)
        reader = self.read()
        self.compare(reader)
        reader.close()

    def compare(self, reader: LedgerReader) -> None:
        identity = reader.identity()
        assert identity is not None
        assert identity.serial == self.serial * self.parts
        assert {seal: reader.used_by(seal) for seal in ("seal-a", "seal-b")} == {
            seal: self.used.get(seal) for seal in ("seal-a", "seal-b")
        }
        assert reader.suppressed() == self.suppressed
        assert reader.erasures() == {name: there.erasures for name, there in self.model.items() if there.erasures}
        assert reader.connections() == tuple(sorted(name for name, there in self.model.items() if there.exports))
        for name, there in self.model.items():
            held = [export for _, export in there.claims]
            assert reader.exports(name) == tuple(
                replace(export, people=held.count(number)) for number, export in sorted(there.exports.items())
            )
            assert reader.lists(name) == tuple(entry for _, entry in sorted(there.lists.items()))
            assert list(reader.claims(name)) == [
                Claim(key, export, digest, on) for (key, export), (digest, on) in sorted(there.claims.items())
            ]
            assert reader.contact_ids(name, PEOPLE) == there.contacts
            assert reader.doubtful(name) == tuple(there.doubtful[place] for place in sorted(there.doubtful))
            assert reader.bulk_lists(name) is there.bulk
            assert reader.foreign(name) == {
                key: frozenset(slot for who, slot in there.foreign if who == key) for key, _ in there.foreign
            }
