"""One writer: the lock is a lease that is renewed, that frees itself, and whose former holder is fenced out."""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import os
import socket
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from reconciler.clock import SystemClock
from reconciler.core.custody import TERM
from reconciler.core.errors import StateError, StateLocked
from reconciler.core.record import RecordedExport
from reconciler.state import lease as leases
from reconciler.state.lock import Lock, acquire, held, holder, unlock
from reconciler.state.place import open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = bytes(range(32))
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@dataclass
class Hands:
    """A clock that is set by hand; sleeping moves it on. `tick` is done at each sleep."""

    wall: dt.datetime = NOON
    counter: float = 100.0
    tick: Callable[[], None] = lambda: None

    def now(self) -> dt.datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.counter

    def sleep(self, seconds: float) -> None:
        self.pass_by(seconds)
        self.tick()

    def pass_by(self, seconds: float) -> None:
        self.counter += seconds
        self.wall += dt.timedelta(seconds=seconds)


def take(folder: Path, clock: Hands, who: str = "me", *, wait: float = 0) -> Lock:
    return acquire(folder, who=who, clock=clock, wait=wait)


def written(folder: Path) -> leases.Lease:
    found = leases.parsed((folder / ".reconciler" / "lock").read_bytes())
    assert found is not None
    return found


def elsewhere(folder: Path, *, expires: dt.datetime = NOON + dt.timedelta(seconds=TERM)) -> leases.Lease:
    """Write the lease of a process on another machine, whose lock does not reach here."""
    lease = leases.Lease("feed", "them", "far.example.com", "another boot", 77, NOON, expires, TERM)
    (folder / ".reconciler").mkdir(exist_ok=True)
    (folder / ".reconciler" / "lock").write_bytes(lease.written())
    return lease


def every(seconds: float, clock: Hands, act: Callable[[], None]) -> Callable[[], None]:
    """Give what is done at each sleep of the clock so that `act` is done at intervals."""
    due = clock.counter + seconds

    def tick() -> None:
        nonlocal due
        if clock.counter >= due:
            due = clock.counter + seconds
            act()

    return tick


def test_the_lock_says_who_holds_it_from_when_to_when(tmp_path: Path) -> None:
    with take(tmp_path, Hands()):
        lease = written(tmp_path)
        assert (lease.who, lease.host, lease.pid) == ("me", socket.gethostname(), os.getpid())
        assert (lease.since, lease.expires) == (NOON, NOON + dt.timedelta(seconds=TERM))
        assert (tmp_path / ".reconciler" / "lock").stat().st_mode & 0o777 == 0o600
        line = rf"locked by me on .+ \(process {os.getpid()}\) since 2026-03-01 12:00:00\+0000$"
        with pytest.raises(StateLocked, match=line):
            take(tmp_path, Hands(), "you")


def test_a_writer_waits_no_longer_than_it_was_told_to(tmp_path: Path) -> None:
    clock = Hands()
    with take(tmp_path, Hands()), pytest.raises(StateLocked):
        take(tmp_path, clock, "you", wait=2)
    assert clock.counter == pytest.approx(102, abs=0.1)


def test_a_writer_that_waits_gets_the_lock_when_it_is_released(tmp_path: Path) -> None:
    first = take(tmp_path, Hands())
    with take(tmp_path, Hands(tick=first.release), "you", wait=1):
        assert written(tmp_path).who == "you"


def test_the_lock_is_let_go_once(tmp_path: Path) -> None:
    assert not held(tmp_path)
    lock = take(tmp_path, Hands())
    lock.release()
    other = take(tmp_path, Hands(), "you")
    lock.release()
    assert held(tmp_path)
    assert not other.lost()
    other.release()
    assert not held(tmp_path)
    assert (tmp_path / ".reconciler" / "lock").read_bytes() == b""


