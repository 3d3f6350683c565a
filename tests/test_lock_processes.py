"""One writer among real processes: several at once, one that is killed, one that is stopped, one that is unlocked."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from support.account import Account, crowd
from support.command import PROGRAM, reconciler

from reconciler.core.record import RunStatus
from reconciler.flow.session import Session
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches
from reconciler.wiring import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.core.record import Run

APPLY = """
import sys
from pathlib import Path
from reconciler.core.errors import StateLocked
from reconciler.flow.session import Session
from reconciler.wiring import Workshop

try:
    with Session(Workshop(Path(sys.argv[1]), term=1.0), lock_timeout=0) as session:
        session.carry_out(session.plan((), "demand"), "demand")
except StateLocked as error:
    print(error)
    sys.exit(5)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def account(server: Sandbox, tmp_path: Path) -> Account:
    opened = Account(server, tmp_path)
    opened.behave(latency=0.1, bulk_lists="ignored")
    opened.declare(crowd(12))
    return opened


@contextmanager
def started(account: Account, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process of ours on the project."""
    environ = os.environ | account.project.environ
    with subprocess.Popen(
        [sys.executable, "-c", *command], env=environ, stdin=-3, stdout=-1, stderr=-1, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def at_work(account: Account, process: subprocess.Popen[str]) -> None:
    """Wait until the process has sent some requests, and has more to send."""
    while len(account.server.requests) < 5:
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)


def limit(account: Account, rate: int) -> None:
    """Let a run send so many requests a second; few, so that it goes on while something is done to it."""
    path = account.project.root / "exports" / "all.yaml"
    path.write_text(re.sub(r'"requestsPerSecond": \d+', f'"requestsPerSecond": {rate}', path.read_text()))


def past(account: Account) -> tuple[Run, ...]:
    shop = account.project.shop()
    with shop.recorded(shop.declarations()) as reader:
        return reader.runs()


def take_over(account: Account, wait: float) -> Run:
    with Session(Workshop(account.project.root, account.project.environ, term=1.0), lock_timeout=wait) as session:
        return session.carry_out(session.plan((), "demand"), "demand")


@pytest.mark.parametrize("number", [2, 10])
def test_of_applies_at_once_one_writes_and_the_others_wait_or_leave(account: Account, number: int) -> None:
    words = ["-C", str(account.project.root), "apply", "--yes", "--lock-timeout"]
    patience = ["100" if each % 2 else "0" for each in range(number)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words, seconds],
            env=os.environ | account.project.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seconds in patience
    ]
    told = [process.communicate(timeout=150)[1] for process in running]
    codes = [process.returncode for process in running]
    assert all(code == 0 or (code == 5 and seconds == "0") for code, seconds in zip(codes, patience, strict=True)), told
    assert all("the state is locked by" in line for line, code in zip(told, codes, strict=True) if code == 5)
    runs = past(account)
    assert len(runs) == codes.count(0) >= number // 2
    assert {run.status for run in runs} == {RunStatus.SUCCESSFUL}
    for later, earlier in pairwise(runs):
        assert earlier.ended is not None
        assert earlier.ended <= later.started, "never two at a time"
    account.check_declared()
    assert sum(entry.contacts for entry in account.server.requests) == 12, "and everybody was sent once"


def test_a_holder_that_was_killed_blocks_nobody(account: Account) -> None:
    limit(account, 5)
    with started(account, APPLY, str(account.project.root)) as process:
        at_work(account, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    limit(account, 100_000)
    done = reconciler(account.project.root, "apply", "--yes", environ=account.project.environ)
    assert done.returncode == 0, done.stderr
    assert [run.status for run in past(account)] == [RunStatus.SUCCESSFUL, RunStatus.INTERRUPTED]
    account.check_declared()


def test_a_holder_that_was_stopped_records_nothing_and_sends_nothing_once_it_was_overtaken(account: Account) -> None:
    limit(account, 5)
    with started(account, APPLY, str(account.project.root)) as process:
        at_work(account, process)
        process.send_signal(signal.SIGSTOP)
        assert take_over(account, 60).status is RunStatus.SUCCESSFUL
        account.check_declared()
        sent, state = len(account.server.requests), (account.project.root / ".reconciler/state.sqlite").read_bytes()
        process.send_signal(signal.SIGCONT)
        line, faults = process.communicate(timeout=60)
    assert process.returncode == 5, faults
    assert line == ".reconciler/lock: it was taken from this run, which sends and records no more\n"
    assert len(account.server.requests) == sent
    assert (account.project.root / ".reconciler/state.sqlite").read_bytes() == state
    assert [run.status for run in past(account)] == [RunStatus.SUCCESSFUL, RunStatus.INTERRUPTED]
    account.check_declared()


def test_a_holder_that_was_stopped_for_long_and_not_overtaken_goes_on(account: Account) -> None:
    limit(account, 5)
    with started(account, APPLY, str(account.project.root)) as process:
        at_work(account, process)
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.2)  # longer than its lease
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0
    account.check_declared()


def test_unlock_shows_who_holds_the_lock_and_takes_it_only_when_told_to(account: Account) -> None:
    limit(account, 1)
    root, environ = account.project.root, account.project.environ
    with started(account, PROGRAM, "-C", str(root), "apply", "--yes") as process:
        at_work(account, process)
        asked = reconciler(root, "unlock")
        shown, refusal = asked.stderr.splitlines()
        assert asked.returncode == 1
        assert f"process {process.pid}, which is running; its lease lasts until" in shown
        assert refusal == "error: there is no terminal to ask on; look who holds it, and say --yes"
        taken = reconciler(root, "unlock", "--yes", "--output", "json")
        assert taken.returncode == 0
        told = json.loads(taken.stdout)
        assert (told["command"], told["unlocked"], told["holder"]["process"]) == ("unlock", True, process.pid)
        _, line = process.communicate(timeout=60)
        assert process.returncode == 5
        assert line.splitlines()[-1].startswith("error: .reconciler/lock: it was taken from this run")
    limit(account, 100_000)
    assert reconciler(root, "unlock").stdout == "Nobody holds the lock.\n"
    assert reconciler(root, "apply", "--yes", environ=environ).returncode == 0
    account.check_declared()
