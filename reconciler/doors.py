"""Opens the state of a project wherever it is kept: in a folder, or in a store that machines share.

It decides which of the two a declared `state.url` means. What is heavy is imported where it is used.
"""

from __future__ import annotations

import getpass
import os
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from reconciler.core.custody import Holder
    from reconciler.core.digest import Digests
    from reconciler.core.model import Declarations
    from reconciler.core.ports import Clock, Ledger, LedgerReader
    from reconciler.state.custody import Custody
    from reconciler.state.lock import Lock
    from reconciler.state.shared.custody import SharedCustody
    from reconciler.state.shared.lease import Tenancy
    from reconciler.state.shared.place import SharedState

HOME = ".reconciler"
"""Where the state is kept, or what is brought of it, below the project's folder."""


def _user() -> str:
    """Say who runs this; a container may have no name for its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _any(_: str) -> bool:
    return True


class Doors:
    """The way into the state of one project. `term`: seconds that the lock stays with who does not renew it."""

    def __init__(self, root: Path, environ: Mapping[str, str], clock: Clock, term: float) -> None:
        self.root, self.environ, self.clock, self.term = root, environ, clock, term
        self._lock: Lock | Tenancy | None = None
        self._shared: dict[Path, SharedState] = {}

    def state_folder(self, declarations: Declarations | None = None) -> Path:
        """Give the folder that holds `.reconciler/`; of a state that is shared, the one that stands for it here."""
        url = declarations.project.state_url if declarations else None
        if url is None or "://" not in url:
            return self.root if url is None else self.root / url.removeprefix("file:")
        from reconciler.state.shared.place import SharedState  # sqlite3 is not needed for help
        from reconciler.state.stores.open import open_store

        place = self.root / HOME / "shared"
        if place not in self._shared:
            self._shared[place] = SharedState(
                lambda writing: open_store(url, self.environ, self.root, writing=writing),
                self.root,
                self.environ,
                self.clock,
            )
        return place

    def digests(self, folder: Path, *, make: bool) -> tuple[Digests, bytes | None]:
        """Give the digests under the state key; `make` generates the key at first use.

        Without a key nothing can be recorded, so a plan's digests are compared with nothing and any key will do.
        """
        from reconciler.core.digest import Digests
        from reconciler.state.key import load_key, make_key  # sqlite3 is not needed for help

        if folder in self._shared:
            shared = self._shared[folder].key()
            return Digests(shared), shared
        key = make_key(folder, self.environ) if make else load_key(folder, self.environ)
        return Digests(key), key

    def reader(
        self,
        folder: Path,
        key: bytes | None,
        among: Callable[[str], bool] = _any,
        only: Collection[str] | None = None,
    ) -> LedgerReader:
        """Open what is recorded, without writing. Raises StateError.

        Where the state is kept by connection, of those of which `among` is true, by their recorded name; `only`: what
        these are called now, where no others are wanted.
        """
        from reconciler.state.place import open_reader  # sqlite3 is not needed for help

        return self._shared[folder].reader(among, only) if folder in self._shared else open_reader(folder, key)

    def lock(
        self,
        folder: Path,
        wait: float,
        names: Mapping[str, str | None] = MappingProxyType({}),
        *,
        every: bool = True,
        among: Callable[[str], bool] = _any,
    ) -> AbstractContextManager[object]:
        """Take the right to write; freed by itself when this process ends. Raises StateLocked.

        Where the state is kept by connection: of these (former name by name), and of `every` one that is recorded, as
        far as `among` is true of its recorded name; of others nothing is brought here.
        From then on nothing is recorded and nothing is sent once it is lost.
        """
        from reconciler.state.lock import acquire  # not needed for help

        if folder in self._shared:
            shared = self._shared[folder]
            self._lock = shared.lock(names, every=every, among=among, who=_user(), wait=wait, term=self.term)
        else:
            self._lock = acquire(folder, who=_user(), clock=self.clock, wait=wait, term=self.term)
        return self._lock

    def holders(self, folder: Path) -> tuple[Holder, ...]:
        """Say who holds the lock; nobody, or one, or one for each connection. Raises StateError."""
        from reconciler.state.lock import holder

        if folder in self._shared:
            found = {each.token: each for _, each in self._shared[folder].holders()}
            self._shared[folder].close()
            return tuple(found.values())
        one = holder(folder, self.clock)
        return () if one is None else (one,)

    def unlock(self, folder: Path, token: str) -> None:
        """Take the lock from whom `token` names. Raises StateError when somebody else holds it now."""
        from reconciler.state.lock import unlock

        if folder in self._shared:
            self._shared[folder].unlock(token)
            self._shared[folder].close()
        else:
            unlock(folder, token, self.clock.sleep)

    def custody(self, folder: Path) -> Custody | SharedCustody:
        """Give what looks after the ledger. Raises SecretMissing when its key is gone."""
        if folder in self._shared:
            from reconciler.state.shared.custody import SharedCustody

            return SharedCustody(self._shared[folder], self.clock)
        from reconciler.state.custody import Custody  # sqlite3 is not needed for help
        from reconciler.state.key import load_key

        return Custody(folder, load_key(folder, self.environ), self.clock)

    def ledger(self, folder: Path, key: bytes) -> Ledger:
        """Open the ledger for writing; the caller holds the lock. Raises StateError."""
        from reconciler.state.place import open_ledger  # sqlite3 is not needed for help

        if folder in self._shared:
            return self._shared[folder].ledger()
        return open_ledger(folder, key, guard=self._lock.check if self._lock else lambda: None)

    def erased(self, declarations: Declarations) -> frozenset[bytes]:
        """Read whom `forget` erased. Raises StateError."""
        from reconciler.state.suppressed import read  # sqlite3 is not needed for help

        folder = self.state_folder(declarations)
        return self._shared[folder].erased() if folder in self._shared else read(folder)