@pytest.mark.parametrize(
    "junk",
    [b"", b"{", b"[1]", b'{"who": "a"}', b"\xff\xfe", b'{"pid": 1, "since": 2}', b"[" * 2000, b'{"expires":' * 150],
)
def test_a_lock_file_that_says_nothing_is_no_trouble(tmp_path: Path, junk: bytes) -> None:
    with take(tmp_path, Hands()):
        (tmp_path / ".reconciler" / "lock").write_bytes(junk)
        with pytest.raises(StateLocked, match="by another process"):
            take(tmp_path, Hands(), "you", wait=TERM + 10)
        found = holder(tmp_path, Hands())
        assert found is not None
        assert found.since is None
    (tmp_path / ".reconciler" / "lock").write_bytes(junk)
    take(tmp_path, Hands()).release()


def test_the_name_of_a_holder_cannot_draw_on_the_terminal(tmp_path: Path) -> None:
    with take(tmp_path, Hands(), "\x1b[31mme\n" + "x" * 500), pytest.raises(StateLocked) as refused:
        take(tmp_path, Hands(), "you")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


def test_the_lease_is_renewed_while_it_is_held_and_no_longer(tmp_path: Path) -> None:
    renewed = threading.Event()

    class Told(SystemClock):
        def now(self) -> dt.datetime:
            if threading.current_thread().name == "lease":
                renewed.set()
            return super().now()

    lock = acquire(tmp_path, who="me", clock=Told(), wait=0, term=0.4)
    first = written(tmp_path)
    assert renewed.wait(20)
    lock.release()
    lock._thread.join(20)
    assert not lock._thread.is_alive()
    with acquire(tmp_path, who="you", clock=SystemClock(), wait=0):
        assert written(tmp_path).token != first.token


def test_a_renewal_moves_the_expiry_and_nothing_else(tmp_path: Path) -> None:
    clock = Hands()
    with take(tmp_path, clock) as lock:
        first = written(tmp_path)
        clock.pass_by(TERM + 1)
        assert not lock.lost(), "nobody took it, so it is taken up again"
        assert written(tmp_path) == replace(first, expires=clock.now() + dt.timedelta(seconds=TERM))


def test_a_holder_on_another_machine_keeps_it_until_it_expires(tmp_path: Path) -> None:
    elsewhere(tmp_path)
    clock = Hands()
    with pytest.raises(StateLocked, match=r"locked by them on far\.example\.com \(process 77\)"):
        take(tmp_path, clock, wait=30)
    with take(tmp_path, clock, wait=60):
        assert clock.counter == pytest.approx(160, abs=1), "as soon as it ran out, and not before"


def test_a_holder_on_another_machine_that_renews_keeps_it(tmp_path: Path) -> None:
    clock = Hands()

    def renew() -> None:
        elsewhere(tmp_path, expires=clock.now() + dt.timedelta(seconds=TERM))

    renew()
    clock.tick = every(TERM / leases.RENEWALS, clock, renew)
    with pytest.raises(StateLocked):
        take(tmp_path, clock, wait=2 * TERM)


@pytest.mark.parametrize("back", [dt.timedelta(days=1), dt.timedelta(hours=1)])
def test_a_clock_that_was_set_back_keeps_nobody_out_for_longer_than_the_term(
    tmp_path: Path, back: dt.timedelta
) -> None:
    elsewhere(tmp_path)
    clock = Hands(NOON - back)
    with take(tmp_path, clock, wait=2 * TERM):
        assert clock.counter == pytest.approx(100 + TERM, abs=1)


def test_a_clock_that_was_set_ahead_takes_the_lock_from_nobody_who_renews(tmp_path: Path) -> None:
    mine = Hands()
    with take(tmp_path, mine) as lock:
        theirs = Hands(NOON + dt.timedelta(hours=1))

        def renew() -> None:
            mine.counter, mine.wall = theirs.counter, theirs.wall - dt.timedelta(hours=1)
            lock._renew()

        theirs.tick = every(TERM / leases.RENEWALS, theirs, renew)
        with pytest.raises(StateLocked, match=r"not renewed since it ran out at 12:02:45\+0000"):
            take(tmp_path, theirs, "you", wait=2 * TERM)
        lock.check()


