"""What a plan counts is what a run does: people, memberships, and every request."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from support.merges import NUMBERS, Scene, scenes

from reconciler.core.tally import BATCH, Tally
from reconciler.flow.outbox import Outbox
from reconciler.flow.parcels import NO_LIST, Bulk, Join, Leave, Parcel, Single, standings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.core.standing import Standing

large = scenes(most=5, copies=130)


def tallied(scene: Scene) -> Tally:
    return Tally.count(scene.merge, iter(scene.claims))


def known(keys: Sequence[bytes]) -> dict[bytes, str]:
    return {key: f"person_{key.hex()}" for key in keys}


def accept(parcel: Parcel) -> None:
    """Answer as an Autopilot that takes everything."""
    for standing in standings(parcel):
        match parcel:
            case Bulk(_, slot) | Single(_, slot):
                standing.sent, standing.contact_id = True, f"person_{standing.step.key.hex()}"
                standing.added += (slot,) if slot != NO_LIST else ()
            case Join(_, slot, _):
                standing.added += (slot,)
            case Leave(_, slot, _):
                standing.removed += (slot,)


def drive(scene: Scene, *, bulk_lists: bool, seed: int) -> tuple[list[Parcel], list[Standing]]:
    """Send everything, up to 8 at once, answered in a random order; gives all parcels and everybody in them."""
    chance = random.Random(seed)
    outbox = Outbox(iter(scene.steps()), known, set(), bulk_lists=bulk_lists)
    sent: list[Parcel] = []
    flying: list[Parcel] = []
    everybody: dict[bytes, Standing] = {}
    while True:
        while len(flying) < 8 and (parcel := outbox.take()) is not None:
            flying.append(parcel)
            sent.append(parcel)
            everybody |= {standing.step.key: standing for standing in standings(parcel)}
            in_flight = [standing.step.key for each in flying for standing in standings(each)]
            assert len(in_flight) == len(set(in_flight)), "a person is in two requests at once"
        everybody |= {standing.step.key: standing for standing in outbox.bookkeeping}
        outbox.bookkeeping.clear()
        if not flying:
            if outbox.drained:
                assert not outbox.unfinished
                return sent, list(everybody.values())
            continue
        parcel = flying.pop(chance.randrange(len(flying)))
        accept(parcel)
        for standing in standings(parcel):
            outbox.advance(standing)


@settings(max_examples=40)
@given(large, st.booleans(), st.integers(0, 2**32))
def test_the_requests_of_the_plan_are_those_of_the_run(scene: Scene, bulk_lists: bool, seed: int) -> None:  # noqa: FBT001  # drawn
    counted = tallied(scene).requests(bulk_lists=bulk_lists, fresh=0, probe=False)
    sent, everybody = drive(scene, bulk_lists=bulk_lists, seed=seed)
    kinds = Counter(type(parcel) for parcel in sent)
    assert (counted.bulk, counted.removals) == (kinds[Bulk], kinds[Leave])
    assert (counted.single, counted.joins) == (kinds[Single], kinds[Join])
    assert counted.total == len(sent)
    assert all(standing.done for standing in everybody)
    assert {s.step.key for s in everybody} == {step.key for step in scene.steps()}
    assert all(len(parcel.standings) <= BATCH for parcel in sent if isinstance(parcel, Bulk))


@settings(max_examples=40)
@given(large)
def test_no_way_with_fewer_bulk_requests_of_one_list_each_is_left(scene: Scene) -> None:
    steps = scene.steps()
    lists = Counter(slot for step in steps for slot in step.add)
    lists[NO_LIST] = sum(step.push and not step.add for step in steps)
    bulk = tallied(scene).requests(bulk_lists=True, fresh=0, probe=False).bulk
    assert bulk == sum(math.ceil(people / BATCH) for people in lists.values())


@given(scenes(), st.integers(0, 3), st.booleans())
def test_lists_and_checks_are_counted_when_they_are_needed(scene: Scene, fresh: int, probe: bool) -> None:  # noqa: FBT001  # drawn
    tally = tallied(scene)
    adds = any(step.add for step in scene.steps())
    for bulk_lists in (True, False):
        with_lists = tally.requests(bulk_lists=bulk_lists, fresh=fresh, probe=probe)
        assert with_lists.lists == (fresh + 1 if fresh else 0)
        assert with_lists.checks == (2 if probe and adds else 0)


@given(scenes())
def test_people_are_counted_as_the_steps_say(scene: Scene) -> None:
    tally = tallied(scene)
    after = {(c.key, c.export): c for c in scene.claims}
    for step in scene.steps():
        for claim in step.before:
            del after[claim.key, claim.export]
        after |= {(c.key, c.export): c for c in step.after}
    before = {(c.key, c.export): c for c in scene.claims}
    assert tally.people == len({key for key, _ in after})
    for number in {export for _, export in (*before, *after)}:
        had = {key: claim for (key, export), claim in before.items() if export == number}
        has = {key: claim for (key, export), claim in after.items() if export == number}
        assert tally.create[number] == len(has.keys() - had.keys())
        assert tally.leave[number] == len(had.keys() - has.keys())
        assert tally.update[number] == sum(had[key] != has[key] for key in had.keys() & has.keys())
        assert tally.unchanged[number] == sum(had[key] == has[key] for key in had.keys() & has.keys())


@given(scenes())
def test_memberships_are_counted_for_every_export_that_leads_to_them(scene: Scene) -> None:
    add, remove, people = Counter[tuple[int, int]](), Counter[tuple[int, int]](), Counter[int]()
    for step in scene.steps():
        had = {(claim.export, slot) for claim in step.before for slot in claim.slots}
        has = {(claim.export, slot) for claim in step.after for slot in claim.slots}
        gone = {(export, slot) for export, slot in had - has if slot in step.remove}
        add.update((export, slot) for export, slot in has - had if slot in step.add)
        remove.update(gone)
        people.update({export for export, _ in gone})
    tally = tallied(scene)
    assert (tally.add, tally.remove, tally.removals) == (add, remove, people)


@given(scenes())
def test_counts_add_up(scene: Scene) -> None:
    tally = tallied(scene)
    for side in scene.sides:
        if side.people is not None:
            counts = tally.counts(side.entry.number, len(side.people))
            assert counts.desired + counts.kept == counts.create + counts.update + counts.unchanged + counts.kept
            assert min(counts.create, counts.update, counts.unchanged, counts.leave, counts.kept) >= 0


@given(scenes(), scenes())
def test_the_digest_tells_different_steps_apart(scene: Scene, other: Scene) -> None:
    same = [(s.key, s.push, s.add, s.remove, s.after) for s in scene.steps()]
    others = [(s.key, s.push, s.add, s.remove, s.after) for s in other.steps()]
    told = [(key, push, add, remove, [(c.export, c.digest) for c in after]) for key, push, add, remove, after in same]
    tolds = [
        (key, push, add, remove, [(c.export, c.digest) for c in after]) for key, push, add, remove, after in others
    ]
    assert (tallied(scene).digest == tallied(other).digest) is (told == tolds)


@given(scenes())
def test_an_export_at_rest_is_counted_by_how_many_it_holds(scene: Scene) -> None:
    claims = [claim for claim in scene.claims if claim.export == NUMBERS[-1]]
    read = Tally.count(Scene((), ()).merge, iter(claims))
    told = Tally.at_rest(NUMBERS[-1], len(claims))
    assert (told.people, told.digest) == (read.people, read.digest)
    assert told.counts(NUMBERS[-1], 0) == read.counts(NUMBERS[-1], 0)
    assert told.requests(bulk_lists=True, fresh=0, probe=True) == read.requests(bulk_lists=True, fresh=0, probe=True)
