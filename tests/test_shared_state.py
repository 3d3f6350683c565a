"""A state in a shared store: one writer at a time, nothing lost with a runner, nothing taken that was not sealed."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from support import servers
from support.account import Account, crowd
from support.command import PROGRAM, reconciler
from support.hasty import HastyClock
from support.memory import MemoryStore
from support.project import Project, document

from reconciler.clock import SystemClock
from reconciler.core.errors import SecretMissing, StateError, StateLocked
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.core.record import RecordedExport, RunStatus
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches
from reconciler.state.shared import lease, shard
from reconciler.state.shared.place import SharedState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.core.ports import Ledger
    from reconciler.core.record import Claim
    from reconciler.state.shared.lease import Tenancy

KEY = "ab" * 32
ENVIRON = {"RECONCILER_STATE_KEY": KEY}
ANN, BOB = bytes([1]) * 16, bytes([2]) * 16
STORES = ("s3", "azurite", "postgres", "bare_remote")


class Later(SystemClock):
    """A clock that goes on by itself and can be put forward: nobody waits for a minute."""

    ahead = 0.0

    def now(self) -> dt.datetime:
        return super().now() + dt.timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds


class Runner:
    """One machine: its folder, and its clock; all share a store."""

    def __init__(self, store: MemoryStore, folder: Path) -> None:
        self.clock = Later()
        self.state = SharedState(lambda _: store, folder, ENVIRON, self.clock)
        self.tenancy: Tenancy | None = None

    def locked(self, *names: str, wait: float = 0, every: bool = False) -> Ledger:
        self.tenancy = self.state.lock(dict.fromkeys(names), every=every, who="me", wait=wait, term=60)
        return self.state.ledger()

    def left(self, ledger: Ledger) -> None:
        ledger.close()
        assert self.tenancy is not None
        self.tenancy.release()

    def claims(self, connection: str = "account") -> list[Claim]:
        reader = self.state.reader()
        try:
            return list(reader.claims(connection))
        finally:
            reader.close()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def one(store: MemoryStore, tmp_path: Path) -> Runner:
    (tmp_path / "one").mkdir()
    return Runner(store, tmp_path / "one")


@pytest.fixture
def other(store: MemoryStore, tmp_path: Path) -> Runner:
    (tmp_path / "other").mkdir()
    return Runner(store, tmp_path / "other")


def record(ledger: Ledger, *people: bytes, connection: str = "account") -> None:
    ledger.save_export(connection, RecordedExport(1, "news", 0))
    ledger.commit(connection, Acknowledged(claims=[ClaimWrite(1, key, key, (1,)) for key in people]))


def test_a_runner_that_died_is_gone_on_with_on_another_machine(one: Runner, other: Runner) -> None:
    ledger = one.locked("account")
    record(ledger, ANN)
    assert [claim.key for claim in other.claims()] == [ANN], "it is there before the run is over"
    with pytest.raises(StateLocked, match="locked by me"):
        other.locked("account")
    other.clock.sleep(61)  # the first is never heard of again
    taken = other.locked("account")
    record(taken, ANN, BOB)
    other.left(taken)
    assert [claim.key for claim in one.claims()] == [ANN, BOB]


def test_a_writer_that_was_overtaken_records_no_more(one: Runner, other: Runner) -> None:
    late = one.locked("account")
    record(late, ANN)
    other.clock.sleep(61)
    taken = other.locked("account")
    with pytest.raises(StateLocked):
        record(late, BOB)
    record(taken, ANN)
    assert [claim.key for claim in other.claims()] == [ANN]
    late.close()  # and leaves nothing of its own behind
    other.left(taken)
    assert [claim.key for claim in other.claims()] == [ANN]


def test_a_lease_that_cannot_be_renewed_is_lost_before_another_may_take_it(one: Runner, store: MemoryStore) -> None:
    ledger = one.locked("account")
    place = lease.place("account")
    store.replace(place, b"{}", store.objects[place].version)  # somebody else's by now
    assert one.tenancy is not None
    assert not one.tenancy.lost()
    one.clock.sleep(60 * lease.SAFETY)
    assert one.tenancy.lost()
    with pytest.raises(StateLocked):
        record(ledger, ANN)
    ledger.close()


def test_connections_are_written_side_by_side(one: Runner, other: Runner) -> None:
    first, second = one.locked("account"), other.locked("second")
    record(first, ANN)
    record(second, BOB, connection="second")
    one.left(first)
    other.left(second)
    assert [claim.key for claim in one.claims("second")] == [BOB]
    with pytest.raises(StateError, match="not held by this run"):
        record(one.locked("account"), ANN, connection="second")


def test_a_long_log_becomes_a_base_and_the_last_three_are_kept(
    one: Runner, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "ENTRIES", 3)
    for number in range(1, 8):
        ledger = one.locked("account")
        record(ledger, *(bytes([each]) * 16 for each in range(1, number + 1)))
        record(ledger, ANN)
        one.left(ledger)
    assert len(store.names("connections/account/base")) == shard.KEPT
    assert len(store.names("connections/account/log")) <= 4
    assert len(one.claims()) == 7


def test_nothing_is_asked_of_the_store_twice(one: Runner, other: Runner, store: MemoryStore) -> None:
    ledger = one.locked("account")
    record(ledger, ANN)
    one.left(ledger)
    entries = len(store.names("connections/account/log"))
    store.asked.clear()
    ledger = other.locked("account", every=True)
    assert other.state.erased() == ledger.suppressed() == frozenset()
    other.left(ledger)
    # The project, the lock, the base, who was erased; and the head, before the lease is there and after
    assert store.asked == {"names": 2, "read": 6 + entries, "create": 1, "replace": 2}


def test_a_head_that_was_read_too_early_does_not_make_a_second_past(
    one: Runner, other: Runner, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = one.locked("account")
    record(ledger, ANN)
    head = "connections/account/head"
    old = [store.objects[head]] * 2
    monkeypatch.setattr(shard, "ENTRIES", 0)
    one.left(ledger)  # a new base; what the old head needs of the log is removed
    read = store.read
    monkeypatch.setattr(store, "read", lambda name: old.pop() if old and name == head else read(name))
    taken = other.locked("account")
    record(taken, BOB)
    other.left(taken)
    assert old == []
    assert [claim.key for claim in one.claims()] == [ANN, BOB]


def test_who_was_overtaken_does_not_put_the_head_back(
    one: Runner, other: Runner, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "ENTRIES", 0)
    late = one.locked("account")
    record(late, ANN)
    other.clock.sleep(61)
    taken = other.locked("account")
    record(taken, ANN, BOB)
    other.left(taken)
    head = store.objects["connections/account/head"]
    assert one.tenancy is not None
    monkeypatch.setattr(one.tenancy, "lost", lambda: False)  # it was stopped just after it had looked
    late.close()
    assert store.objects["connections/account/head"] == head
    assert [claim.key for claim in one.claims()] == [ANN, BOB]


def test_what_was_not_sealed_with_the_key_is_refused(one: Runner, store: MemoryStore) -> None:
    ledger = one.locked("account")
    record(ledger, ANN)
    one.left(ledger)
    for name in store.names("connections/account"):
        if name.endswith("/lock"):
            continue
        stored = store.objects[name]
        for bad in (stored.data[:-1], stored.data[:40] + b"x" + stored.data[41:], b"", b"rec1" + bytes(80)):
            store.objects[name] = stored._replace(data=bad)
            with pytest.raises(StateError, match="not sealed with this state key"):
                one.claims()
        store.objects[name] = stored
    log = store.names("connections/account/log")
    store.objects[log[0]], store.objects[log[1]] = (
        store.objects[log[1]],
        store.objects[log[0]],
    )  # each in its place only
    with pytest.raises(StateError, match="not sealed with this state key"):
        one.claims()


def test_without_its_key_a_shared_state_is_refused(store: MemoryStore, tmp_path: Path) -> None:
    state = SharedState(lambda _: store, tmp_path, {}, HastyClock())
    with pytest.raises(SecretMissing, match="RECONCILER_STATE_KEY is not set"):
        state.reader()
    with pytest.raises(SecretMissing, match="RECONCILER_STATE_KEY is not set"):
        state.lock({"account": None}, every=True, who="me", wait=0, term=60)
    assert store.objects == {}


def test_a_renamed_connection_keeps_what_is_recorded(one: Runner) -> None:
    ledger = one.locked("account")
    record(ledger, ANN)
    one.left(ledger)
    one.tenancy = one.state.lock({"renamed": "account"}, every=True, who="me", wait=0, term=60)
    ledger = one.state.ledger()
    ledger.rename_connection("account", "renamed")
    one.left(ledger)
    assert [claim.key for claim in one.claims("renamed")] == [ANN]
    assert one.claims("account") == []
    record(one.locked("account"), BOB)  # the name is free for another one
    assert [claim.key for claim in one.claims("renamed")] == [ANN]
    assert [claim.key for claim in one.claims("account")] == [BOB]


def test_who_was_erased_is_in_no_object_that_is_left(one: Runner, store: MemoryStore) -> None:
    ledger = one.locked("account")
    record(ledger, ANN, BOB)
    one.left(ledger)
    before = set(store.names("connections/account/base")) | set(store.names("connections/account/log"))
    ledger = one.locked("account", every=True)
    ledger.suppress(ANN, ["account"])
    ledger.erased("account", ANN)
    one.left(ledger)
    after = set(store.names("connections/account/base")) | set(store.names("connections/account/log"))
    assert not before & after
    assert [claim.key for claim in one.claims()] == [BOB]
    assert one.state.erased() == {ANN}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


def declared(account: Account, served: servers.Served) -> Account:
    """Let the account's state be in a place of this server that is empty."""
    account.project.environ |= {**served.environ, **ENVIRON}
    account.project.declare(document("Project", "shop", {"state": {"url": served.fresh()}}), file="project.yaml")
    account.declare(crowd(300))
    return account


