"""Keeps worlds in one file: JSON lines that are appended, and rewritten whole when the file is opened or closed.

The first line says what the file is. Every other line is one write, [account's number, [operation, …]], handed to the
system before the request is answered: a process that is killed loses nothing that it acknowledged, and a write costs
what it holds, however large the world is. The lines are not forced to the disk: a machine that loses its power may
lose the last of them, which is no harm to a stand-in.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import threading
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from reconciler.sandbox.state import Op

HEADER = {"reconciler-sandbox": 1}

Line = tuple[int, "list[Op]"]


class Journal:
    """The file, locked for one process. `append` is for any thread, the rest for the one that opened it."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises OSError when it cannot be had or another process has it."""
        self._path = path
        self._lock = threading.Lock()
        self._dirty = False
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file: IO[bytes] = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            self._hold(self._file)
        except OSError:
            self._file.close()
            raise

    def _hold(self, file: IO[bytes]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(f"{self._path} is in use by another sandbox") from None

    def replay(self) -> Iterator[Line]:
        """Give every write in its order; a last line that was cut off is dropped. Raises ValueError."""
        with self._path.open("rb") as file:
            first = file.readline()
            if first and _decoded(first) != HEADER:
                raise ValueError(f"{self._path} is not the world of a sandbox")
            for number, line in enumerate(file, start=2):
                if not line.endswith(b"\n"):
                    return
                match _decoded(line):
                    case [int(account), list(ops)]:
                        yield account, ops
                    case _:
                        raise ValueError(f"{self._path}:{number}: not a line of a sandbox's world")

    def append(self, account: int, ops: list[Op]) -> None:
        """Add one write. Raises OSError."""
        with self._lock:
            self._file.write(_encoded([account, ops]))
            self._dirty = True

    @property
    def dirty(self) -> bool:
        """Whether anything was appended since the file was last rewritten."""
        return self._dirty

    def compact(self, lines: Iterable[Line]) -> None:
        """Rewrite the file with just these lines: whole beside it first, then put in its place at once."""
        with self._lock:
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(_encoded(HEADER))
                    file.writelines(_encoded(line) for line in lines)
                    file.flush()
                    os.fsync(file.fileno())
                fresh = open(name, "ab", buffering=0)  # noqa: SIM115, PTH123  # lives as long as the journal
                self._hold(fresh)
                os.replace(name, self._path)  # noqa: PTH105  # the name is a plain text here
            except BaseException:
                os.unlink(name)  # noqa: PTH108  # as above
                raise
            self._file.close()
            self._file = fresh
            self._dirty = False

    def close(self) -> None:
        """Let the file go. May be called twice."""
        self._file.close()


def _encoded(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _decoded(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
