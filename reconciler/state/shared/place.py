"""Opens the state of a project in a shared store. It decides which connections a run holds, and what is read only."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.errors import SecretMissing, StateError
from reconciler.state.files import HOME, Files
from reconciler.state.key import VARIABLE, load_key
from reconciler.state.place import open_reader
from reconciler.state.shared import lease, project
from reconciler.state.shared.held import Held
from reconciler.state.shared.left import Brought, LeftLedger, Rest
from reconciler.state.shared.shard import FOLDER, Head, Shard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from reconciler.core.custody import Holder
    from reconciler.core.ports import Clock, LedgerReader
    from reconciler.core.store import Store
    from reconciler.state.shared.lease import Tenancy
    from reconciler.state.shared.ledger import SharedLedger
    from reconciler.state.shared.reader import SharedReader


AT_ONCE = 16
"""Questions to a store at the same time: each takes tens of milliseconds, and there may be hundreds of connections."""


class SharedState:
    """The state of one project in one store; `folder` is the project's own, for what is brought here to be used.

    `opener` is told whether the store is going to be written to.
    """

    def __init__(self, opener: Callable[[bool], Store], folder: Path, environ: Mapping[str, str], clock: Clock) -> None:
        self._opener, self._folder, self._environ, self._clock = opener, folder, environ, clock
        self._opened: Store | None = None
        self._writing = False
        self._tenancy: Tenancy | None = None
        self._shards: dict[str, str] = {}
        self._others: dict[str, str] = {}
        self._lineage: str | None = None
        self._erased: frozenset[bytes] | None = None

    @property
    def store(self) -> Store:
        """The store, opened at first use."""
        if self._opened is None:
            self._opened = self._opener(self._writing)
        return self._opened

    def close(self) -> None:
        """Leave the store, unless a lease on it is held. May be called twice; it is opened again when it is used."""
        if self._opened is not None and (self._tenancy is None or self._tenancy.over):
            self._opened.close()
            self._opened = self._erased = None

    def key(self) -> bytes:
        """Give the state key, which for a shared state comes from the environment only. Raises SecretMissing."""
        if VARIABLE not in self._environ:
            raise SecretMissing(
                f"{VARIABLE} is not set: a state that machines share needs one key on all of them, from their secrets; "
                """`python -c "import secrets; print(secrets.token_hex(32))"` makes one"""
            )
        key = load_key(self._folder, self._environ)
        assert key is not None
        return key

    def heads(self, only: Collection[str] | None = None) -> dict[str, Head]:
        """Give what is newest of each connection, by the name of its folder in the store.

        `only`: of these connections. Where each has the folder of its name, no other is asked for.
        """
        folders = self._folders()
        if only is not None and folders.issuperset(only):
            found = self._heads(only)
            if all(head.connection == name for name, head in found.items()):  # and not one that was renamed since
                return found
        return self._heads(folders)

    def _folders(self) -> set[str]:
        return {name.split("/")[1] for name in self.store.names(FOLDER) if name.endswith("/head")}

    def _heads(self, folders: Iterable[str]) -> dict[str, Head]:
        key, names = self.key(), sorted(folders)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(lambda name: Shard(self.store, name, key).head(), names)
            return {name: head[0] for name, head in zip(names, found, strict=True) if head is not None}

    def erased(self) -> frozenset[bytes]:
        """Give the keys of those who were erased in this project, as this run found them."""
        if self._erased is None:
            self._erased = project.erased(self.store, self.key())
        return self._erased

    def reader(
        self, among: Callable[[str], bool] = lambda _: True, only: Collection[str] | None = None
    ) -> SharedReader:
        """Open what is recorded, without writing, in a folder that is gone when it is closed."""
        key, temporary = self.key(), Path(tempfile.mkdtemp(prefix="reconciler-"))
        lineage = project.lineage(self.store, key, make=False)
        heads = {name: head for name, head in self.heads(only).items() if among(head.connection)}
        openers = {head.connection: partial(self._read, name, head, temporary) for name, head in heads.items()}
        return Brought(openers, lineage, self.erased(), temporary, self.close)

    def lock(  # for whom, which, and how long
        self,
        names: Mapping[str, str | None],
        *,
        every: bool,
        who: str,
        wait: float,
        term: float,
        among: Callable[[str], bool] = lambda _: True,
    ) -> Tenancy:
        """Take the leases of these connections, each with its former name; `every`: and of all others recorded.

        What is recorded of connections of which `among` is not true is left alone. Raises StateLocked, StateError.
        """
        if not self._writing:  # a store is tried before it is ever written to
            self._lineage = project.lineage(self.store, self.key(), make=False)
            if self._lineage is None:
                self.close()
                self._writing = True
        everything = self.heads(None if every else names)
        heads = {name: head for name, head in everything.items() if among(head.connection)}
        by_connection = {head.connection: name for name, head in heads.items()}
        shards = {name: head.connection for name, head in heads.items()} if every else {}
        for connection, former in names.items():
            known = next((by_connection[each] for each in (connection, former) if each in by_connection), None)
            shard = known or _spare(connection, everything)
            shards[shard] = heads[shard].connection if shard in heads else connection
        self._shards = shards
        self._others = {name: head.connection for name, head in heads.items() if name not in shards}
        try:
            self._tenancy = lease.taken(
                self.store, list(shards), who=who, clock=self._clock, wait=wait, term=term, left=self.close
            )
        except BaseException:
            self.close()  # nothing is held that would close it at its end
            raise
        return self._tenancy

    def holders(self) -> Iterator[tuple[str, Holder]]:
        """Give who holds the lease of which ledger, by the name of its folder."""
        folders = {name.split("/")[1] for name in self.store.names(FOLDER) if name.endswith("/lock")}
        for name in sorted(folders):
            holder = lease.holder(self.store, name, self._clock)
            if holder is not None:
                yield name, holder

    def unlock(self, token: str) -> None:
        """Take every lease from the holder that `token` names. Raises StateError when it changed hands meanwhile."""
        theirs = [name for name, holder in self.holders() if holder.token == token]
        if not theirs:
            raise StateError("the lock changed hands meanwhile; look again")
        for name in theirs:
            lease.taken_away(self.store, name, token)

    def ledger(self) -> SharedLedger:
        """Open for writing what the lock is held of. Raises StateLocked, StateError."""
        assert self._tenancy is not None
        key = self.key()
        lineage = self._lineage or project.lineage(self.store, key, make=True)
        assert lineage is not None
        Files(self._folder).settle()
        shards, guard, place = sorted(self._shards.items()), self._tenancy.check, self._folder / HOME / "shared"
        opened = [Held(Shard(self.store, name, key), place / name) for name, _ in shards]
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                ledgers = pool.map(lambda one, shard: one.open(shard[1], lineage, guard), opened, shards)
                named = zip(ledgers, shards, strict=True)
                held = {next(iter(ledger.connections()), connection): ledger for ledger, (_, connection) in named}
            temporary = Path(tempfile.mkdtemp(prefix="reconciler-"))
            others = {
                connection: partial(self._read, name, None, temporary) for name, connection in self._others.items()
            }
        except BaseException:
            for one in opened:
                one.close(self._tenancy, (), {})
            raise
        rest = Rest(opened, self._tenancy, temporary)
        return LeftLedger(held, others, lineage, self.erased(), self._suppress, rest)

    def _suppress(self, person: bytes) -> None:
        project.erase(self.store, self.key(), person)
        self._erased = None

    def _read(self, name: str, head: Head | None, folder: Path) -> LedgerReader:
        shard, place = Shard(self.store, name, self.key()), folder / f"{name}.read"
        shard.bring(head or shard.newest(), place)
        holder = lease.holder(self.store, name, self._clock)
        return open_reader(place, self.key(), working=holder is not None and not holder.expired)


def _spare(connection: str, heads: Mapping[str, Head]) -> str:
    """Name the folder of a connection that has none: a connection that was renamed keeps its own."""
    names = (connection, *(f"{connection}.{number}" for number in range(2, len(heads) + 3)))
    return next(name for name in names if name not in heads)
