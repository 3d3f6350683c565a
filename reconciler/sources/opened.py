"""Decides what is opened for a source: its files, the engine locked to them, the columns; and closes all of it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.errors import SourceError
from reconciler.sources import places
from reconciler.sources.columns import csv_table, parquet_table
from reconciler.sources.engine import Engine, Limits
from reconciler.sources.places import Place
from reconciler.sources.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.core.reads import Files
    from reconciler.sources.columns import Declared
    from reconciler.sources.tables import FileTable


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


def open_files(reads: Files, name: str, roots: Sequence[Path], limits: Limits) -> Opened:
    """Find the files, lock the engine to them and settle the columns. Raises SourceError.

    Memberships that cannot be read stop only those segments that need them.
    """
    found = _find(reads.profiles, roots)
    place = found if isinstance(found, Place) else found.place
    profiles = None if isinstance(found, Place) else found
    kept = _find_memberships(reads, name, roots)
    with ExitStack() as undo:
        piped = any(isinstance(table, Table) and table.piped for table in (profiles, kept))
        spool = make_spool(undo) if piped else None
        read = [place, *([] if isinstance(kept, SourceError) else [kept if isinstance(kept, Place) else kept.place])]
        files = [str(path) for where in read for path in where.files]
        engine = Engine(files, [] if spool is None else [f"{spool}/"], limits)
        undo.callback(engine.close)
        if profiles is None:
            profiles = parquet_table(place, engine)
        profiles.column(reads.profiles.id, "id")
        return Opened(engine, limits, spool, profiles, _open_memberships(reads, kept, engine), undo.pop_all())


def make_spool(undo: ExitStack) -> Path:
    """Make the folder of the pipes: its owner's alone, and without a byte of data in it."""
    spool = Path(tempfile.mkdtemp(prefix="reconciler-")).resolve()
    undo.callback(shutil.rmtree, spool, ignore_errors=True)
    return spool


def _find(declared: Declared, roots: Sequence[Path]) -> FileTable | Place:
    """Find the files of a table: CSV as a table, Parquet as the place of one. Raises SourceError."""
    chosen = places.dated(declared.path, roots[0], roots[1:])
    if chosen is not None:
        place = places.find(f"{declared.path.rstrip('/')}/{chosen.folder}", roots[0], roots[1:])
        return replace(csv_table(chosen.declared(declared), place), note=chosen.note)
    place = places.find(declared.path, roots[0], roots[1:])
    return place if place.parquet else csv_table(declared, place)


def _find_memberships(reads: Files, name: str, roots: Sequence[Path]) -> FileTable | Place | SourceError:
    """Find the memberships: CSV as a table, Parquet as the place of one, or why there are none."""
    if reads.memberships is None:
        return SourceError(f"the source {name} keeps no memberships; declare them, or give the segment a where")
    try:
        return _find(reads.memberships, roots)
    except SourceError as error:
        return error


def _open_memberships(reads: Files, kept: FileTable | Place | SourceError, engine: Engine) -> Table | SourceError:
    if isinstance(kept, SourceError) or reads.memberships is None:
        assert isinstance(kept, SourceError)
        return kept
    try:
        table = parquet_table(kept, engine) if isinstance(kept, Place) else kept
        table.column(reads.memberships.id, "id")
        table.column(reads.memberships.segment, "segment")
    except SourceError as error:
        return error
    return table