def machine(account: Account, folder: Path) -> Project:
    """Give a fresh machine with the same repository: nothing of `.reconciler/` is there."""
    shutil.copytree(account.project.root, folder, ignore=shutil.ignore_patterns(".reconciler"))
    return Project(folder, account.project.url, dict(account.project.environ), HastyClock())


@pytest.mark.parametrize("kind", STORES)
def test_a_run_on_a_fresh_machine_goes_on_where_another_was_killed(kind: str, sandbox: Sandbox, tmp_path: Path) -> None:
    with getattr(servers, kind)() as served:
        root = served.root if kind == "bare_remote" else tmp_path / "first"
        root.mkdir(exist_ok=True)
        account = declared(Account(sandbox, root), served)
        account.behave(latency=0.05)
        command = [sys.executable, "-c", PROGRAM, "-C", str(root), "apply", "--yes"]
        environ = {**os.environ, **account.project.environ}
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while len(sandbox.requests) < 4:
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.005)
        process.kill()
        process.communicate()
        locked = reconciler(root, "apply", "--yes", environ=account.project.environ)
        assert (locked.returncode, "is locked by" in locked.stderr) == (5, True), locked.stderr
        assert reconciler(root, "unlock", "--yes", environ=account.project.environ).returncode == 0
        account.behave()
        fresh = machine(account, tmp_path / "second") if kind != "bare_remote" else account.project
        shutil.rmtree(fresh.root / ".reconciler", ignore_errors=True)
        assert fresh.apply()[1].status is RunStatus.SUCCESSFUL
        account.check_declared()
        with fresh.shop().recorded(fresh.shop().declarations()) as ledger:
            assert [run.status for run in ledger.runs()] == [RunStatus.SUCCESSFUL, RunStatus.INTERRUPTED]
            assert ledger.doubtful("account") == ()
        account.behave()
        shutil.rmtree(fresh.root / ".reconciler", ignore_errors=True)
        fresh.apply()
        assert sandbox.requests == (), "a machine that knows nothing finds nothing to do"
        assert reconciler(fresh.root, "state", "check", environ=account.project.environ).returncode == 0


