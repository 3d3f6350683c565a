"""A run that is asked to end does so within 5 seconds, loses nothing that was acknowledged, and says how it ended."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import signal
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.account import Account, crowd
from support.command import PROGRAM
from support.wiretap import Wiretap

from reconciler.core.record import RunStatus
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
PROMISED = 5.0
MARGIN = 2.0
"""Seconds that a machine with other things to do may take on top."""


@pytest.fixture
def server() -> Iterator[Sandbox]:  # one for each test: what one leaves unanswered would be met in another
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def tap(server: Sandbox) -> Wiretap:
    return Wiretap(server)


@pytest.fixture
def account(server: Sandbox, tmp_path: Path) -> Account:
    return Account(server, tmp_path)


@contextmanager
def started(account: Account, *words: str, **how: Any) -> Iterator[subprocess.Popen[str]]:
    """Start an apply in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, "-C", str(account.project.root), "apply", *words]
    plain = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env={**os.environ, **account.project.environ}, **plain | how)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.005)


def ended(process: subprocess.Popen[str], number: int, within: float = PROMISED) -> str:
    """Send a signal, wait for the end, and give what was said; it must come in time and with its code."""
    began = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - began < within + MARGIN
    assert process.returncode == CODES[signal.Signals(number)], said
    assert "Traceback" not in said
    return said


def last(account: Account) -> tuple[RunStatus | None, int]:
    """Give how the last run ended, if there is one, and how many people are in doubt."""
    shop = account.project.shop()
    with shop.recorded(shop.declarations()) as ledger:
        doubts = {key for doubt in ledger.doubtful("account") for key in doubt.keys}
        return next((run.status for run in ledger.runs()), None), len(doubts)


def goes_on(account: Account) -> None:
    account.behave()
    assert account.apply().status is RunStatus.SUCCESSFUL
    account.check_declared()


@pytest.mark.parametrize(
    ("number", "bulk_lists"), [*((number, "honoured") for number in CODES), (signal.SIGTERM, "ignored")]
)
def test_what_is_in_flight_is_finished_and_recorded(
    account: Account, tap: Wiretap, number: int, bulk_lists: str
) -> None:
    account.behave(bulk_lists=bulk_lists, latency=0.3)
    account.declare(crowd(2400 if bulk_lists == "honoured" else 150))
    with started(account, "--yes") as process:
        until(lambda: tap.begun > 18, process)
        said = ended(process, number)
    assert "stopping" in said
    assert last(account) == (RunStatus.CANCELED, 0)
    done = sum(map(len, account.recorded().values()))
    assert done == sum(len(account.world.members(title)) for title in ("all", "odd")) > 0
    goes_on(account)


def test_a_request_that_is_not_answered_is_left_in_doubt(account: Account, tap: Wiretap) -> None:
    account.behave(Fault("slow-after", method="POST", path="/contacts", nth=4, count=None, seconds=30))
    account.declare(crowd(2000))
    with started(account, "--yes") as process:
        until(lambda: tap.begun > 10, process)
        ended(process, signal.SIGTERM)
        assert process.stdout is not None
    status, doubts = last(account)
    assert status is RunStatus.CANCELED
    assert doubts > 0
    goes_on(account)
    assert last(account) == (RunStatus.SUCCESSFUL, 0)


def test_a_list_that_is_long_in_the_making_keeps_nobody(account: Account, tap: Wiretap) -> None:
    account.behave(list_latency=30)
    account.declare(crowd(20))
    with started(account, "--yes") as process:
        until(lambda: tap.begun > 0, process)
        ended(process, signal.SIGINT)
    assert last(account) == (RunStatus.CANCELED, 0)
    assert tap.begun == 1


