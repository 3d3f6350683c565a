"""A disk that is full ends the run with one line; nothing more is sent, and with space again the next one goes on."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.account import Account, crowd
from support.command import PROGRAM
from support.wiretap import Wiretap, repeated

from reconciler.core.record import RunStatus
from reconciler.flow.courier import MOST
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KIB = 1024


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def account(server: Sandbox, tmp_path: Path) -> Account:
    return Account(server, tmp_path)


# What measures coverage writes files of its own, and would meet the limit instead of the ledger.
MEASURED_BY_NOBODY = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


def applied(account: Account, largest: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run an apply in a process of its own, whose files may be `largest` bytes long."""

    def bounded() -> None:
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "-C", str(account.project.root), "apply", "--yes"],
        env=MEASURED_BY_NOBODY | account.project.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=bounded,  # one system call, and no thread of ours holds a lock that it needs
    )


def announced(account: Account) -> None:
    """Whoever is on a list is recorded there, or in doubt."""
    shop = account.project.shop()
    digests, _ = shop.digests(account.project.root, make=False)
    with shop.recorded(shop.declarations()) as ledger:
        recorded = {(claim.key, slot) for claim in ledger.claims("account") for slot in claim.slots}
        doubts = {(key, doubt.slot) for doubt in ledger.doubtful("account") for key in doubt.keys}
        slots = {entry.title: entry.slot for entry in ledger.lists("account")}
        assert ledger.runs(limit=1)[0].status is RunStatus.INTERRUPTED
    for title in ("all", "odd"):
        there = {(digests.person(address), slots[title]) for address in account.world.members(title)}
        assert there <= recorded | doubts


def check_refused(account: Account, ended: subprocess.CompletedProcess[str]) -> None:
    """It ended with one line and the code of an error, and before everybody was sent."""
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("error: .reconciler/state.sqlite: the disk "), ended.stderr
    assert account.world.members("all") < set(account.table)
    announced(account)


def goes_on(account: Account, tap: Wiretap) -> None:
    """With space, the next run ends in the declared world, and repeats at most what was in flight."""
    before = tap.take()
    ended = applied(account)
    assert ended.returncode == 0, ended.stderr
    account.check_declared()
    assert set(account.recorded()) == set(account.table)
    assert repeated(before, tap.take()) <= MOST
    assert not account.project.plan().changes


@pytest.mark.parametrize(("bulk_lists", "room"), [("honoured", 40), ("honoured", 300), ("ignored", 120)])
def test_a_file_that_may_not_grow_any_more(account: Account, bulk_lists: str, room: int) -> None:
    account.behave(bulk_lists=bulk_lists)
    account.declare(crowd(20))
    account.apply()
    tap = Wiretap(account.server)
    account.declare(crowd(3_000 if bulk_lists == "honoured" else 200))
    check_refused(account, applied(account, room * KIB))
    goes_on(account, tap)


def test_there_was_never_any_room(account: Account) -> None:
    tap = Wiretap(account.server)
    account.declare(crowd(300))
    for largest in (0, 30, 1 * KIB, 20 * KIB):
        ended = applied(account, largest)
        assert ended.returncode == 1, ended.stderr
        assert ended.stderr.startswith("error: .reconciler"), ended.stderr
        assert tap.begun == 0
    goes_on(account, tap)


@contextmanager
def small_disk(place: Path, kib: int) -> Iterator[None]:
    """Have a disk of so many KiB below a folder; needs root."""
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", place], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize("room", [0, 40, 300])
def test_a_disk_that_is_full(account: Account, room: int) -> None:
    tap = Wiretap(account.server)
    home = account.project.root / ".reconciler"
    with small_disk(home, 8 * KIB):
        account.declare(crowd(20))
        account.apply()
        free = os.statvfs(home)
        ballast = home / "ballast"
        ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - room * KIB))
        account.declare(crowd(3_000))
        tap.take()
        ended = applied(account)
        assert ended.returncode == 1, ended.stderr
        assert ended.stderr.count("\n") == 1
        assert "No space left" in ended.stderr or "the disk is full" in ended.stderr
        assert account.world.members("all") < set(account.table)
        ballast.unlink()
        goes_on(account, tap)