def test_a_holder_that_stopped_renewing_is_overtaken_and_fenced_out(tmp_path: Path) -> None:
    clock = Hands()
    first = take(tmp_path, clock)
    ledger = open_ledger(tmp_path, KEY, guard=first.check)
    ledger.save_export("c", RecordedExport(1, "e", 0))
    late = Hands(NOON + dt.timedelta(seconds=TERM))
    with pytest.raises(StateLocked, match=r"ran out at 12:01:00\+0000; `reconciler unlock` takes it away"):
        take(tmp_path, late, "you")
    with take(tmp_path, late, "you", wait=TERM) as second:
        with pytest.raises(StateLocked, match="it was taken from this run, which sends and records no more"):
            ledger.save_export("c", RecordedExport(2, "f", 0))
        assert first.lost()
        first.release()
        second.check()
        assert written(tmp_path).who == "you"
        ledger.close()


def test_whoever_has_begun_fences_the_former_writer_also_without_the_lock(tmp_path: Path) -> None:
    former = open_ledger(tmp_path, KEY)
    latter = open_ledger(tmp_path, KEY)
    with pytest.raises(StateLocked, match="another run has taken over"):
        former.save_export("c", RecordedExport(1, "e", 0))
    latter.save_export("c", RecordedExport(1, "e", 0))
    former.close()
    latter.close()


@pytest.mark.parametrize("how", ["removed", "replaced", "a link"])
def test_a_lock_file_that_somebody_meddled_with_is_lost(tmp_path: Path, how: str) -> None:
    path = tmp_path / ".reconciler" / "lock"
    with take(tmp_path, Hands()) as lock:
        content = path.read_bytes()
        path.unlink()
        if how == "replaced":
            path.write_bytes(content)
        elif how == "a link":
            path.symlink_to(path.with_name("elsewhere"))
        assert lock.lost()
        with pytest.raises(StateLocked):
            lock.check()


def test_a_file_system_without_locks_is_kept_by_the_lease_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(handle: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, f"no locks {handle} {kind}")

    monkeypatch.setattr(fcntl, "flock", without)
    clock = Hands()
    first = take(tmp_path, clock)
    assert held(tmp_path)
    with pytest.raises(StateLocked, match="locked by me"):
        take(tmp_path, Hands(), "you")
    with take(tmp_path, Hands(NOON + dt.timedelta(seconds=TERM)), "you"):
        assert first.lost()
    assert not held(tmp_path)


def test_unlock_takes_the_lock_from_whom_it_was_shown_and_from_nobody_else(tmp_path: Path) -> None:
    assert holder(tmp_path, Hands()) is None
    with take(tmp_path, Hands()) as lock:
        found = holder(tmp_path, Hands())
        assert found is not None
        assert (found.who, found.pid, found.running, found.expired) == ("me", os.getpid(), True, False)
        with pytest.raises(StateError, match="it changed hands meanwhile"):
            unlock(tmp_path, "another", lambda _: None)
        lock.check()
        unlock(tmp_path, found.token, lambda _: None)
        assert lock.lost()
        assert holder(tmp_path, Hands()) is None
        take(tmp_path, Hands(), "you").release()


def test_the_lease_of_a_process_that_is_gone_is_nobodys(tmp_path: Path) -> None:
    lease = replace(elsewhere(tmp_path), machine=leases.here(), host=socket.gethostname())
    (tmp_path / ".reconciler" / "lock").write_bytes(lease.written())
    assert holder(tmp_path, Hands()) is None
    assert not held(tmp_path)
    take(tmp_path, Hands()).release()


def test_a_holder_far_away_is_shown_as_it_is_written(tmp_path: Path) -> None:
    lease = elsewhere(tmp_path)
    found = holder(tmp_path, Hands())
    assert found is not None
    assert (found.token, found.host, found.running, found.expired) == (lease.token, "far.example.com", None, False)
    assert holder(tmp_path, Hands(lease.expires)) is None
