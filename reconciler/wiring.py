"""One table of names: kind to source, destination and store; the only reader of the environment.

What is heavy is imported where it is used: a command that only prints its help must not wait for an engine.
"""

from __future__ import annotations

import getpass
import hashlib
import importlib
import os
import random
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.clock import SystemClock
from reconciler.core.errors import ReconcilerError
from reconciler.flow.outside import Outside
from reconciler.secret import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from reconciler.core.digest import Digests
    from reconciler.core.model import Connection, Declarations
    from reconciler.core.model import Source as DeclaredSource
    from reconciler.core.ports import Clock, Destination, Ledger, LedgerReader, Source, Wire
    from reconciler.pace import Pace

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
    """Opens everything for one project. `stop` is asked by every wait, so that a run can be ended in good order."""

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.root = root
        self.environ = os.environ if environ is None else environ
        self.clock = clock or SystemClock()
        self.stop = stop
        self._paces: dict[str, Pace] = {}

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
        return Digests(key or bytes(32)), key

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

    def lock(self, folder: Path, wait: float) -> AbstractContextManager[object]:
        """Take the right to write; freed by itself when this process ends. Raises StateLocked."""
        from reconciler.state.lock import acquire

        return acquire(folder, who=_user(), now=self.clock.now(), wait=wait, sleep=self.clock.sleep)

    def ledger(self, folder: Path, key: bytes) -> Ledger:
        """Open the ledger for writing; the caller holds the lock. Raises StateError."""
        from reconciler.state.place import open_ledger  # sqlite3 is not needed for help

        return open_ledger(folder, key)

    def outside(self, declarations: Declarations) -> Outside:
        """Give the flow its openers."""
        from reconciler.addresses import AddressBook  # email-validator takes 0.05 s

        return Outside(
            source=lambda source: self.source(source, declarations),
            wire=self.wire,
            destination=self.destination,
            addresses=AddressBook(),
            clock=self.clock,
            suppressed=lambda: self._suppressed(declarations),
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

    def destination(self, connection: Connection) -> Destination:
        """Open an account. One pace for each API key, whatever connections share it. Raises SecretMissing."""
        from reconciler.pace import Pace

        key = resolve(connection.api_key, self.root, self.environ)
        mark = hashlib.sha256(key.encode()).hexdigest()
        if mark not in self._paces:
            self._paces[mark] = Pace(connection.rate, self.clock, self.stop)
        rng = random.SystemRandom()
        opened: Destination = _named(DESTINATIONS, connection.type)(
            connection.base_url, key, self._paces[mark], self.clock, rng
        )
        return opened

    def _suppressed(self, declarations: Declarations) -> tuple[str, ...]:
        """Read the file of addresses and digests that no export may send; it fails closed."""
        name = declarations.project.suppressions
        if name is None:
            return ()
        try:
            lines = (self.root / name).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            raise ReconcilerError(
                f"{name}: the suppressions cannot be read, so nothing is sent; is it there?"
            ) from None
        return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def workshop(folder: str, stop: Callable[[], bool] = lambda: False) -> Workshop:
    """Open a project's folder. Raises ReconcilerError when it is none."""
    root = Path(folder)
    if not root.is_dir():
        raise ReconcilerError(f"{folder}: there is no such folder; -C names the one that holds exports/")
    return Workshop(root, stop=stop)
