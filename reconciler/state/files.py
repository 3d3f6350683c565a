"""Where the state of a project is kept, and how its folder is made. It decides names and modes, nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HOME = ".reconciler"
NAME = f"{HOME}/state.sqlite"
"""How messages name the ledger, whatever the project's folder is."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one project's state; `folder` is the one that holds `exports/`."""

    folder: Path

    @property
    def home(self) -> Path:
        """The folder of all of them."""
        return self.folder / HOME

    @property
    def database(self) -> Path:
        """The ledger."""
        return self.home / "state.sqlite"

    @property
    def fresh(self) -> Path:
        """A ledger that is about to be put in its place."""
        return self.home / "state.sqlite.new"

    @property
    def copies(self) -> Path:
        """The folder of the last good copies."""
        return self.home / "copies"

    @property
    def aside(self) -> Path:
        """The folder of ledgers in whose place another was put."""
        return self.home / "aside"

    @property
    def suppressed(self) -> Path:
        """Who was erased, beside the ledger: no older ledger that is put in its place brings them back."""
        return self.home / "suppressed"

    @property
    def wal(self) -> Path:
        """What is committed and not yet moved into the ledger's file: part of the state."""
        return self.home / "state.sqlite-wal"

    @property
    def shm(self) -> Path:
        """The index of the former, shared by the processes that have the ledger open."""
        return self.home / "state.sqlite-shm"

    @property
    def key(self) -> Path:
        """The state key."""
        return self.home / "key"

    @property
    def lock(self) -> Path:
        """The file that the one writer holds."""
        return self.home / "lock"

    def settle(self) -> None:
        """Make the folder, for its owner alone, and keep it out of git. May be called again. Raises OSError."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.home.stat().st_mode & 0o077:
            self.home.chmod(0o700)
        ignore = self.home / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