def test_two_machines_at_once_write_one_after_the_other(sandbox: Sandbox, tmp_path: Path) -> None:
    with servers.postgres() as served:
        (tmp_path / "first").mkdir()
        account = declared(Account(sandbox, tmp_path / "first"), served)
        account.behave(latency=0.01)
        machine(account, tmp_path / "second")
        command = [sys.executable, "-c", PROGRAM, "apply", "--yes", "--lock-timeout", "60"]
        both = [
            subprocess.Popen(command, cwd=folder, env={**os.environ, **account.project.environ}, stderr=subprocess.PIPE)
            for folder in (tmp_path / "first", tmp_path / "second")
        ]
        ended = [process.communicate()[1] for process in both]
        assert [process.returncode for process in both] == [0, 0], ended
        account.check_declared()
        assert account.sent() == len(account.table) + sum(odd for _, odd in account.table.values()), "nobody twice"


def test_a_state_moves_to_a_store_and_back(sandbox: Sandbox, tmp_path: Path) -> None:
    with servers.postgres() as served:
        account = Account(sandbox, tmp_path)
        account.project.environ |= {**served.environ, **ENVIRON}
        account.declare(crowd(40))
        account.apply()
        url = served.fresh()
        moved = reconciler(tmp_path, "state", "migrate", "--to", url, environ=account.project.environ)
        assert moved.returncode == 0, moved.stderr
        again = reconciler(tmp_path, "state", "migrate", "--to", url, environ=account.project.environ)
        assert (again.returncode, "a state is there already" in again.stderr) == (1, True)
        shutil.rmtree(tmp_path / ".reconciler")
        account.project.declare(document("Project", "shop", {"state": {"url": url}}), file="project.yaml")
        account.behave()
        account.apply()
        assert sandbox.requests == ()
        account.declare(crowd(41))
        account.apply()
        back = reconciler(tmp_path, "state", "migrate", "--to", "kept", environ=account.project.environ)
        assert back.returncode == 0, back.stderr
        account.project.declare(document("Project", "shop", {"state": {"url": "kept"}}), file="project.yaml")
        account.behave()
        account.apply()
        assert sandbox.requests == ()
        with account.project.shop().recorded(account.project.shop().declarations()) as ledger:
            assert len(ledger.runs()) >= 3
        account.check_declared()


