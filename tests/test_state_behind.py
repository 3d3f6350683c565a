"""A state that is older than what Autopilot holds, or of another time, takes nobody off a list who is not in it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.account import Account, Table, crowd

from reconciler.core.errors import Unavailable
from reconciler.core.record import RunStatus
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches
from reconciler.state.custody import Custody

if TYPE_CHECKING:
    from collections.abc import Iterator


STRANGER = "stranger@example.com"


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def account(server: Sandbox, tmp_path: Path) -> Account:
    return Account(server, tmp_path)


def people(*numbers: int) -> Table:
    return {mail: row for n, (mail, row) in enumerate(crowd(20).items()) if n in numbers}


def custody(account: Account) -> Custody:
    shop = account.project.shop()
    looked_after = shop.custody(account.project.root)
    assert isinstance(looked_after, Custody)
    return looked_after


def applied(account: Account, table: Table) -> None:
    account.declare(table)
    assert account.apply().status is RunStatus.SUCCESSFUL


def put_on(account: Account, title: str, mail: str) -> None:
    """Let somebody put a contact on a list by hand."""
    if account.world.contact(mail) is None:
        account.world.add_contact({"Email": mail})
    contact = account.world.contact(mail)
    (list_id,) = account.world.lists_titled(title)
    assert contact is not None
    account.world.add_member(list_id, contact.id)


def reads(account: Account) -> int:
    return sum(entry.method == "GET" and "/contacts" in entry.path for entry in account.server.requests)


def test_who_is_there_and_not_in_the_restored_state_is_never_removed(account: Account) -> None:
    applied(account, people(*range(8)))
    applied(account, people(*range(12)))
    put_on(account, "all", STRANGER)
    custody(account).restore(1)
    account.behave()
    account.declare(people(*range(6)))
    (told,) = account.project.plan().exports
    assert [note.split(":")[0] for note in told.notes] == ["all", "odd"]
    applied(account, people(*range(6)))
    assert account.project.plan().exports[0].notes == ()
    since = {*people(8, 9, 10, 11), STRANGER}
    assert account.world.members("all") == {*people(*range(6)), *since}, "6 and 7 are in it, and leave"
    assert account.world.members("odd") == {*people(1, 3, 5), *people(9, 11)}
    assert custody(account).check().behind == 0
    assert reads(account) > 0
    account.behave()
    applied(account, people(*range(12)))
    applied(account, people(*range(6)))
    assert reads(account) == 0, "once is enough"
    assert account.world.members("all") == {*people(*range(6)), *since}


def test_lists_that_cannot_be_read_now_stop_the_run_before_anything_is_sent(account: Account) -> None:
    applied(account, people(*range(8)))
    custody(account).restore(1)
    account.behave(Fault("500-before", method="GET", path="/list/*/contacts", count=None))
    account.declare(people(*range(4)))
    with pytest.raises(Unavailable):
        account.apply()
    assert {entry.method for entry in account.server.requests} == {"GET"}
    assert account.world.members("all") == {*people(*range(8))}
    account.behave()
    applied(account, people(*range(4)))
    account.check_declared()


def test_a_list_that_vanished_since_is_made_again(account: Account) -> None:
    applied(account, people(*range(4)))
    custody(account).restore(1)
    (list_id,) = account.world.lists_titled("odd")
    account.world.remove_list(list_id)
    applied(account, people(*range(8)))
    account.check_declared()


def test_what_was_in_doubt_then_is_nobodys_now(account: Account) -> None:
    applied(account, people(*range(4)))
    account.behave(Fault("500-after", method="POST", path="/contacts", count=None))
    account.declare(people(*range(8)))
    assert account.apply().status is RunStatus.FAILED
    account.behave()
    backup = account.project.root / "backup"
    custody(account).pull(backup)
    applied(account, people(*range(4)))
    put_on(account, "all", next(iter(people(6))))
    custody(account).push(backup, force=True)
    applied(account, people(*range(3)))
    assert account.world.members("all") == {*people(0, 1, 2), *people(6)}


some = st.sets(st.integers(0, 11), min_size=1).map(lambda chosen: people(*chosen))


@settings(max_examples=12)
@given(data=st.data(), tables=st.lists(some, min_size=2, max_size=3), last=some, by_hand=st.sets(st.integers(0, 13)))
def test_whatever_was_restored_only_who_is_in_it_leaves(
    server: Sandbox, data: st.DataObject, tables: list[Table], last: Table, by_hand: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        account = Account(server, Path(name))
        for table in tables:
            applied(account, table)
        for mail in people(*by_hand):
            put_on(account, "all", mail)
        serial = data.draw(st.sampled_from([copy.serial for copy in custody(account).copies()]))
        custody(account).restore(serial)
        before = account.world.members("all")
        applied(account, last)
        after = account.world.members("all")
        assert set(last) <= after, "nobody is lost"
        assert before - after <= set(tables[serial - 1]) - set(last), "and only who is in it leaves"
