"""After one apply, Autopilot's world equals the declared one, whatever the world was before."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.project import Project
from support.worlds import COLUMNS, TITLES, UNIVERSE, Declared, Expectation, Profile, declared, profiles

from reconciler.core.record import RunStatus
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.sandbox.world import World

SHM = Path("/dev/shm")
KEYS = count(1)


switches = st.builds(
    Switches,
    bulk_lists=st.sampled_from(["honoured", "ignored", "first"]),
    bad_row=st.sampled_from(["refuse", "drop"]),
    map_keys=st.sampled_from(["lower", "asis"]),
    twin_titles=st.sampled_from(["conflict", "second", "existing"]),
    list_answer=st.sampled_from(["id", "message"]),
    not_modified=st.booleans(),
    unknown_list=st.sampled_from(["text", "empty"]),
    rate=st.just(0.0),
)

before = st.fixed_dictionaries(
    {
        "titles": st.lists(st.sampled_from([*TITLES, "by hand"]), max_size=4),
        "contacts": st.lists(st.integers(0, UNIVERSE + 1), max_size=6, unique=True),
        "members": st.lists(st.tuples(st.integers(0, 3), st.integers(0, UNIVERSE + 1)), max_size=8),
    }
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


def furnish(world: World, setting: dict[str, Any]) -> dict[str, set[str]]:
    """Make the world before: lists, some twice, contacts, and members made by hand; gives the members by list."""
    lists = [world.add_list(title) for title in setting["titles"]]
    for number in setting["contacts"]:
        world.add_contact({"Email": f"person{number}@example.com", "Company": "Contoso"})
    for index, number in setting["members"]:
        if index < len(lists) and number in setting["contacts"]:
            world.add_member(lists[index], f"person{number}@example.com")
    return {entry: world.members_of(entry) for entry in lists}


@settings(max_examples=40)
@given(before=before, switches=switches, generations=st.lists(st.tuples(declared, profiles), min_size=1, max_size=4))
def test_after_one_apply_the_world_is_the_declared_one(
    sandbox: Sandbox, before: dict[str, Any], switches: Switches, generations: list[tuple[Declared, list[Profile]]]
) -> None:
    key = f"{next(KEYS):032x}"
    sandbox.switches = replace(switches)
    world = sandbox.account(key)
    by_hand = furnish(world, before)
    account, former = "account", "konto"
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder:
        project = Project(Path(folder), sandbox.url, {"AUTOPILOT_API_KEY": key})
        expected = Expectation()
        for shape, rows in generations:
            if shape.connection_renamed and expected.ours:  # a name is kept for what is recorded
                account, former = former, account
            project.declare(*shape.documents(sandbox.url, account, former))
            project.people(COLUMNS, [profile.row() for profile in rows])
            _, run = project.apply()
            assert run.status is RunStatus.SUCCESSFUL, run
            expected.move(shape, rows)
            check_lists(world, expected, by_hand)
            check_fields(world, shape, rows)
            again = project.plan()
            assert not again.changes
            assert sum(c.requests.total for c in again.connections) == 0


def check_lists(world: World, expected: Expectation, by_hand: dict[str, set[str]]) -> None:
    for title in (*TITLES, "by hand"):
        entries = world.lists_titled(title)
        found = sorted(entry for entry in entries if entry in by_hand)
        assert len(entries) == max(len(found), int(title in expected.listed)), "a list was made that was not needed"
        for entry in entries:
            ours = set()
            if title in expected.listed and entry == (found or entries)[0]:
                ours = expected.on(title) | expected.left[title]
            # Whoever was on a list before we came stays on it for ever.
            assert world.members_of(entry) == by_hand.get(entry, set()) | ours, title


def check_fields(world: World, shape: Declared, rows: list[Profile]) -> None:
    if shape.first_there and not shape.suspended:
        for email, profile in shape.wanted("first", rows).items():
            contact = world.contact(email)
            assert contact is not None
            assert contact.fields["FirstName"] == profile.first
    if shape.both:
        for email, profile in shape.wanted("second", rows).items():
            contact = world.contact(email)
            assert contact is not None
            assert not profile.phone or contact.fields["Phone"] == profile.phone
    with world.reading() as state:
        assert not any(contact.unsubscribed for contact in state.contacts.values())
        assert all(contact.email for contact in state.contacts.values())
