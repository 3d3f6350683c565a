"""Who may write: one process at a time. It decides how long to wait, and what to say of the one that holds the lock.

The operating system frees the lock when its holder ends, however it ends. The file stays: to remove it would let two
processes hold two files of one name.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import socket
from typing import TYPE_CHECKING, Self

from reconciler.core.errors import StateLocked
from reconciler.state.faults import translated
from reconciler.state.files import HOME, Files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

_STEP = 0.05
"""Seconds between two tries."""

_GRACE = 2 * _STEP
"""Seconds to wait at least: `held` holds the lock for an instant to find out."""


class Lock:
    """The right to write, until it is released; a context manager."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    def release(self) -> None:
        """Let the next writer in. May be called twice."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with translated():
                os.ftruncate(handle, 0)
                os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire(folder: Path, *, who: str, now: dt.datetime, wait: float, sleep: Callable[[float], None]) -> Lock:
    """Take the lock of the project in `folder`, waiting up to `wait` seconds for another to leave.

    `who` and `now` are for those who find it held. Raises StateLocked, which says by whom and since when, and
    StateError when the folder cannot be written.
    """
    files = Files(folder)
    with translated():
        files.settle()
        handle = os.open(files.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            _take(handle, max(wait, _GRACE), sleep)
            holder = {"who": who, "host": socket.gethostname(), "pid": os.getpid(), "since": now.isoformat()}
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(holder).encode(), 0)
        except BaseException:
            os.close(handle)
            raise
    return Lock(handle)


def held(folder: Path) -> bool:
    """Tell whether a writer is at work. Nothing is written. Raises StateError."""
    with translated():
        try:
            handle = os.open(Files(folder).lock, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
    return False


def _take(handle: int, patience: float, sleep: Callable[[float], None]) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if patience <= 0:
                raise StateLocked(_told(os.pread(handle, 4096, 0))) from None
            sleep(_STEP)
            patience -= _STEP
        else:
            return


def _told(written: bytes) -> str:
    """Say who holds the lock, as far as is known: its holder may not have written yet, and a file may hold anything."""
    subject = f"{HOME}/lock: the state is locked"
    try:
        holder = json.loads(written)
        who, host, pid = str(holder["who"]), str(holder["host"]), int(holder["pid"])
        since = dt.datetime.fromisoformat(holder["since"])
    except (ValueError, TypeError, KeyError):
        return f"{subject} by another process"
    return f"{subject} by {_plain(who)} on {_plain(host)} (process {pid}) since {since:%Y-%m-%d %H:%M:%S%z}"


def _plain(text: str) -> str:
    """Keep what a terminal shows as it is, and not much of it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:80])
