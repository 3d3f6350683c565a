"""Translates what SQLite and the operating system raise into one line each; it decides the words only."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.core.errors import StateError, StateLocked
from reconciler.state.files import HOME, NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

RESTORE = "`reconciler state restore` brings back a good copy"

_LINES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space and run it again: what was recorded before is safe",
    sqlite3.SQLITE_READONLY: "it cannot be written: the file, its folder or the file system is read-only",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write it; what was recorded before is safe if the disk is",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; it must be a file that you may read, in a folder that you may enter",
    sqlite3.SQLITE_PERM: "it cannot be opened: you may not",
    sqlite3.SQLITE_NOTADB: f"it is not a ledger of reconciler; {RESTORE}",
    sqlite3.SQLITE_CORRUPT: f"it is damaged or cut short; {RESTORE}",
    sqlite3.SQLITE_CONSTRAINT: "what was to be recorded contradicts what is; nothing of it was recorded",
}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


@contextmanager
def translated() -> Iterator[None]:
    """Raise StateError for a fault of the database or of the operating system, StateLocked for another writer."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a fault of ours, such as the use of a ledger that is closed
    except sqlite3.Error as error:
        raise _state_error(error) from error
    except UnicodeDecodeError as error:  # SQLite's own message quotes what it found in a damaged file
        raise StateError(f"{NAME}: it cannot be read; {RESTORE}") from error
    except OSError as error:
        raise StateError(f"{HOME}: {os.strerror(error.errno or 0)}") from error


@contextmanager
def legible() -> Iterator[None]:
    """Do the same around what turns rows into values, which fails only where a row is not as it was written."""
    with translated():
        try:
            yield
        except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
            raise StateError(f"{NAME}: it holds what no run wrote; {RESTORE}") from error


def _state_error(error: sqlite3.Error) -> StateError:
    # Errors that Python's module raises by itself carry no code
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return StateError(f"{NAME}: it cannot be read; {RESTORE}")
    primary = code & 0xFF
    if primary in _LOCKED:
        return StateLocked(f"{NAME}: another process is writing to it")
    line = _LINES.get(primary, "it cannot be used")
    return StateError(f"{NAME}: {line} ({error.sqlite_errorname})")