def test_a_shared_state_is_pulled_pushed_and_restored(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "ENTRIES", 1)
    with servers.postgres() as served:
        account = declared(Account(sandbox, tmp_path), served)
        account.declare(crowd(10))
        account.apply()
        account.declare(crowd(12))
        account.apply()
        environ = account.project.environ
        backup = tmp_path / "backup"
        assert reconciler(tmp_path, "state", "pull", str(backup), environ=environ).returncode == 0
        copies = reconciler(tmp_path, "state", "restore", environ=environ).stdout
        assert copies.splitlines()[0].split() == ["CONNECTION", "COPY", "MADE", "PEOPLE", "STATE"]
        serial = copies.splitlines()[2].split()[1]
        restored = reconciler(tmp_path, "state", "restore", serial, environ=environ)
        assert restored.returncode == 0, restored.stderr
        account.declare(crowd(8))
        account.apply()
        assert account.world.members("all") == {*crowd(8)} | {*crowd(12)} - {*crowd(10)}, "nobody unknown is removed"
        refused = reconciler(tmp_path, "state", "push", str(backup), environ=environ)
        assert (refused.returncode, "it is older" in refused.stderr) == (1, True), refused.stderr
        assert reconciler(tmp_path, "state", "push", str(backup), "--force", environ=environ).returncode == 0
        account.declare(crowd(12))
        account.apply()
        account.check_declared()
