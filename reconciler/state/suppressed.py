"""The file that names who was erased, by keyed digest, one a line. It decides nothing.

The ledger knows them too. The file is for the day on which an older ledger is put in its place: who was erased since
stays erased.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from reconciler.core.errors import StateError
from reconciler.state.faults import translated
from reconciler.state.files import HOME, Files, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

_LINE = re.compile(r"[0-9a-f]{32}")


def read(folder: Path) -> frozenset[bytes]:
    """Give the keys; none where nobody was ever erased. Raises StateError for a file that holds anything else."""
    with translated():
        try:
            lines = Files(folder).suppressed.read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return frozenset()
    for number, line in enumerate(lines, 1):
        if not _LINE.fullmatch(line):
            raise StateError(
                f"{HOME}/suppressed:{number}: not the digest of a person; restore the file, which says who was erased"
            )
    return frozenset(bytes.fromhex(line) for line in lines)


def add(files: Files, key: bytes) -> None:
    """Add a key: when it returns, that is on disk, and before, the file is as it was. Raises StateError."""
    keys = read(files.folder)
    if key in keys:
        return
    with translated():
        fresh = files.suppressed.with_name("suppressed.new")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.writelines(f"{each.hex()}\n" for each in sorted(keys | {key}))
            file.flush()
            os.fsync(handle)
        fresh.replace(files.suppressed)
        sync_folder(files.home)