def test_a_second_signal_leaves_at_once(account: Account, tap: Wiretap) -> None:
    account.behave(Fault("slow-after", method="POST", path="/contacts", count=None, seconds=30))
    account.declare(crowd(300))
    with started(account, "--yes") as process:
        until(lambda: tap.begun > 2, process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.readline().startswith("stopping")
        ended(process, signal.SIGTERM, within=0)
    assert last(account)[0] is RunStatus.INTERRUPTED
    goes_on(account)


@pytest.mark.parametrize("retry_after", [None, 100])
def test_a_run_that_waits_to_try_again_leaves_at_once(account: Account, retry_after: int | None) -> None:
    account.behave(Fault("429", count=None, retry_after=retry_after))
    account.declare(crowd(300))
    with started(account, "--yes") as process:
        until(lambda: len(account.server.requests) > 0, process)
        ended(process, signal.SIGTERM, within=1)
    assert len(account.server.requests) < 8
    goes_on(account)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_still_reads_leaves_in_time(account: Account, number: int) -> None:
    letters = random.Random(1)
    account.declare({f"{n}@example.com": ("".join(letters.choices("ab", k=20_000)), True) for n in range(500)})
    documents = account.project.root / "exports" / "all.yaml"
    slow = "regexp_matches(first, 'a[ab]{400}c')"  # the engine looks for an interrupt after thousands of rows only
    documents.write_text(documents.read_text().replace("odd = 'Y'", slow))
    lock = account.project.root / ".reconciler" / "lock"
    with started(account, "--yes") as process:
        until(lambda: lock.exists() and lock.read_bytes().strip() != b"", process)
        time.sleep(0.5)  # into the engine; a little before is as good
        ended(process, number)
    assert account.server.requests == ()
    assert last(account) == (None, 0)


def test_a_run_that_waits_for_another_leaves_at_once(account: Account) -> None:
    account.declare(crowd(3))
    with (
        account.project.shop().lock(account.project.root, 0),
        started(account, "--yes", "--lock-timeout=90") as process,
    ):
        time.sleep(2.5)  # into the wait; a little before is as good
        ended(process, signal.SIGINT, within=1)


def on_a_terminal(account: Account, *words: str) -> tuple[Any, int]:
    """Start an apply on a terminal that is its own; gives it and our end."""
    ours, theirs = pty.openpty()
    own = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
    take = lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # noqa: E731  # as a login does
    process = started(account, *words, preexec_fn=take, **own)
    return process, ours


def shows(terminal: int, text: str) -> None:
    """Wait until the terminal shows it."""
    shown = ""
    while text not in shown:
        shown += os.read(terminal, 1000).decode()


def test_nobody_is_asked_on_after_ctrl_c(account: Account) -> None:
    account.declare(crowd(3))
    running, terminal = on_a_terminal(account)
    with running as process:
        shows(terminal, "Push these changes")
        os.write(terminal, b"\x03")
        assert process.wait(timeout=PROMISED) == CODES[signal.SIGINT]
    assert account.server.requests == ()


@pytest.mark.parametrize(
    ("typed", "pushed"), [(b"y\n", True), (b"YES\n", True), (b"n\n", False), (b"\n", False), (b"\x04", False)]
)
def test_only_who_says_yes_has_agreed(account: Account, *, typed: bytes, pushed: bool) -> None:
    account.declare(crowd(3))
    running, terminal = on_a_terminal(account)
    with running as process:
        shows(terminal, "Push these changes of 1 export? [y/N]: ")
        if pushed:
            os.write(terminal, b"perhaps\n")
            shows(terminal, "invalid input")
        os.write(terminal, typed)
        assert process.wait(timeout=30) == (0 if pushed else 1)
    assert (account.server.requests != ()) is pushed


def test_a_run_whose_terminal_is_gone_ends_in_good_order(account: Account, tap: Wiretap) -> None:
    account.behave(latency=0.3)
    account.declare(crowd(2400))
    running, terminal = on_a_terminal(account, "--yes")
    with running as process:
        until(lambda: tap.begun > 18, process)
        os.close(terminal)
        assert process.wait(timeout=PROMISED + MARGIN) == CODES[signal.SIGHUP]
    assert last(account) == (RunStatus.CANCELED, 0)
    goes_on(account)
