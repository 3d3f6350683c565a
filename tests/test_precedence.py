"""Of two exports that send one field from different sources, the one that precedence names first decides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.project import KEY, Project, connection, export, segment, source

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PERSON = "one@example.com"


class Account:
    """Two sources that know one person, and what Autopilot calls the person."""

    def __init__(self, root: Path, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._project = Project(root, sandbox.url)

    def apply(self, **tables: str | None) -> str:
        """Run once: each export has the first name that it sends, or None for nobody; gives the name that stands."""
        names = sorted(tables)
        match = {"Email": "email", "FirstName": "first"}
        documents = [connection(url=self._project.url, fields=("Email", "FirstName"), precedence=names)]
        for name in names:
            first = tables[name]
            rows = [] if first is None else [("1", PERSON, first)]
            self._project.people(("id", "email", "first"), rows, file=f"{name}.csv")
            documents += [source(name, f"{name}.csv"), segment(name, "true", name)]
            documents.append(export(name, [name], match, source=name, allowEmpty=True))
        self._project.declare(*documents)
        self._project.apply()
        assert not self._project.plan().changes
        contact = self._sandbox.world.contact(PERSON)
        assert contact is not None
        return str(contact.fields.get("FirstName"))


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with Sandbox(key=KEY, switches=Switches(rate=0)) as sandbox:
        yield Account(tmp_path, sandbox)


def test_the_first_decides_whichever_of_them_changes(account: Account) -> None:
    assert account.apply(alpha="A", beta="B") == "A"
    assert account.apply(alpha="A", beta="B2") == "A"
    assert account.apply(alpha="A2", beta="B2") == "A2"


def test_who_comes_later_and_ranks_first_decides(account: Account) -> None:
    assert account.apply(alpha=None, beta="B") == "B"
    assert account.apply(alpha="A", beta="B") == "A"


def test_when_the_first_lets_a_person_go_the_next_decides(account: Account) -> None:
    assert account.apply(alpha="A", beta="B") == "A"
    assert account.apply(alpha=None, beta="B") == "B"


def test_when_the_first_is_retired_the_next_decides(account: Account) -> None:
    assert account.apply(alpha="A", beta="B") == "A"
    assert account.apply(beta="B") == "B"


def test_where_the_first_has_no_value_the_next_decides(account: Account) -> None:
    assert account.apply(alpha="", beta="B") == "B"
    assert account.apply(alpha="A", beta="B") == "A"
    assert account.apply(alpha="", beta="B") == "B"
