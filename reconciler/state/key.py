"""The state key, which turns addresses into digests: where it comes from, and when it is refused.

`RECONCILER_STATE_KEY` wins over the file `.reconciler/key`. No message shows a key, nor a part of one.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.errors import SecretMissing
from reconciler.state import opening
from reconciler.state.faults import translated
from reconciler.state.files import HOME, NAME, Files, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VARIABLE = "RECONCILER_STATE_KEY"
SIZE = 32
"""Bytes."""

_FILE = f"{HOME}/key"
_FORM = re.compile(r"[0-9a-fA-F]{64}")
_MAKE = """`python -c "import secrets; print(secrets.token_hex(32))"` makes one"""


def load_key(folder: Path, environ: Mapping[str, str]) -> bytes | None:
    """Give the state key, or None when there is none yet; `folder` holds `exports/`. Nothing is made.

    Raises SecretMissing for a key that is malformed, unreadable, or open to others.
    """
    if VARIABLE in environ:
        return _parsed(environ[VARIABLE], f"{VARIABLE} is not 64 hexadecimal digits; {_MAKE}")
    text = _read(Files(folder).key)
    if text is None:
        return None
    return _parsed(text, f"{_FILE} is not 64 hexadecimal digits; restore it, or set {VARIABLE}")


def make_key(folder: Path, environ: Mapping[str, str], *, draw: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """Give the state key, and make one when there is none. `draw` gives so many random bytes.

    Never makes one for a state that was recorded under another. Raises as `load_key`, and
    StateError when the folder cannot be written.
    """
    key = load_key(folder, environ)
    if key is not None:
        return key
    files = Files(folder)
    with translated():
        if opening.recorded(files):
            raise SecretMissing(f"{NAME} is there and its key is not: restore {_FILE} or set {VARIABLE}")
        files.settle()
        _publish(files.key, f"{draw(SIZE).hex()}\n")
    made = load_key(folder, environ)
    assert made is not None
    return made


def _parsed(text: str, refusal: str) -> bytes:
    digits = text.strip()
    if not _FORM.fullmatch(digits):
        raise SecretMissing(refusal)
    return bytes.fromhex(digits)


def _read(path: Path) -> str | None:
    try:
        with open(path, "rb", opener=_no_link) as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise SecretMissing(f"{_FILE} is open to others: `chmod 600 {_FILE}` once nobody else can have read it")
            return file.read(1024).decode("ascii", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SecretMissing(f"{_FILE} cannot be read: {os.strerror(error.errno or 0)}") from error


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _publish(path: Path, text: str) -> None:
    """Write a file of mode 0600 that is there whole or not at all; one that is there already is left as it is."""
    handle, name = tempfile.mkstemp(prefix="key-", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)
        try:
            path.hardlink_to(fresh)  # unlike a rename, it never replaces the key of a run that was quicker
        except FileExistsError:
            return
    finally:
        fresh.unlink()
    sync_folder(path.parent)
