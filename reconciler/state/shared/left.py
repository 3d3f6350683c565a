"""Decides what a shared state leaves behind, on this machine and in the store, when it is closed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

from reconciler.state.shared.ledger import SharedLedger
from reconciler.state.shared.reader import SharedReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from reconciler.core.ports import LedgerReader
    from reconciler.state.ledger import SqliteLedger
    from reconciler.state.shared.held import Held
    from reconciler.state.shared.lease import Tenancy


class Rest(NamedTuple):
    """What is to be left in order: the ledgers that are held, under which lease, and where others were read."""

    ours: list[Held]
    tenancy: Tenancy
    folder: Path


class LeftLedger(SharedLedger):
    """A SharedLedger that leaves the store tidy when it is closed."""

    def __init__(  # what it is over, and what is to be left
        self,
        held: Mapping[str, SqliteLedger],
        others: Mapping[str, Callable[[], LedgerReader]],
        lineage: str,
        suppressed: frozenset[bytes],
        suppress: Callable[[bytes], None],
        rest: Rest,
    ) -> None:
        super().__init__(held, others, lineage, suppressed, suppress)
        self._rest = rest

    def close(self) -> None:
        """Close everything, and write what the next run starts from. May be called twice."""
        names = {id(ledger): name for name, ledger in self._held.items()}
        for one in self._rest.ours:
            one.close(self._rest.tenancy, self.purge, names)
        self._rest.ours.clear()
        super().close()
        shutil.rmtree(self._rest.folder, ignore_errors=True)


class Brought(SharedReader):
    """A SharedReader whose files are in a folder of their own."""

    def __init__(
        self,
        openers: Mapping[str, Callable[[], LedgerReader]],
        lineage: str | None,
        suppressed: frozenset[bytes],
        folder: Path,
        left: Callable[[], None],
    ) -> None:
        super().__init__(openers, lineage, suppressed)
        self._folder, self._left = folder, left

    def close(self) -> None:
        """Close what is open, and remove it. May be called twice."""
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._left()
