"""Decides what is opened for a source: its files, the engine locked to them, the columns; and closes all of it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.errors import SourceError
from reconciler.sources import finding
from reconciler.sources.engine import Engine, Limits
from reconciler.sources.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.core.reads import Files


@dataclass(frozen=True, slots=True)
class Opened:
    """A source that can be read. `held` is its memberships, or why there are none; `spool` the folder of the pipes."""

    engine: Engine
    limits: Limits
    spool: Path | None
    profiles: Table
    held: Table | SourceError
    undo: ExitStack

    @property
    def memberships(self) -> Table:
        """The memberships. Raises SourceError when they are not declared or cannot be read."""
        if isinstance(self.held, SourceError):
            raise SourceError(str(self.held))
        return self.held

    def close(self) -> None:
        """Give the engine's memory back, and remove the pipes' folder."""
        self.undo.close()


def open_files(reads: Files, name: str, roots: Sequence[Path], limits: Limits, environ: Mapping[str, str]) -> Opened:
    """Find the files, lock the engine to them and settle the columns. Raises SourceError.

    Memberships that cannot be read stop only those segments that need them.
    """
    found = finding.find(reads.profiles, roots, environ)
    kept = _find_memberships(reads, name, roots, environ)
    read = [found, *([] if isinstance(kept, SourceError) else [kept])]
    with ExitStack() as undo:
        spool = make_spool(undo) if any(isinstance(table, Table) and table.piped for table in read) else None
        folders = [] if spool is None else [f"{spool}/"]
        engine = Engine(finding.local(read), folders, limits, finding.lake_files(read))
        undo.callback(engine.close)
        profiles = finding.settled(found, engine)
        profiles.column(reads.profiles.id, "id")
        return Opened(engine, limits, spool, profiles, _open_memberships(reads, kept, engine), undo.pop_all())


def make_spool(undo: ExitStack) -> Path:
    """Make the folder of the pipes: its owner's alone, and without a byte of data in it."""
    spool = Path(tempfile.mkdtemp(prefix="reconciler-")).resolve()
    undo.callback(shutil.rmtree, spool, ignore_errors=True)
    return spool


def _find_memberships(reads: Files, name: str, roots: Sequence[Path], environ: Mapping[str, str]) -> finding.Found:
    """Find the memberships, or say why there are none, with a SourceError."""
    if reads.memberships is None:
        return SourceError(f"the source {name} keeps no memberships; declare them, or give the segment a where")
    try:
        return finding.find(reads.memberships, roots, environ)
    except SourceError as error:
        return error


def _open_memberships(reads: Files, kept: finding.Found, engine: Engine) -> Table | SourceError:
    if isinstance(kept, SourceError) or reads.memberships is None:
        assert isinstance(kept, SourceError)
        return kept
    try:
        table = finding.settled(kept, engine)
        table.column(reads.memberships.id, "id")
        table.column(reads.memberships.segment, "segment")
    except SourceError as error:
        return error
    return table
