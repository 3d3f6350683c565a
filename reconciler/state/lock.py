"""Who may write: one process at a time. It decides who is next, and what to say of the one that holds the lock.

The lock is a file that its holder keeps locked (`flock`) and that holds its lease. Whoever takes it puts a file of
their own in its place, in a turn of their own; so a holder that was overtaken finds another file there, or none, and
what it still writes into its own reaches nobody.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from reconciler.core.custody import TERM
from reconciler.core.errors import StateError, StateLocked
from reconciler.state import lease as leases
from reconciler.state.faults import translated
from reconciler.state.files import HOME, Files
from reconciler.state.lease import RENEWALS, Lease, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler.core.custody import Holder
    from reconciler.core.ports import Clock

_STEP = 0.05
"""Seconds between two tries."""

_GRACE = 2 * _STEP
"""Seconds to wait at least: `held` holds the lock for an instant to find out."""

_WITHOUT = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
"""What a file system says that has no locks."""

_SUBJECT = f"{HOME}/lock"


class Lock:
    """The right to write, until it is released or lost; a context manager. A thread renews its lease meanwhile.

    May be asked from every thread. A lease that ran out while the process was stopped, and that nobody took, is
    renewed when it is asked for.
    """

    def __init__(self, files: Files, handle: int, lease: Lease, clock: Clock) -> None:
        self._path, self._handle, self._lease, self._clock = files.lock, handle, lease, clock
        self._open, self._lost = True, False
        self._until = clock.monotonic() + lease.term
        self._mutex = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="lease", daemon=True)
        self._thread.start()

    def lost(self) -> bool:
        """Tell whether another took it, so that nothing may be sent and recorded any more."""
        with self._mutex:
            self._look()
            if not self._lost and self._open and self._clock.monotonic() >= self._until:
                self._renew()
            return self._lost

    def check(self) -> None:
        """Raise StateLocked when it is lost."""
        if self.lost():
            raise StateLocked(f"{_SUBJECT}: it was taken from this run, which sends and records no more")

    def release(self) -> None:
        """Let the next writer in. May be called twice."""
        self._over.set()
        with self._mutex:
            if self._open:
                self._open = False
                with translated():
                    os.ftruncate(self._handle, 0)
                    os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _keep_up(self) -> None:
        while not self._over.wait(self._lease.term / RENEWALS):
            with self._mutex:
                self._look()
                if self._lost or not self._open:
                    return
                self._renew()

    def _look(self) -> None:
        """Find out whether the file is still ours. It is opened anew: a network file system may remember an old one."""
        if self._open and not self._lost:
            try:
                there = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                self._lost = True
                return
            try:
                self._lost = not os.path.sameopenfile(there, self._handle)
            finally:
                os.close(there)

    def _renew(self) -> None:
        started = self._clock.monotonic()
        expires = self._clock.now() + timedelta(seconds=self._lease.term)
        with suppress(OSError):  # a disk that fails for a moment costs the rest of the lease, not the run
            os.pwrite(self._handle, replace(self._lease, expires=expires).written(), 0)
            os.fsync(self._handle)
            self._until = started + self._lease.term


def acquire(folder: Path, *, who: str, clock: Clock, wait: float, term: float = TERM) -> Lock:
    """Take the lock of the project in `folder`, waiting up to `wait` seconds for another to leave.

    `who` is for those who find it held, `term` the seconds of the lease. Raises StateLocked, which says by whom and
    since when, and StateError when the folder cannot be written.
    """
    files, watch, patience = Files(folder), Watch(clock), max(wait, _GRACE)
    with translated():
        files.settle()
        while True:
            with _turn(files) as mine:
                written, locked = _look(files.lock, os.O_RDWR | os.O_CREAT)
                if mine is not False and watch.gone(written, locked=locked):
                    lease = leases.begun(secrets.token_hex(8), who, clock.now(), term)
                    return Lock(files, _put(files, lease.written()), lease, clock)
            if patience <= 0:
                raise StateLocked(_told(leases.described(written, clock.now())))
            clock.sleep(_STEP)
            patience -= _STEP


def held(folder: Path) -> bool:
    """Tell whether a writer is at work. Nothing is written. Raises StateError."""
    with translated():
        written, locked = _look(Files(folder).lock, os.O_RDONLY, fcntl.LOCK_SH)
    return leases.parsed(written) is not None if locked is None else locked


def holder(folder: Path, clock: Clock) -> Holder | None:
    """Say who holds the lock, or None when the next writer would be let in. Nothing is written. Raises StateError."""
    with translated():
        written, locked = _look(Files(folder).lock, os.O_RDONLY, fcntl.LOCK_SH)
    gone = Watch(clock).gone(written, locked=locked)
    return None if gone else leases.described(written, clock.now())


def unlock(folder: Path, token: str, sleep: Callable[[float], None]) -> None:
    """Take the lock from the holder that `token` names, which is refused from now on.

    Raises StateError when it changed hands meanwhile, StateLocked when another process is about to take it.
    """
    files = Files(folder)
    with translated():
        for _ in range(20):
            with _turn(files) as mine:
                if mine is not False:
                    written, _ = _look(files.lock, os.O_RDONLY, fcntl.LOCK_SH)
                    found = leases.parsed(written)
                    if (found.token if found else "") != token:
                        raise StateError(f"{_SUBJECT}: it changed hands meanwhile; look again")
                    os.close(_put(files, b""))
                    return
            sleep(_STEP)
    raise StateLocked(f"{_SUBJECT}: another process is about to take it")


@contextmanager
def _turn(files: Files) -> Iterator[bool | None]:
    """Be the only one who changes hands with the lock: an instant. None where the file system has no locks."""
    handle = os.open(files.home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield _locked(handle, fcntl.LOCK_EX)
    finally:
        os.close(handle)


def _locked(handle: int, kind: int) -> bool | None:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _WITHOUT:
            return None
        raise
    return True


def _look(path: Path, flags: int, kind: int = fcntl.LOCK_EX) -> tuple[bytes, bool | None]:
    """Give what is written in the lock, and whether the system's lock on it is held; None: it has none."""
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except FileNotFoundError:
        return b"", False
    try:
        free = _locked(handle, kind)
        return os.pread(handle, leases.SIZE, 0), None if free is None else not free
    finally:
        os.close(handle)


def _put(files: Files, written: bytes) -> int:
    """Put a new file in place of the lock, held by us before it is there; gives its handle."""
    fresh = files.lock.with_name("lock.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _locked(handle, fcntl.LOCK_EX)
        os.pwrite(handle, written, 0)
        os.fsync(handle)
        fresh.replace(files.lock)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _told(holder: Holder) -> str:
    subject = f"{_SUBJECT}: the state is locked"
    if holder.since is None or holder.expires is None:
        return f"{subject} by another process"
    line = f"{subject} by {holder.who} on {holder.host} (process {holder.pid}) since {holder.since:%Y-%m-%d %H:%M:%S%z}"
    if not holder.expired:
        return line
    return f"{line}, and not renewed since it ran out at {holder.expires:%H:%M:%S%z}; `reconciler unlock` takes it away"
