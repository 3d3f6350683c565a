"""One table of names: kind to source, destination and store; the only reader of the environment.

What is heavy is imported where it is used: a command that only prints its help must not wait for an engine.
"""

from __future__ import annotations

import gc
import getpass
import hashlib
import importlib
import os
import random
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.clock import SystemClock
from reconciler.core.custody import TERM
from reconciler.core.errors import ReconcilerError
from reconciler.flow.outside import Outside
from reconciler.secret import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from reconciler.core.custody import Holder
    from reconciler.core.digest import Digests
    from reconciler.core.model import Connection, Declarations
    from reconciler.core.model import Source as DeclaredSource
    from reconciler.core.ports import Clock, Destination, Ledger, LedgerReader, Source, Wire
    from reconciler.pace import Pace
    from reconciler.state.custody import Custody
    from reconciler.state.lock import Lock

SOURCES = {"files": "reconciler.sources.files:FilesSource"}
DESTINATIONS = {"autopilot": "reconciler.destinations.autopilot:open_autopilot"}
WIRES = {"autopilot": "reconciler.destinations.autopilot_wire:AutopilotWire"}


def _named(table: Mapping[str, str], kind: str) -> Any:
    """Import what a row of a table names."""
    module, _, name = table[kind].partition(":")
    return getattr(importlib.import_module(module), name)


