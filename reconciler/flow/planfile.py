"""Keeps a saved plan in a file. It decides what may be overwritten: nothing but another saved plan."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from reconciler.core.errors import PlanRefused, ReconcilerError
from reconciler.core.seal import LARGEST, NO_PLAN, recognised


def load(path: Path) -> bytes:
    """Read a saved plan. Raises PlanRefused for a file that cannot be one."""
    try:
        return _content(path, os.O_RDONLY)
    except OSError as error:
        raise PlanRefused(f"the saved plan cannot be read: {os.strerror(error.errno or 0)}") from None


def check(path: Path) -> None:
    """Refuse a place where something else is. Raises ReconcilerError."""
    try:
        there = recognised(_content(path, os.O_RDONLY | os.O_NOFOLLOW))
    except FileNotFoundError:
        return
    except PlanRefused:
        there = False
    except OSError as error:
        raise _not_written(error) from None
    if not there:
        raise ReconcilerError("--out: something that is not a saved plan has this name; choose another one")


def keep(path: Path, file: bytes) -> None:
    """Write a saved plan whole or not at all, for its owner alone. Raises ReconcilerError."""
    check(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}-", dir=path.parent)  # made with mode 0600
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(file)
                stream.flush()
                os.fsync(handle)
            fresh.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise
    except OSError as error:
        raise _not_written(error) from None


def _content(path: Path, flags: int) -> bytes:
    """Read a regular file, and no more than a saved plan may have. Raises OSError, PlanRefused."""
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a pipe would wait for its other end
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise PlanRefused(NO_PLAN)
        return stream.read(LARGEST + 1)


def _not_written(error: OSError) -> ReconcilerError:
    return ReconcilerError(f"--out: the saved plan cannot be written: {os.strerror(error.errno or 0)}")
