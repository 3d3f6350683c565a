"""What is recorded while the answers come one by one is what was acknowledged, so that a cut run goes on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from support.merges import Scene, content, digest, person_key, scenes

from reconciler.core.diff import Side
from reconciler.core.model import Export
from reconciler.core.people import Person
from reconciler.core.record import Claim
from reconciler.core.roster import Entry, Mode
from reconciler.core.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.core.diff import Step
    from reconciler.core.ports import ClaimWrite

Request = tuple[str, int]


def requests(step: Step) -> list[Request]:
    """Give what a step asks for, in the order of a run: the contact is sent before or with its first list."""
    leaves = [("leave", slot) for slot in step.remove]
    return leaves + ([("push", 0)] if step.push else []) + [("join", slot) for slot in step.add]


def acknowledged(step: Step, done: Iterable[Request]) -> Standing:
    standing = Standing(step, contact_id="person_1")
    for kind, slot in done:
        match kind:
            case "push":
                standing.sent = True
            case "join":
                standing.added += (slot,)
            case _:
                standing.removed += (slot,)
    return standing


def written(claims: Iterable[Claim], writes: Iterable[ClaimWrite]) -> list[Claim]:
    """Do as the ledger does."""
    held = {(claim.key, claim.export): claim for claim in claims}
    for write in writes:
        held.pop((write.key, write.export), None)
        if write.digest is not None:
            held[write.key, write.export] = Claim(write.key, write.export, write.digest, write.slots)
    return sorted(held.values())


@st.composite
def cut_off(draw: st.DrawFn) -> tuple[Scene, dict[bytes, list[Request]]]:
    """Draw a connection, and of each person's requests those that were acknowledged before the run was cut off."""
    scene = draw(scenes())
    done = {}
    for step in scene.steps():
        order = draw(st.permutations(requests(step)))
        pushes = [each for each in order if each[0] == "push"]
        joins = [each for each in order if each[0] == "join"]
        order = [each for each in order if each[0] == "leave"]
        cut = draw(st.integers(0, len(order)))
        order[cut:cut] = pushes + joins
        done[step.key] = order[: draw(st.integers(0, len(order)))]
    return scene, done


@given(cut_off())
def test_after_a_cut_exactly_the_rest_remains(drawn: tuple[Scene, dict[bytes, list[Request]]]) -> None:
    scene, done = drawn
    claims = list(scene.claims)
    open_: dict[bytes, set[Request]] = {}
    for step in scene.steps():
        if done[step.key] or not requests(step):
            claims = written(claims, acknowledged(step, done[step.key]).claims())
        open_[step.key] = set(requests(step)) - set(done[step.key])
    again = {step.key: step for step in scene.recorded(claims).steps()}
    for key, rest in open_.items():
        repeated = set(requests(again[key])) if key in again else set()
        assert repeated == rest


@given(cut_off())
def test_nothing_is_recorded_that_was_not_acknowledged(drawn: tuple[Scene, dict[bytes, list[Request]]]) -> None:
    scene, done = drawn
    for step in scene.steps():
        had = {slot for claim in step.before for slot in claim.slots}
        contents = {(claim.export, claim.digest) for claim in step.before}
        if ("push", 0) in done[step.key] or not step.push:
            contents |= {(claim.export, claim.digest) for claim in step.after}
        joined = {slot for kind, slot in done[step.key] if kind == "join"}
        left = {slot for kind, slot in done[step.key] if kind == "leave"}
        held = [write for write in acknowledged(step, done[step.key]).claims() if write.digest is not None]
        on = {slot for write in held for slot in write.slots}
        assert on <= (had | joined) - left
        assert {(write.export, write.digest) for write in held} <= contents


@given(cut_off())
def test_no_membership_is_there_without_a_record(drawn: tuple[Scene, dict[bytes, list[Request]]]) -> None:
    scene, done = drawn
    for step in scene.steps():
        joined = {slot for kind, slot in done[step.key] if kind == "join"}
        left = {slot for kind, slot in done[step.key] if kind == "leave"}
        behind = {slot for claim in step.before if claim.export in scene.leaves_behind for slot in claim.slots}
        had = {slot for claim in step.before for slot in claim.slots}
        now = written(step.before, acknowledged(step, done[step.key]).claims())
        assert {slot for claim in now for slot in claim.slots} >= (had | joined) - left - behind


@given(scenes())
def test_when_all_is_acknowledged_the_step_is_done_and_not_before(scene: Scene) -> None:
    for step in scene.steps():
        whole = acknowledged(step, requests(step))
        assert whole.done
        writes = {write.export: write for write in whole.claims()}
        for claim in step.after:
            write = writes.get(claim.export)
            assert claim in step.before if write is None else (write.digest, write.slots) == (claim.digest, claim.slots)
        assert all(not acknowledged(step, requests(step)[:-1]).done for _ in requests(step)[:1])


@given(cut_off())
def test_an_id_is_forgotten_with_the_last_claim_only(drawn: tuple[Scene, dict[bytes, list[Request]]]) -> None:
    scene, done = drawn
    for step in scene.steps():
        standing = acknowledged(step, done[step.key])
        writes = standing.claims()
        left = written(step.before, writes)
        if standing.forgotten(writes):
            assert not left
        elif step.before and any(write.digest is None for write in writes):
            assert left or not writes


def test_a_field_that_another_export_let_go_is_sent_after_a_cut_too() -> None:
    key = person_key(1)
    name = "FirstName"
    contact = b'{"Email":"person1@example.com","FirstName":"Blue"}'
    stays = Person("1", 1, digest(contact), "person1@example.com", contact)
    ends = Side(Entry(1, "ends", Export("ends", "profiles", "account", (), ()), None, Mode.RUN, (1,)), {}, rank=0)
    goes_on = Entry(2, "goes-on", Export("goes-on", "profiles", "account", (), ()), None, Mode.RUN, (2,))
    sides = (ends, Side(goes_on, {key: stays}, rank=1, yields={1: frozenset({(name,)})}))
    left = digest(b'{"Email":"person1@example.com"}')
    scene = Scene(sides, (Claim(key, 1, content(1), (1,)), Claim(key, 2, left, (2,))))
    (step,) = scene.steps()
    assert requests(step) == [("leave", 1), ("push", 0)]
    assert step.contact == contact
    cut = acknowledged(step, [("leave", 1)])
    assert not cut.forgotten(cut.claims())
    (again,) = scene.recorded(written(scene.claims, cut.claims())).steps()
    assert requests(again) == [("push", 0)]
    assert again.after == step.after
