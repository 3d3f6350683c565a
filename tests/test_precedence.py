"""Where two exports have a value for one field, the one of the higher rank decides, whichever of them runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hasty import HastyClock
from support.project import FREELY, Project, connection, export, segment, source

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PERSON = "one@example.com"
MATCH = {"Email": "email", "FirstName": "first"}


class Rivals:
    """Exports `a` and `b` that take the first name of one person from a table each; None is nobody, "" no name."""

    def __init__(self, server: Sandbox, root: Path, key: str) -> None:
        self.world = server.account(key)
        self.project = Project(root, server.url, {"AUTOPILOT_API_KEY": key}, HastyClock())
        self.server = server

    def declare(
        self, names: tuple[str | None, str | None], order: Sequence[str] = ("a", "b"), suspended: str = ""
    ) -> None:
        for table, name in zip(("a.csv", "b.csv"), names, strict=True):
            rows = [("0", "other@example.com", "Other")] + ([("1", PERSON, name)] if name is not None else [])
            self.project.people(("id", "email", "first"), rows, file=table)
        freely = {"safety": dict(FREELY)}
        self.project.declare(
            connection(url=self.server.url, fields=tuple(MATCH), precedence=list(order)),
            source("left", "a.csv"),
            source("right", "b.csv"),
            segment("in-a", "true", "left"),
            segment("in-b", "true", "right"),
            export("a", ["in-a"], MATCH, source="left", suspended=suspended == "a", **freely),
            export("b", ["in-b"], MATCH, source="right", suspended=suspended == "b", **freely),
        )

    def apply(self) -> int:
        """Run once; gives the requests that it took."""
        self.server.forget_requests()
        self.project.apply()
        return len(self.server.requests)

    @property
    def name(self) -> object:
        contact = self.world.contact(PERSON)
        return contact.fields.get("FirstName") if contact else None


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def rivals(server: Sandbox, tmp_path: Path, request: pytest.FixtureRequest) -> Rivals:
    both = Rivals(server, tmp_path, f"{abs(hash(request.node.name)):032x}"[-32:])
    both.declare(("A", "B"))
    both.apply()
    return both


def test_the_first_that_precedence_names_decides(rivals: Rivals) -> None:
    assert rivals.name == "A"
    assert rivals.apply() == 0


def test_a_suspended_export_still_decides_its_field(rivals: Rivals) -> None:
    rivals.declare(("A", "B2"), suspended="a")
    assert (rivals.apply(), rivals.name) == (0, "A")
    rivals.declare(("A2", "B2"))
    assert (rivals.apply(), rivals.name) == (1, "A2")


def test_a_precedence_that_changes_is_sent(rivals: Rivals) -> None:
    rivals.declare(("A", "B"), order=("b", "a"))
    assert rivals.apply() == 1
    assert rivals.name == "B"
    assert rivals.apply() == 0


def test_who_decides_no_more_leaves_the_field_to_the_other(rivals: Rivals) -> None:
    rivals.declare((None, "B"))
    rivals.apply()
    assert rivals.name == "B"


def test_whoever_has_no_value_decides_nothing(rivals: Rivals) -> None:
    rivals.declare(("", "B"))
    rivals.apply()
    assert rivals.name == "B"


names = st.tuples(*[st.sampled_from([None, "", "x", "y", "z"])] * 2)
orders = st.permutations(["a", "b"])


@settings(max_examples=25)
@given(
    steps=st.lists(st.tuples(names, orders, st.sampled_from(["", "a", "b"])), max_size=4), last=st.tuples(names, orders)
)
def test_whatever_ran_before_the_end_is_what_is_declared(
    server: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[tuple[str | None, str | None], list[str], str]],
    last: tuple[tuple[str | None, str | None], list[str]],
) -> None:
    root = tmp_path_factory.mktemp("rivals")
    both = Rivals(server, root, f"{abs(hash(root)):032x}"[-32:])
    for values, order, suspended in steps:
        both.declare(values, order, suspended)
        both.apply()
    values, order = last
    both.declare(values, order)
    both.apply()
    declared = dict(zip(("a", "b"), values, strict=True))
    wanted = next((declared[name] for name in order if declared[name]), None)
    if wanted is not None:  # a missing value is not sent, so what was there stays
        assert both.name == wanted
    assert both.apply() == 0
