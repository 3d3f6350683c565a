"""A ledger that a run holds the lease of. It decides when it is opened anew, and what of it may be tidied."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.core.errors import StateError, StateLocked, StoreConflict
from reconciler.state.files import Files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from reconciler.state.ledger import SqliteLedger
    from reconciler.state.shared.lease import Tenancy
    from reconciler.state.shared.shard import Shard

_TRIES = 5


class Held:
    """One connection's ledger, and the folder of this machine where it is used."""

    def __init__(self, shard: Shard, folder: Path) -> None:
        self._shard, self._folder = shard, folder
        self.ledger: SqliteLedger | None = None

    def open(self, connection: str, lineage: str, guard: Callable[[], None]) -> SqliteLedger:
        """Bring it here, or make it, and open it for writing. Raises StateLocked, StateError."""
        for _ in range(_TRIES):
            head = self._shard.head()
            try:
                made = head[0] if head else self._shard.make(self._folder, connection, lineage)
                self.ledger = self._shard.open(self._folder, made, guard)
            except (StoreConflict, StateLocked):  # one that was overtaken wrote its last; look again
                guard()
                continue
            return self.ledger
        raise StateLocked(f"the state of connection {connection} is written by another run")

    def close(self, tenancy: Tenancy, purged: Collection[str], names: Mapping[int, str]) -> None:
        """Leave it as the next run wants to find it, as far as it is still ours."""
        ledger = self.ledger
        if ledger is not None:
            name = names.get(id(ledger), "")
            ledger.close()
            if name and not (ledger.torn or tenancy.lost()):
                with suppress(StateError):  # the log has it all; what cannot be tidied now is tidied later
                    self._shard.leave(Files(self._folder), name, purge=name in purged)
        shutil.rmtree(self._folder, ignore_errors=True)
        self.ledger = None
