"""Many connections, several runners, real stores: what is declared is what is so, whoever was killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

import pytest
from support import servers
from support.command import PROGRAM, reconciler
from support.project import Project, connection, document, export, segment, source

from reconciler.core.errors import StateLocked
from reconciler.core.record import RunStatus
from reconciler.core.shards import WHOLE, Shard
from reconciler.flow.session import Session
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.core.record import Run

STORES = ("s3", "azurite", "postgres", "bare_remote")
CONNECTIONS, PEOPLE, PARTS = 5, 120, 2
KEYS = count(1)
ONE, TWO = Shard(1, PARTS), Shard(2, PARTS)
EACH = PEOPLE + PEOPLE // 2
"""Memberships in one account, and what is sent to it: everybody is on one list, and every second one on another."""
TITLES = ("all", "odd")


class Fleet:
    """One project of many accounts, and the machines that run it; each has a copy of the repository and no more."""

    def __init__(self, server: Sandbox, served: servers.Served, root: Path) -> None:
        self.server, self.served, self.root = server, served, root
        self.keys = {f"account-{n}": f"{next(KEYS):032x}" for n in range(CONNECTIONS)}
        named = {f"KEY_{name[-1]}": key for name, key in self.keys.items()}
        self.environ: dict[str, str] = {**served.environ, **named, "RECONCILER_STATE_KEY": "ab" * 32}
        self.url = served.fresh()
        self.machines = count(1)
        server.forget_requests()
        self.slow(0)

    def slow(self, latency: float) -> None:
        """Let Autopilot take its time, from now on."""
        self.server.switches = Switches(rate=0, latency=latency)

    def machine(self) -> Project:
        """Give a machine that has never run before."""
        folder = self.root / f"machine-{next(self.machines)}"
        if (self.served.root / ".git").exists():
            remote = servers.git(self.served.root, "remote", "get-url", "origin")
            servers.git(self.root, "clone", "--quiet", remote, str(folder))
        else:
            folder.mkdir()
        project = Project(folder, self.server.url, self.environ)
        project.declare(
            document("Project", "fleet", {"state": {"url": self.url}}),
            source(),
            segment("all", "id IS NOT NULL"),
            segment("odd", "odd = 'Y'"),
            *(connection(name, self.server.url, apiKey={"env": f"KEY_{name[-1]}"}) for name in self.keys),
            *(export(f"{of}-{name}", [of], connection=name) for name in self.keys for of in TITLES),
            file="project.yaml",
        )
        project.people(["id", "email", "odd"], [(n, mail, "NY"[n % 2]) for n, mail in enumerate(people())])
        return project

    @contextmanager
    def running(self, part: Shard, *more: str) -> Iterator[subprocess.Popen[str]]:
        """Let a machine of its own apply."""
        words = ("apply", "--yes", "--parallel", "8", "--shard", str(part), *more)
        command = [sys.executable, "-c", PROGRAM, "-C", str(self.machine().root), *words]
        environ = {**os.environ, **self.environ}
        with subprocess.Popen(
            command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def apply(self, part: Shard) -> Run:
        """Apply on a machine of its own. Raises StateLocked."""
        with Session(self.machine().shop(), lock_timeout=0, shard=part, parallel=8) as session:
            return session.carry_out(session.plan((), "demand"), "demand")

    def begun(self, part: Shard, process: subprocess.Popen[str]) -> None:
        """Wait until somebody is on a list of this part."""
        while not self.reached(part):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.002)

    def reached(self, part: Shard) -> int:
        """Count who is on the lists of this part."""
        worlds = [self.server.account(key) for name, key in self.keys.items() if part.holds(name)]
        return sum(len(world.members(title)) for world in worlds for title in TITLES)

    def sent(self) -> int:
        return sum(entry.contacts for entry in self.server.requests)

    def check(self) -> None:
        """The lists hold who is declared, the state says the same, and there is nothing to do."""
        odd = {mail for number, mail in enumerate(people()) if number % 2}
        for name, key in self.keys.items():
            account = self.server.account(key)
            assert (account.members("all"), account.members("odd")) == ({*people()}, odd), name
            assert [len(account.lists_titled(title)) for title in TITLES] == [1, 1], name
        shop = self.machine().shop()
        digests, _ = shop.digests(shop.state_folder(shop.declarations()), make=False)
        known = {digests.person(mail): mail for mail in people()}
        with shop.recorded(shop.declarations()) as ledger:
            assert ledger.connections() == tuple(sorted(self.keys))
            for name in self.keys:
                titles = {entry.number: entry.name.partition("-")[0] for entry in ledger.exports(name)}
                held = {(titles[claim.export], known[claim.key]) for claim in ledger.claims(name) if claim.slots}
                assert held == {("all", mail) for mail in people()} | {("odd", mail) for mail in odd}
                assert ledger.doubtful(name) == ()
        self.server.forget_requests()
        again = self.apply(WHOLE)
        assert (again.status, self.server.requests) == (RunStatus.SUCCESSFUL, ())


def people() -> list[str]:
    return [f"person{number:03}@example.com" for number in range(PEOPLE)]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture(scope="module", params=STORES)
def served(request: pytest.FixtureRequest) -> Iterator[servers.Served]:
    with getattr(servers, request.param)() as made:
        yield made


@pytest.fixture
def fleet(sandbox: Sandbox, served: servers.Served, tmp_path: Path) -> Fleet:
    return Fleet(sandbox, served, tmp_path)


def test_parts_run_side_by_side_and_what_one_left_behind_is_gone_on_with(fleet: Fleet) -> None:
    """Kill one of two runners half-way, let another machine take its part up, and look at everything."""
    fleet.slow(0.5)
    with fleet.running(ONE) as killed, fleet.running(TWO) as beside:
        fleet.begun(ONE, killed)
        killed.kill()
        fleet.slow(0)
        assert beside.wait() == 0, beside.communicate()[1]
    assert 0 < fleet.reached(ONE) < EACH * sum(map(ONE.holds, fleet.keys))
    with pytest.raises(StateLocked, match="is locked by"):
        fleet.apply(ONE)
    assert reconciler(fleet.machine().root, "unlock", "--yes", environ=fleet.environ).returncode == 0
    fleet.apply(ONE)
    fleet.check()


def test_of_those_that_would_write_the_same_one_writes_and_nobody_is_sent_twice(fleet: Fleet) -> None:
    fleet.slow(0.5)
    with fleet.running(ONE) as one:
        fleet.begun(ONE, one)
        one.send_signal(signal.SIGSTOP)  # it holds its lease, and does not come to its end
        for part in (ONE, WHOLE):
            with pytest.raises(StateLocked, match="is locked by"):
                fleet.apply(part)
        fleet.slow(0)
        with fleet.running(WHOLE, "--lock-timeout", "60") as whole:
            one.send_signal(signal.SIGCONT)
            assert one.wait() == 0, one.communicate()[1]
            assert whole.wait() == 0, whole.communicate()[1]
    assert fleet.sent() == EACH * CONNECTIONS
    fleet.check()
