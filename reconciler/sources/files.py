"""The source `files`: CSV, Parquet and Delta, here or in a store, read by the locked engine. It fails closed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from reconciler.core.reads import Files
from reconciler.sources.engine import Limits
from reconciler.sources.opened import open_files
from reconciler.sources.tabled import Keys, TabledSource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.core.model import Source
    from reconciler.sources.surroundings import Surroundings


class FilesSource(TabledSource):
    """Reads what `source` declares; its paths lie in `root` or in one of `roots`, links followed.

    `threads` None: one a core; `memory` is the engine's limit, as in "1GB"; `timeout` the seconds that one scan may
    spend in the engine; `environ` has the credentials of object stores. Implements core.ports.Source.
    """

    def __init__(
        self,
        source: Source,
        root: Path,
        roots: tuple[Path, ...] = (),
        *,
        threads: int | None = None,
        memory: str = "1GB",
        timeout: float = 300.0,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        reads, limits = source.reads, Limits(threads, memory, timeout)
        assert isinstance(reads, Files)
        held = reads.memberships
        keys = Keys(reads.profiles.id, held.id if held else "", held.segment if held else "")
        super().__init__(partial(open_files, reads, source.name, (root, *roots), limits, environ or {}), keys)


def open_source(source: Source, around: Surroundings) -> FilesSource:
    """Give the source of a declaration; nothing is opened yet."""
    return FilesSource(source, around.root, around.roots, environ=around.environ)
