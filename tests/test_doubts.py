"""What a run leaves in doubt is cleared up by the next one, whatever was declared meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.account import COLUMNS, Account, Table, crowd
from support.command import PROGRAM
from support.project import FREELY, connection, export, segment, source

from reconciler.core.record import RunStatus
from reconciler.flow.session import Session
from reconciler.sandbox.answers import error
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.sandbox.answers import Outcome
    from reconciler.sandbox.service import Request

PERSON = "person001@example.com"
SHM = Path("/dev/shm")


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def account(server: Sandbox, tmp_path: Path) -> Account:
    return Account(server, tmp_path)


def unanswered(method: str | None = None) -> Fault:
    """Everything is carried out, and no answer comes."""
    return Fault("500-after", method=method, path=None if method == "DELETE" else "/contact*", count=None)


@pytest.mark.parametrize("bulk_lists", ["honoured", "ignored"])
def test_who_was_put_on_a_list_unseen_and_is_wanted_no_more_leaves_it(account: Account, bulk_lists: str) -> None:
    account.behave(bulk_lists=bulk_lists)
    account.declare(crowd(4))
    account.apply()
    account.behave(unanswered(), bulk_lists=bulk_lists)
    account.declare(crowd(8))
    assert account.apply().status is RunStatus.FAILED
    account.behave(bulk_lists=bulk_lists)
    account.declare(crowd(5))
    assert account.apply().status is RunStatus.SUCCESSFUL
    account.check_declared()


def test_a_content_that_was_sent_unseen_and_is_wanted_no_more_is_sent_again_as_it_was(account: Account) -> None:
    account.declare(crowd(4, "Blue"))
    account.apply()
    account.behave(unanswered())
    account.declare(crowd(4, "Grün"))
    assert account.apply().status is RunStatus.FAILED
    account.behave()
    account.declare(crowd(4, "Blue"))
    account.apply()
    account.check_declared()


def test_who_was_taken_off_unseen_and_is_wanted_again_comes_back(account: Account) -> None:
    account.declare(crowd(4))
    account.apply()
    account.behave(unanswered("DELETE"))
    account.declare({mail: row for mail, row in crowd(4).items() if mail != PERSON})
    assert account.apply().status is RunStatus.FAILED
    account.behave()
    account.declare(crowd(4))
    account.apply()
    account.check_declared()


def test_who_was_taken_and_left_out_of_the_answer_and_is_wanted_no_more_leaves(account: Account) -> None:
    account.declare(crowd(4))
    account.apply()
    account.behave(Fault("partial", path="/contacts", count=None))
    account.declare(crowd(12))
    assert account.apply().status is RunStatus.FAILED
    account.behave()
    account.declare(crowd(4))
    assert account.apply().status is RunStatus.SUCCESSFUL
    account.check_declared()


def test_a_run_that_was_not_agreed_to_leaves_the_doubt_as_it_is(account: Account) -> None:
    account.declare(crowd(4))
    account.apply()
    account.behave(unanswered())
    account.declare(crowd(8))
    assert account.apply().status is RunStatus.FAILED
    account.behave()
    planned(account)
    account.declare(crowd(5))
    assert account.apply().status is RunStatus.SUCCESSFUL
    account.check_declared()


def test_the_doubt_of_an_export_that_does_not_run_outlives_the_runs_of_others(server: Sandbox, tmp_path: Path) -> None:
    both = Account(server, tmp_path)

    def declare(*people: str, suspended: bool = False) -> None:
        both.project.people(COLUMNS, [(mail, mail, "Blue", *flags(mail)) for mail in people])
        both.project.declare(
            connection(url=server.url),
            source(),
            segment("left", "\"all\" = 'Y'"),
            segment("right", "odd = 'Y'"),
            export("one", [{"name": "left", "list": "Shared"}], safety=dict(FREELY)),
            export("two", [{"name": "right", "list": "Shared"}], safety=dict(FREELY), suspended=suspended),
        )

    def flags(mail: str) -> tuple[str, str]:
        return ("Y", "N") if mail.startswith("left") else ("N", "Y")

    everybody = ["left1@example.com", "left2@example.com", "right1@example.com", "right2@example.com"]
    declare(everybody[0], everybody[2])
    both.apply()
    both.behave(unanswered())
    declare(*everybody)
    both.apply()
    both.behave()
    declare(*everybody, suspended=True)
    assert both.apply().status is RunStatus.SUCCESSFUL
    declare(*everybody[:3])
    assert both.apply().status is RunStatus.SUCCESSFUL
    assert both.world.members("Shared") == set(everybody[:3])


def test_whom_a_probe_put_on_a_list_before_the_run_ended_leaves_it(account: Account) -> None:
    account.declare(crowd(60))
    meet, asked = account.server._service.meet, count()

    def late(request: Request) -> Outcome:
        """Half of those who are looked up on the list do not show yet."""
        looks = request.method == "GET" and "/contact/" in request.target
        return error(404, "Not on the list.") if looks and next(asked) % 2 else meet(request)

    account.server._service.meet = late  # type: ignore[method-assign]  # it lags
    account.project.stop = lambda: sum("/contact/" in each.path for each in account.server.requests) >= 4  # it is told
    assert account.apply().status is RunStatus.CANCELED
    account.server._service.meet = meet  # type: ignore[method-assign]  # it is itself again
    account.project.stop = lambda: False
    put = account.world.members("all") | account.world.members("odd")
    assert put, "they were put on their list"
    account.declare({mail: row for mail, row in crowd(60).items() if mail not in put})
    assert account.apply().status is RunStatus.SUCCESSFUL
    account.check_declared()


def planned(account: Account) -> None:
    """Do what `apply` does until it asks, and answer no."""
    with Session(account.project.shop(), lock_timeout=0) as session:
        session.plan((), "demand")


def test_a_content_sent_unseen_is_not_taken_for_known_by_who_comes_back_after_a_plan_without_them(
    account: Account,
) -> None:
    account.declare(crowd(4, "Blue"))
    account.apply()
    account.behave(unanswered())
    account.declare(crowd(4, "Grün"))
    assert account.apply().status is RunStatus.FAILED
    account.behave()
    account.declare(crowd(1, "Blue"))
    planned(account)
    account.declare(crowd(4, "Blue"))
    assert account.apply().status is RunStatus.SUCCESSFUL
    account.check_declared()


def test_doubts_of_somebody_who_left_every_segment_are_cleared_up(account: Account) -> None:
    account.declare(crowd(4))
    account.apply()
    account.behave(unanswered())
    account.declare(crowd(8))
    account.apply()
    account.behave()
    account.declare({})
    account.apply()
    assert account.world.members("all") == account.world.members("odd") == set()


tables: st.SearchStrategy[Table] = st.dictionaries(
    st.sampled_from(sorted(crowd(6))), st.tuples(st.sampled_from(["Blue", "Grün"]), st.booleans()), max_size=6
)
faults = st.lists(
    st.builds(
        Fault,
        kind=st.sampled_from(
            [
                "500-before",
                "500-after",
                "408-after",
                "reset-after",
                "html-after",
                "cut-after",
                "partial",
                "401-from-now",
            ]
        ),
        method=st.sampled_from([None, "POST", "DELETE"]),
        path=st.sampled_from([None, "/contact*", "/list/*/contact/*"]),
        nth=st.integers(1, 4),
        every=st.integers(1, 3),
        count=st.sampled_from([1, 6, None]),
    ),
    max_size=2,
).map(tuple)


@settings(max_examples=40)
@given(
    runs=st.lists(st.tuples(tables, faults, st.booleans()), min_size=1, max_size=4),
    last=tables,
    bulk_lists=st.sampled_from(["honoured", "ignored", "first"]),
)
def test_after_whatever_faults_one_sound_run_makes_the_declared_world(
    server: Sandbox, runs: list[tuple[Table, tuple[Fault, ...], bool]], last: Table, bulk_lists: str
) -> None:
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder:
        account = Account(server, Path(folder))
        for table, broken, agreed in runs:
            account.behave(*broken, bulk_lists=bulk_lists)
            account.declare(table)
            (account.apply if agreed else partial(planned, account))()
        account.behave(bulk_lists=bulk_lists)
        account.declare(last)
        assert account.apply().status is RunStatus.SUCCESSFUL
        account.check_declared()
        assert set(account.recorded()) == set(last)
        assert not account.project.plan().changes


def killed(account: Account, requests: int) -> None:
    """Start an apply in a process of its own, and kill it when the server has seen so many requests."""
    command = [sys.executable, "-c", PROGRAM, "-C", str(account.project.root), "apply", "--yes"]
    process = subprocess.Popen(
        command, env={**os.environ, **account.project.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while len(account.server.requests) < requests:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.002)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("bulk_lists", "requests"), [("honoured", 5), ("honoured", 9), ("ignored", 7), ("ignored", 80)]
)
def test_a_killed_run_is_gone_on_with_where_it_stopped(account: Account, bulk_lists: str, requests: int) -> None:
    account.declare(crowd(600 if bulk_lists == "honoured" else 120))
    account.behave(bulk_lists=bulk_lists, latency=0.02)
    killed(account, requests)
    done = sum(map(len, account.recorded().values()))
    account.behave(bulk_lists=bulk_lists)
    with account.project.shop().recorded(account.project.shop().declarations()) as ledger:
        (cut,) = ledger.runs()
        assert cut.status is RunStatus.INTERRUPTED
    assert account.apply().status is RunStatus.SUCCESSFUL
    account.check_declared()
    wanted = sum(1 + odd for _, odd in account.table.values())
    assert account.sent() <= wanted - done if bulk_lists == "honoured" else account.sent() <= len(account.table)
    assert not account.project.plan().changes
