"""Whatever breaks on the way, nothing is recorded that was not acknowledged, and the next run goes on from there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.account import Account, crowd

from reconciler.core.record import RunStatus
from reconciler.sandbox import rows
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.sandbox.switches import FaultKind

FAULTS: tuple[FaultKind, ...] = (
    "500-before",
    "500-after",
    "408-after",
    "reset-before",
    "reset-after",
    "html-after",
    "cut-after",
    "429",
    "401-from-now",
)


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def account(server: Sandbox, tmp_path: Path) -> Account:
    return Account(server, tmp_path)


@pytest.mark.parametrize("bulk_lists", ["honoured", "ignored"])
@pytest.mark.parametrize("kind", FAULTS)
def test_a_server_that_breaks_for_good_stops_the_run_and_the_next_goes_on(
    account: Account, kind: FaultKind, bulk_lists: str
) -> None:
    account.declare(crowd(130))
    account.behave(Fault(kind, method="POST", path="/contact*", nth=2, count=None), bulk_lists=bulk_lists)
    first = account.apply()
    assert first.status is RunStatus.FAILED
    assert any("not brought up to date" in reason for reason in first.exports[0].reasons)
    done = {mail for mail, slots in account.recorded().items() if len(slots) == 1 + account.table[mail][1]}
    assert 0 < len(done) < 130
    account.behave(bulk_lists=bulk_lists)
    assert account.apply().status is RunStatus.SUCCESSFUL
    account.check_declared()
    assert set(account.recorded()) == set(account.table)
    assert not account.project.plan().changes
    assert account.sent() <= 2 * (130 - len(done))


@pytest.mark.parametrize("bulk_lists", ["honoured", "ignored"])
@pytest.mark.parametrize("kind", FAULTS[:-1])
def test_what_breaks_now_and_then_is_tried_again(account: Account, kind: FaultKind, bulk_lists: str) -> None:
    account.declare(crowd(130))
    # Six tries of each of 200 requests: one in 5,000 runs meets six faults in a row
    account.behave(Fault(kind, count=None, probability=0.1, seed=7), bulk_lists=bulk_lists)
    run = account.apply()
    assert run.status is RunStatus.SUCCESSFUL, run
    account.check_declared()
    assert set(account.recorded()) == set(account.table)


def test_whoever_is_missing_in_the_answer_is_not_recorded_and_goes_again(account: Account) -> None:
    account.declare(crowd(130))
    account.behave(Fault("partial", path="/contacts", count=None))
    first = account.apply()
    assert first.status is RunStatus.FAILED
    assert 0 < first.exports[0].rejected == 130 - first.exports[0].created
    assert len(account.recorded()) < 130
    account.behave()
    assert account.apply().status is RunStatus.SUCCESSFUL
    account.check_declared()


@pytest.mark.parametrize("bad_row", ["refuse", "drop"])
@pytest.mark.parametrize("bulk_lists", ["honoured", "ignored"])
def test_a_row_that_is_refused_stops_nobody_else(
    account: Account, monkeypatch: pytest.MonkeyPatch, bad_row: str, bulk_lists: str
) -> None:
    monkeypatch.setattr(rows, "ADDRESS", re.compile(r"(?!bad)[^@\s]+@[^@\s]+"))
    bad = {"bad1@example.com": ("Red", True), "bad2@example.com": ("Red", False)}
    account.declare(crowd(120) | bad)
    account.behave(bad_row=bad_row, bulk_lists=bulk_lists)
    run = account.apply()
    assert run.status is RunStatus.FAILED
    assert (run.exports[0].rejected, run.exports[0].created) == (2, 120)
    assert account.world.members("all") == set(crowd(120))
    with account.project.shop().recorded(account.project.shop().declarations()) as ledger:
        _, rejects = ledger.run(run.id)
    digests, _ = account.project.shop().digests(account.project.root, make=False)
    assert {reject.key for reject in rejects} == {digests.person(mail) for mail in bad}
    assert all(reject.reason and "@" not in reject.reason for reject in rejects)
    account.behave(bad_row=bad_row, bulk_lists=bulk_lists)
    assert account.apply().exports[0].rejected == 2
    assert account.world.members("all") == set(crowd(120))
    account.declare(crowd(120))
    assert account.apply().status is RunStatus.SUCCESSFUL
    account.check_declared()


@pytest.mark.parametrize("bulk_lists", ["honoured", "ignored"])
@pytest.mark.parametrize("unknown_list", ["text", "empty"])
def test_a_list_that_vanished_is_made_again_with_everybody(
    account: Account, unknown_list: str, bulk_lists: str
) -> None:
    account.behave(bulk_lists=bulk_lists, unknown_list=unknown_list)
    account.declare(crowd(30))
    account.apply()
    account.world.remove_list(account.world.lists_titled("odd")[0])
    account.declare(crowd(34))
    run = account.apply()
    assert run.status is RunStatus.FAILED
    assert any("vanished" in reason for reason in run.exports[0].reasons)
    assert account.world.members("all") == set(crowd(34))
    account.recorded()
    assert account.apply().status is RunStatus.SUCCESSFUL
    account.check_declared()
    assert not account.project.plan().changes


@pytest.mark.parametrize("bulk_lists", ["honoured", "ignored"])
def test_contacts_deleted_by_hand_come_back_when_they_change_and_leave_without_a_fault(
    account: Account, bulk_lists: str
) -> None:
    account.behave(bulk_lists=bulk_lists)
    account.declare(crowd(6))
    account.apply()
    for number in (0, 1, 2):
        account.world.remove_contact(f"person{number:03}@example.com")
    table = crowd(6)
    table["person000@example.com"] = ("Blue", True)
    table["person002@example.com"] = ("Grün", False)
    del table["person001@example.com"]
    account.declare(table)
    assert account.apply().status is RunStatus.SUCCESSFUL
    back = [account.world.contact(f"person{number:03}@example.com") for number in (0, 1, 2)]
    assert [contact and contact.fields["FirstName"] for contact in back] == ["Blue", None, "Grün"]
    assert "person000@example.com" in account.world.members("odd")


@pytest.mark.parametrize("bulk_lists", ["honoured", "ignored"])
@pytest.mark.parametrize("requests", [1, 4, 6, 40])
def test_a_run_that_is_stopped_is_gone_on_with(account: Account, requests: int, bulk_lists: str) -> None:
    account.declare(crowd(250))
    account.behave(bulk_lists=bulk_lists)
    account.project.stop = lambda: len(account.server.requests) >= requests
    run = account.apply()
    stopped = run.status is RunStatus.CANCELED
    assert stopped or (run.status is RunStatus.SUCCESSFUL and bulk_lists == "honoured")
    done = account.recorded()
    account.project.stop = lambda: False
    account.behave(bulk_lists=bulk_lists)
    assert account.apply().status is RunStatus.SUCCESSFUL
    account.check_declared()
    assert account.sent() <= 2 * (250 - len(done)) + sum(len(s) == 1 for s in done.values())


def test_who_was_on_one_list_before_is_not_taken_for_a_member_of_another(account: Account) -> None:
    by_hand = account.world.add_list("all")
    account.declare(crowd(150))
    for mail in account.table:
        account.world.add_contact({"Email": mail, "_autopilot_list": by_hand})
    account.declare_titles("odd", "all")
    account.behave(Fault("500-before", method="GET", path="/list/*/contacts/*", count=None))
    assert account.apply().status is RunStatus.FAILED  # after the first page of the members
    account.behave()
    account.declare_titles("odd", "everybody")
    assert account.apply().status is RunStatus.SUCCESSFUL
    assert account.world.members("everybody") == account.world.members_of(by_hand) == set(account.table)
