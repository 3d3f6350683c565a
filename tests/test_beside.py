"""Connections side by side: the same as one after another, in every world, also when it is cut off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support import swift
from support.hasty import HastyClock
from support.project import Project, connection, export, segment, source

from reconciler.core.errors import StateError
from reconciler.core.record import RunStatus
from reconciler.destinations.autopilot import Autopilot
from reconciler.flow.beside import SideBySide
from reconciler.flow.session import Session
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches
from reconciler.state.ledger import SqliteLedger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from reconciler.core.ports import Acknowledged
    from reconciler.core.record import Run
    from reconciler.sandbox.world import World

ACCOUNTS = 6
PEOPLE = 150


class Accounts:
    """One project with an account and a key for each of its connections."""

    def __init__(self, server: Sandbox, root: Path, first: int, rate: int = 100_000) -> None:
        self.server = server
        self.keys = {f"account-{n}": f"{first + n:032x}" for n in range(ACCOUNTS)}
        self.worlds: dict[str, World] = {name: server.account(key) for name, key in self.keys.items()}
        environ = {f"KEY_{name[-1]}": key for name, key in self.keys.items()} | {"RECONCILER_STATE_KEY": "ab" * 32}
        self.project = Project(root, server.url, environ, HastyClock())
        self.project.declare(
            source(),
            segment("all", "n >= '0'"),
            segment("odd", "odd = 'Y'"),
            *(
                connection(
                    name,
                    server.url,
                    fields=["Email", "FirstName"],
                    apiKey={"env": f"KEY_{name[-1]}"},
                    limits={"requestsPerSecond": rate},
                )
                for name in self.keys
            ),
            *(
                export(
                    f"{what}-{name}", [what], {"Email": "email", "FirstName": "first"}, connection=name, allowEmpty=True
                )
                for name in self.keys
                for what in ("all", "odd")
            ),
        )

    def people(self, size: int, name: str) -> None:
        rows = [(n, n, f"p{n}@example.com", name, "NY"[n % 2]) for n in range(size)]
        self.project.people(["id", "n", "email", "first", "odd"], rows)

    def apply(self, parallel: int) -> Run:
        with Session(self.project.shop(), lock_timeout=0, parallel=parallel) as session:
            return session.carry_out(session.plan((), "demand"), "demand")

    def told(self) -> dict[str, object]:
        """Give what is true in each account: who is on which list, with which name."""
        return {
            name: {title: {mail: contact(world, mail) for mail in world.members(title)} for title in ("all", "odd")}
            for name, world in self.worlds.items()
        }

    def recorded(self) -> dict[str, list[object]]:
        shop = self.project.shop()
        with shop.recorded(shop.declarations()) as ledger:
            return {name: [(c.export, c.slots) for c in ledger.claims(name)] for name in self.keys}


def contact(world: World, mail: str) -> str:
    found = world.contact(mail)
    assert found is not None
    return str(found.fields["FirstName"])


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


def test_side_by_side_is_as_one_after_another(server: Sandbox, tmp_path: Path) -> None:
    one, many = (Accounts(server, tmp_path / name, first) for name, first in (("one", 100), ("many", 200)))
    for size, name in ((PEOPLE, "Ann"), (PEOPLE - 40, "Bob"), (0, "Bob")):
        runs = []
        for accounts, parallel in ((one, 1), (many, ACCOUNTS)):
            accounts.people(size, name)
            runs.append(accounts.apply(parallel))
            assert accounts.apply(parallel).requests == 0
        assert one.told() == many.told()
        assert one.recorded() == many.recorded()
        assert [(e.export, e.created, e.updated, e.left, e.status) for e in runs[0].exports] == [
            (e.export, e.created, e.updated, e.left, e.status) for e in runs[1].exports
        ], "the order is that of the names"


def test_what_cannot_be_recorded_ends_the_run_and_loses_nothing(
    server: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = Accounts(server, tmp_path, 300)
    accounts.people(PEOPLE, "Ann")
    commit = SqliteLedger.commit

    def full(self: SqliteLedger, connection: str, batch: Acknowledged) -> None:
        if connection == "account-3" and batch.claims:
            raise StateError("the disk is full")
        commit(self, connection, batch)

    with monkeypatch.context() as patched:
        patched.setattr(SqliteLedger, "commit", full)
        with pytest.raises(StateError, match="full"):
            accounts.apply(ACCOUNTS)
    assert accounts.apply(ACCOUNTS).status is RunStatus.SUCCESSFUL
    for name, world in accounts.worlds.items():
        assert len(world.members("all")) == PEOPLE, name
    assert accounts.apply(1).requests == 0


@pytest.mark.parametrize("sent", [1, 7, 25])
def test_a_run_that_is_killed_is_gone_on_with(server: Sandbox, tmp_path: Path, sent: int) -> None:
    accounts = Accounts(server, tmp_path, 1000 + 100 * sent, rate=5)
    accounts.people(PEOPLE, "Ann")
    server.forget_requests()
    command = [sys.executable, swift.__file__, "-C", str(tmp_path), "apply", "--yes", "--parallel", str(ACCOUNTS)]
    environ = {**os.environ, **accounts.project.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while len(server.requests) < sent and process.poll() is None:
            time.sleep(0.001)
        process.kill()
    assert accounts.apply(ACCOUNTS).status is RunStatus.SUCCESSFUL
    fresh = Accounts(server, tmp_path / "fresh", 5000 + 100 * sent)
    fresh.people(PEOPLE, "Ann")
    fresh.apply(1)
    assert accounts.told() == fresh.told()
    assert accounts.recorded() == fresh.recorded()
    assert accounts.apply(1).requests == 0


def test_a_signal_ends_every_connection_in_good_order(server: Sandbox, tmp_path: Path) -> None:
    accounts = Accounts(server, tmp_path, 9000, rate=1)
    accounts.people(PEOPLE, "Ann")
    server.forget_requests()
    command = [sys.executable, "-m", "reconciler.cli.main", "-C", str(tmp_path), "apply", "--yes"]
    command[1:3] = ["-c", "from reconciler.cli.main import main; main()"]
    environ = {**os.environ, **accounts.project.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while len(server.requests) < ACCOUNTS and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143
    shop = accounts.project.shop()
    with shop.recorded(shop.declarations()) as ledger:
        (run,) = ledger.runs()
        assert run.status is RunStatus.CANCELED
        assert {e.status for e in run.exports} <= {RunStatus.CANCELED, RunStatus.SUCCESSFUL}
        assert not [doubt for name in accounts.keys for doubt in ledger.doubtful(name)]


def test_doubts_of_several_connections_are_looked_up_side_by_side(server: Sandbox, tmp_path: Path) -> None:
    accounts = Accounts(server, tmp_path, 20_000)
    accounts.people(4, "Ann")
    accounts.apply(ACCOUNTS)
    server.switches = Switches(rate=0, faults=(Fault("500-after", path="/contact*", count=None),))
    accounts.people(20, "Ann")
    assert accounts.apply(ACCOUNTS).status is RunStatus.FAILED
    server.switches = Switches(rate=0)
    accounts.people(4, "Ann")
    together = threading.Barrier(ACCOUNTS)
    members = Autopilot.members

    def waited(self: Autopilot, list_id: str) -> Iterator[Sequence[tuple[str, str]]]:
        together.wait(10)  # all of them are here at the same time, or this breaks
        return members(self, list_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Autopilot, "members", waited)
        assert accounts.apply(ACCOUNTS).status is RunStatus.SUCCESSFUL
    fresh = Accounts(server, tmp_path / "fresh", 21_000)
    fresh.people(4, "Ann")
    fresh.apply(1)
    assert accounts.told() == fresh.told()
    assert accounts.recorded() == fresh.recorded()
    assert accounts.apply(1).requests == 0


def test_connections_wait_side_by_side_and_no_more_than_asked() -> None:
    beside: SideBySide[int] = SideBySide(3)
    together = threading.Barrier(3)
    running, most, turn = set[int](), 0, threading.Lock()

    def work(number: int) -> int:
        nonlocal most
        with turn:
            running.add(number)
            most = max(most, len(running))
        together.wait(10)  # three of them are here at the same time, or this breaks
        with turn:
            running.remove(number)
        return number

    assert beside.done([lambda n=n: work(n) for n in range(9)]) == list(range(9))  # type: ignore[misc]
    assert most == 3


def test_the_fault_of_one_leaves_what_has_not_begun() -> None:
    beside: SideBySide[None] = SideBySide(2)
    begun = []

    def work(number: int) -> None:
        begun.append(number)
        if not number:
            raise StateError("gone")
        while not beside.over():
            time.sleep(0.001)

    with pytest.raises(StateError, match="gone"):
        beside.done([lambda n=n: work(n) for n in range(9)])  # type: ignore[misc]
    assert set(begun) <= {0, 1}, "two at a time"
