"""A project that is open for writing: its declarations, its ledger and the lock on it. It decides nothing."""

from __future__ import annotations

import secrets
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from reconciler.core.digest import Digests
    from reconciler.core.model import Connection, Declarations
    from reconciler.core.ports import Clock, Ledger
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

    def lock(self, folder: Path, wait: float) -> AbstractContextManager[object]:
        """Take the right to write."""
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
def opened(shop: Shop, lock_timeout: float) -> Iterator[Opened]:
    """Take the lock and open the ledger, both until the end. Raises InvalidDeclarations, StateError, SecretMissing."""
    declarations = shop.declarations()
    folder = shop.state_folder(declarations)
    with shop.lock(folder, lock_timeout):
        digests, key = shop.digests(folder, make=True)
        assert key is not None
        with closing(shop.ledger(folder, key)) as ledger:
            yield Opened(declarations, digests, ledger, shop.outside(declarations))


def run_id(started: dt.datetime) -> str:
    """Name a run by its start, and so that no two are alike."""
    return f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
