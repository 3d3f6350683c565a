"""A project that is open for writing: its declarations, its ledger and the lock on it. It decides nothing."""

from __future__ import annotations

import secrets
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from reconciler.core.shards import WHOLE

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from reconciler.core.digest import Digests
    from reconciler.core.model import Connection, Declarations
    from reconciler.core.ports import Clock, Ledger
    from reconciler.core.shards import Shard
    from reconciler.flow.outside import Outside


class Shop(Protocol):
    """What a writer is given: openers of everything that a run needs."""

    @property
    def clock(self) -> Clock:
        """The clock."""
        ...

    @property
    def stop(self) -> Callable[[], bool]:
        """Whether the run is to end."""
        ...

    def declarations(self) -> Declarations:
        """Load what is declared."""
        ...

    def state_folder(self, declarations: Declarations | None = None) -> Path:
        """Give the folder that holds the state."""
        ...

    def lock(
        self,
        folder: Path,
        wait: float,
        names: Mapping[str, str | None],
        *,
        every: bool,
        among: Callable[[str], bool] = ...,
    ) -> AbstractContextManager[object]:
        """Take the right to write what is recorded of these connections (former name by name), or of `every` one.

        `among`: only recorded connections of which it is true are read or written, by their recorded name.
        """
        ...

    def digests(self, folder: Path, *, make: bool) -> tuple[Digests, bytes | None]:
        """Give the digests, and the key that they are under."""
        ...

    def ledger(self, folder: Path, key: bytes) -> Ledger:
        """Open the ledger."""
        ...

    def check_key(self, connection: Connection) -> None:
        """Raise SecretMissing when the connection's key cannot be had."""
        ...

    def outside(self, declarations: Declarations) -> Outside:
        """Give the openers of sources and destinations."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """What a writer works with while it holds the lock."""

    declarations: Declarations
    digests: Digests
    ledger: Ledger
    outside: Outside


@contextmanager
def opened(shop: Shop, lock_timeout: float, exports: tuple[str, ...] = (), shard: Shard = WHOLE) -> Iterator[Opened]:
    """Take the lock and open the ledger, both until the end; `exports`, in `shard`, are the only ones that will run.

    Raises InvalidDeclarations, StateError, SecretMissing.
    """
    declarations = shop.declarations()
    folder = shop.state_folder(declarations)
    names, every, among = reach(declarations, exports, shard)
    with shop.lock(folder, lock_timeout, names, every=every, among=among):
        digests, key = shop.digests(folder, make=True)
        assert key is not None
        with closing(shop.ledger(folder, key)) as ledger:
            yield Opened(declarations, digests, ledger, shop.outside(declarations))


class Reach(NamedTuple):
    """The connections that a run is about: each with its former name, whether all that are recorded are too.

    `among` tells whether what is recorded under a name is to be read at all.
    """

    names: Mapping[str, str | None]
    every: bool
    among: Callable[[str], bool]

    @property
    def only(self) -> frozenset[str] | None:
        """The names that it is recorded under; None: any."""
        return None if self.every else frozenset(self.names)


def reach(declarations: Declarations, exports: tuple[str, ...], shard: Shard) -> Reach:
    """Say which connections a run of these exports, or of all, is about in this shard.

    An export that is asked for and not declared may be recorded anywhere.
    """
    declared = [declarations.exports[name] for name in exports if name in declarations.exports]
    every = not exports or len(declared) < len(exports)
    used = declarations.connections if every else {e.connection for e in declared if e.connection is not None}
    names = {name: declarations.connections[name].previous_name for name in used if shard.holds(name)}
    mine = shard.recorded(declarations.connections)
    if every:
        return Reach(names, every, mine)
    known = {name for pair in names.items() for name in pair}
    return Reach(names, every, lambda name: name in known and mine(name))


def run_id(started: dt.datetime) -> str:
    """Name a run by its start, and so that no two are alike."""
    return f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
