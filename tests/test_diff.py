"""What changes for each person, over all exports of one connection at once."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from support.merges import Scene, after, content, digest, person_key, scenes

from reconciler.core.pairs import pair
from reconciler.core.precedence import ranks
from reconciler.core.record import Claim
from reconciler.core.roster import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.core.diff import Side
    from reconciler.core.pairs import Alike

Desired = dict[tuple[bytes, int], tuple[bytes, frozenset[int]]]


def desired(scene: Scene) -> Desired:
    """Say in plain sets who is to be recorded, by (person, export): content and lists."""
    modes = {side.entry.number: side.entry.mode for side in scene.sides}
    past = {(c.key, c.export): (c.digest, frozenset(c.slots)) for c in scene.claims}
    wish: Desired = {place: held for place, held in past.items() if modes.get(place[1], Mode.HOLD) is Mode.HOLD}
    for side in scene.sides:
        if side.people is None or side.entry.export is None:
            continue
        number = side.entry.number
        for key, person in side.people.items():
            lists = {slot for i, slot in enumerate(side.entry.slots) if person.mask >> i & 1}
            held = {number for key_, number in past if key_ == key}
            wish[key, number] = sent(scene, side, key, held), frozenset(lists - scene.foreign.get(key, frozenset()))
        for (key, export), (content_before, lists_before) in past.items():
            if side.entry.export.keep_leavers and export == number:
                now, lists_now = wish.get((key, number), (content_before, frozenset()))
                wish[key, number] = now, lists_now | lists_before
    return wish


def decides(scene: Scene, side: Side, key: bytes, held: set[int]) -> bool:
    """Tell whether another export has the say over the field that both send."""
    for other in scene.sides:
        number = other.entry.number
        if number in side.yields:
            if other.people is None and other.entry.mode is Mode.HOLD and number in held:
                return True
            if other.people and key in other.people and b'"Shared"' in (other.people[key].contact or b""):
                return True
    return False


def sent(scene: Scene, side: Side, key: bytes, held: set[int]) -> bytes:
    """Give the digest of what the export sends of a person: without a field that another one decides."""
    person = (side.people or {})[key]
    if not decides(scene, side, key, held):
        return person.digest
    fields = {name: value for name, value in json.loads(person.contact or b"{}").items() if name != "Shared"}
    return digest(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode())


def as_sets(claims: Iterable[Claim]) -> Desired:
    return {(c.key, c.export): (c.digest, frozenset(c.slots)) for c in claims}


def lists(claims: Iterable[Claim]) -> set[int]:
    return {slot for claim in claims for slot in claim.slots}


@given(scenes())
def test_the_steps_lead_from_what_is_recorded_to_what_is_declared(scene: Scene) -> None:
    assert as_sets(after(scene.claims, scene.steps())) == desired(scene)


@given(scenes())
def test_a_membership_is_one_whatever_exports_lead_to_it(scene: Scene) -> None:
    for step in scene.steps():
        had, has = lists(step.before), lists(step.after)
        stay = lists(claim for claim in step.before if claim.export in scene.leaves_behind)
        assert step.add == tuple(sorted(has - had))
        assert step.remove == tuple(sorted(had - has - stay))


@given(scenes())
def test_what_others_made_is_neither_added_nor_removed(scene: Scene) -> None:
    for step in scene.steps():
        assert not scene.foreign.get(step.key, frozenset()) & {*step.add, *step.remove}


@given(scenes())
def test_steps_are_few_ascending_and_each_changes_something(scene: Scene) -> None:
    steps = scene.steps()
    keys = [step.key for step in steps]
    assert keys == sorted(set(keys))
    assert all(step.before != step.after for step in steps)
    assert all(claim.key == step.key for step in steps for claim in (*step.before, *step.after))


@given(scenes())
def test_what_is_as_declared_needs_no_step(scene: Scene) -> None:
    assert scene.recorded(after(scene.claims, scene.steps())).steps() == []


@given(scenes())
def test_who_is_as_declared_is_counted_and_everybody_else_is_given(scene: Scene) -> None:
    pairs = list(scene.merge.pairs(iter(scene.claims)))
    same: Counter[Alike] = Counter()
    assert list(scene.merge.changes(iter(scene.claims), same)) == [p for p in pairs if p[1] is not p[2]]
    alike = (before for _, before, after in pairs if before is after)
    assert +same == Counter(tuple((claim.export, claim.slots) for claim in before) for before in alike)


@given(scenes())
def test_held_exports_keep_their_claims(scene: Scene) -> None:
    held = {1, 2, 3, 4} - {s.entry.number for s in scene.sides if s.entry.mode is not Mode.HOLD}
    for step in scene.steps():
        assert [c for c in step.before if c.export in held] == [c for c in step.after if c.export in held]


@given(scenes())
def test_a_contact_is_sent_when_what_somebody_sends_changed(scene: Scene) -> None:
    for step in scene.steps():
        past = {claim.export: claim.digest for claim in step.before}
        changed = any(past.get(claim.export) != claim.digest for claim in step.after)
        has_something_to_send = any(side.people is not None and step.key in side.people for side in scene.sides)
        assert step.push is (has_something_to_send and changed)


@given(scenes())
def test_the_contact_has_the_fields_of_every_export_that_runs_and_the_first_ranks(scene: Scene) -> None:
    for step in scene.steps():
        if not (step.push or step.add):
            continue
        sends = [s for s in scene.sides if s.people is not None and step.key in s.people]
        contact = json.loads(step.contact) if step.contact else {}
        if sends:
            assert contact["Email"] == step.address
            held = {claim.export for claim in step.before}
            values = [
                json.loads(side.people[step.key].contact or b"{}").get("Shared")
                for side in sorted(sends, key=lambda side: side.rank)
                if side.people and not decides(scene, side, step.key, held)
            ]
            assert contact.get("Shared") == next(filter(None, values), None)
        assert {k for k in contact if k.startswith("Field")} == {f"Field{s.entry.number}" for s in sends}


@given(scenes())
def test_who_is_sent_or_added_is_somebody_whose_address_is_known(scene: Scene) -> None:
    for step in scene.steps():
        assert bool(step.address) is bool(step.contact)
        assert step.address or not (step.push or step.add)


@given(scenes(), scenes())
def test_learning_who_was_there_before_changes_only_their_memberships(scene: Scene, other: Scene) -> None:
    learnt = scene.merge.knowing(other.foreign)
    told = Scene(scene.sides, scene.claims, other.foreign)
    assert list(learnt.steps(iter(scene.claims))) == told.steps()


@given(st.sets(st.integers(0, 9)), st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)), unique=True))
def test_both_sides_are_paired_once(wanted: set[int], held: list[tuple[int, int]]) -> None:
    claims = sorted(Claim(person_key(k), export, content(1), ()) for k, export in held)
    grouped = defaultdict(list)
    for claim in claims:
        grouped[claim.key].append(claim)
    expected = [(k, tuple(grouped.get(k, ()))) for k in sorted({*map(person_key, wanted), *grouped})]
    assert list(pair(sorted(map(person_key, wanted)), iter(claims))) == expected


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_precedence_ranks_first_and_names_decide_the_rest(names: list[str], precedence: list[str]) -> None:
    rank = ranks(iter(names), precedence)
    named = [name for name in precedence if name in names]
    assert sorted(names, key=rank) == named + sorted(set(names) - set(named))