def _user() -> str:
    """Say who runs this; a container may have no name for its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


class Workshop:
    """Opens everything for one project. `stop` is asked by every wait, so that a run can be ended in good order.

    `term` is how many seconds the lock stays with a process that does not renew it.
    """

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        stop: Callable[[], bool] = lambda: False,
        term: float = TERM,
    ) -> None:
        self.root = root
        self.environ = os.environ if environ is None else environ
        self.clock = clock or SystemClock()
        self.stop = stop
        self.term = term
        self._paces: dict[str, Pace] = {}
        self._lock: Lock | None = None

    def declarations(self) -> Declarations:
        """Load what is declared. Raises InvalidDeclarations."""
        from reconciler.manifest.load import load  # ruamel and pydantic take 0.15 s

        return load(self.root)

    def state_folder(self, declarations: Declarations | None = None) -> Path:
        """Give the folder that holds `.reconciler/`."""
        url = declarations.project.state_url if declarations else None
        return self.root if url is None else self.root / url.removeprefix("file:")

    def digests(self, folder: Path, *, make: bool) -> tuple[Digests, bytes | None]:
        """Give the digests under the state key; `make` generates the key at first use.

        Without a key nothing can be recorded, so a plan's digests are compared with nothing and any key will do.
        """
        from reconciler.core.digest import Digests
        from reconciler.state.key import load_key, make_key  # sqlite3 is not needed for help

        key = make_key(folder, self.environ) if make else load_key(folder, self.environ)
        return Digests(key), key

    def reader(self, folder: Path, key: bytes | None) -> LedgerReader:
        """Open what is recorded, without writing. Raises StateError."""
        from reconciler.state.place import open_reader  # sqlite3 is not needed for help

        return open_reader(folder, key)

    @contextmanager
    def recorded(self, declarations: Declarations) -> Iterator[LedgerReader]:
        """Open what is recorded for these declarations, and close it. Raises StateError, SecretMissing."""
        folder = self.state_folder(declarations)
        _, key = self.digests(folder, make=False)
        with closing(self.reader(folder, key)) as reader:
            yield reader

    def commit(self) -> str | None:
        """Give the commit that is checked out, if git can tell."""
        from reconciler.revisions import Repository  # subprocess is not needed for help

        try:
            return Repository(self.root, self.environ).commit("HEAD", "HEAD")
        except ReconcilerError:
            return None

    def lock(self, folder: Path, wait: float) -> AbstractContextManager[object]:
        """Take the right to write; freed by itself when this process ends. Raises StateLocked.

        From then on nothing is recorded and nothing is sent once it is lost.
        """
        from reconciler.state.lock import acquire  # not needed for help

        self._lock = acquire(folder, who=_user(), clock=self.clock, wait=wait, term=self.term)
        return self._lock

    def holder(self, folder: Path) -> Holder | None:
        """Say who holds the lock; None when nobody does. Raises StateError."""
        from reconciler.state.lock import holder

        return holder(folder, self.clock)

    def unlock(self, folder: Path, token: str) -> None:
        """Take the lock from whom `token` names. Raises StateError when somebody else holds it now."""
        from reconciler.state.lock import unlock

        unlock(folder, token, self.clock.sleep)

    def custody(self, folder: Path) -> Custody:
        """Give what looks after the ledger. Raises SecretMissing when its key is gone."""
        from reconciler.state.custody import Custody  # sqlite3 is not needed for help
        from reconciler.state.key import load_key

        return Custody(folder, load_key(folder, self.environ), self.clock)

    def ledger(self, folder: Path, key: bytes) -> Ledger:
        """Open the ledger for writing; the caller holds the lock. Raises StateError."""
        from reconciler.state.place import open_ledger  # sqlite3 is not needed for help

        return open_ledger(folder, key, guard=self._lock.check if self._lock else lambda: None)

    def outside(self, declarations: Declarations) -> Outside:
        """Give the flow its openers."""
        from reconciler.addresses import AddressBook  # email-validator takes 0.05 s
        from reconciler.timetable import scheduled  # cronsim is not needed for help

        return Outside(
            source=lambda source: self.source(source, declarations),
            wire=self.wire,
            destination=self.destination,
            addresses=AddressBook(),
            clock=self.clock,
            calendar=scheduled,
            suppressed=lambda: self._suppressed(declarations),
            erased=lambda: self._erased(declarations),
        )

    def source(self, source: DeclaredSource, declarations: Declarations) -> Source:
        """Open a source. Raises SourceError."""
        roots = tuple((self.root / root).resolve() for root in declarations.project.data_roots)
        opened: Source = _named(SOURCES, source.type)(source, self.root, roots)
        return opened

    def wire(self, connection: Connection) -> Wire:
        """Give the wire form of a connection's destination."""
        wire: Wire = _named(WIRES, connection.type)()
        return wire

    def check_key(self, connection: Connection) -> None:
        """Raise SecretMissing when the connection's key cannot be had."""
        resolve(connection.api_key, self.root, self.environ)

    def destination(self, connection: Connection) -> Destination:
        """Open an account. One pace for each API key, whatever connections share it. Raises SecretMissing."""
        from reconciler.pace import Pace

        key = resolve(connection.api_key, self.root, self.environ)
        mark = hashlib.sha256(key.encode()).hexdigest()
        if mark not in self._paces:
            self._paces[mark] = Pace(connection.rate, self.clock, self._halted)
        rng = random.SystemRandom()
        opened: Destination = _named(DESTINATIONS, connection.type)(
            connection.base_url, key, self._paces[mark], self.clock, rng
        )
        return opened

    def _halted(self) -> bool:
        """Tell whether no more may be sent: the run is to end, or another has taken its place."""
        return self.stop() or (self._lock is not None and self._lock.lost())

    def _erased(self, declarations: Declarations) -> frozenset[bytes]:
        """Read whom `forget` erased. Raises StateError."""
        from reconciler.state.suppressed import read  # sqlite3 is not needed for help

        return read(self.state_folder(declarations))

    def _suppressed(self, declarations: Declarations) -> tuple[tuple[str, str], ...]:
        """Read the file of addresses and digests that no export may send; it fails closed."""
        name = declarations.project.suppressions
        if name is None:
            return ()
        try:
            lines = (self.root / name).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError):
            raise ReconcilerError(
                f"{name}: the suppressions cannot be read, so nothing is sent; is it there?"
            ) from None
        entries = ((f"{name}:{number}", line.strip()) for number, line in enumerate(lines, 1))
        return tuple((place, text) for place, text in entries if text and not text.startswith("#"))


ALLOCATIONS = 50_000
"""Objects made between two searches for cycles, instead of 700: people are tuples without cycles, and come in 100,000s,
so that the searches found nothing and took a quarter of the time of a plan."""


def workshop(folder: str, stop: Callable[[], bool] = lambda: False) -> Workshop:
    """Open a project's folder. Raises ReconcilerError when it is none."""
    root = Path(folder)
    if not root.is_dir():
        raise ReconcilerError(f"{folder}: there is no such folder; -C names the one that holds exports/")
    gc.set_threshold(ALLOCATIONS, 20, 50)
    return Workshop(root, stop=stop)
