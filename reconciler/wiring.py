"""One table of names: kind to source, destination and store; the only reader of the environment.

What is heavy is imported where it is used: a command that only prints its help must not wait for an engine.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import os
import random
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.clock import SystemClock
from reconciler.core.custody import TERM
from reconciler.core.errors import ReconcilerError, SecretMissing, SourceError
from reconciler.doors import Doors
from reconciler.flow.outside import Outside
from reconciler.secret import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reconciler.core.model import Connection, Declarations, SecretRef
    from reconciler.core.model import Source as DeclaredSource
    from reconciler.core.notify import Notify
    from reconciler.core.ports import Clock, Destination, LedgerReader, Source, Wire
    from reconciler.notices import Webhook
    from reconciler.pace import Pace

SOURCES = {
    "files": "reconciler.sources.files:open_source",
    "dataverse": "reconciler.sources.dataverse:open_source",
    "spark": "reconciler.sources.spark:open_source",
}
LIBRARIES = {"azure"}
"""Of the kinds of source that need an extra, which is called as the kind is."""
DESTINATIONS = {"autopilot": "reconciler.destinations.autopilot:open_autopilot"}
WIRES = {"autopilot": "reconciler.destinations.autopilot_wire:AutopilotWire"}


def _named(table: Mapping[str, str], kind: str) -> Any:
    """Import what a row of a table names."""
    module, _, name = table[kind].partition(":")
    return getattr(importlib.import_module(module), name)


class Workshop(Doors):
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
        super().__init__(root, os.environ if environ is None else environ, clock or SystemClock(), term)
        self.stop = stop
        self._paces: dict[str, Pace] = {}

    def declarations(self) -> Declarations:
        """Load what is declared. Raises InvalidDeclarations."""
        from reconciler.manifest.load import load  # ruamel and pydantic take 0.15 s

        return load(self.root)

    def moved(self, url: str) -> Workshop:
        """Give the same project with its state elsewhere. Raises StateError for a URL of no form that there is."""
        return _Moved(self.root, self.environ, self.clock, self.stop, self.term, url)

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
            erased=lambda: self.erased(declarations),
        )

    def source(self, source: DeclaredSource, declarations: Declarations) -> Source:
        """Open a source. Raises SourceError."""
        from reconciler.sources.surroundings import Surroundings  # with the engines, not needed for help

        around = Surroundings(
            root=self.root,
            roots=tuple((self.root / root).resolve() for root in declarations.project.data_roots),
            environ=self.environ,
            clock=self.clock,
            secret=lambda ref: self._secret(ref, source.name),
            stop=self._halted,
        )
        try:
            opened: Source = _named(SOURCES, source.type)(source, around)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in LIBRARIES:
                raise
            extra = f"pip install 'reconciler[{source.type}]'"
            raise SourceError(f"{source.name}: sources of the type {source.type} need a library: {extra}") from None
        return opened

    def _secret(self, ref: SecretRef, source: str) -> str:
        """Fetch a source's secret; one that is missing stops what reads that source, and nothing else."""
        try:
            return resolve(ref, self.root, self.environ, f"secret of the source {source}")
        except SecretMissing as error:
            raise SourceError(str(error)) from None

    def wire(self, connection: Connection) -> Wire:
        """Give the wire form of a connection's destination."""
        wire: Wire = _named(WIRES, connection.type)()
        return wire

    def check_key(self, connection: Connection) -> None:
        """Raise SecretMissing when the connection's key cannot be had."""
        resolve(connection.api_key, self.root, self.environ)

    def destination(self, connection: Connection) -> Destination:
        """Open an account. One pace for each API key, the slowest of those that share it. Raises SecretMissing."""
        from reconciler.pace import Pace

        key = resolve(connection.api_key, self.root, self.environ)
        mark = hashlib.sha256(key.encode()).hexdigest()
        # Connections are opened side by side: of two paces for one key, the first to be noted is the one
        pace = self._paces.setdefault(mark, Pace(connection.rate, self.clock, self._halted))
        pace.slow_to(connection.rate)
        rng = random.SystemRandom()
        opened: Destination = _named(DESTINATIONS, connection.type)(connection.base_url, key, pace, self.clock, rng)
        return opened

    def webhook(self, target: Notify) -> Webhook:
        """Open where alerts go. Raises SecretMissing, and ReconcilerError for a URL of no form that there is."""
        from reconciler.notices import open_webhook  # not needed for help

        return open_webhook(resolve(target.url, self.root, self.environ, "webhook's URL"))

    def _halted(self) -> bool:
        """Tell whether no more may be sent: the run is to end, or another has taken its place."""
        return self.stop() or (self._lock is not None and self._lock.lost())

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


class _Moved(Workshop):
    """A project whose state is to be elsewhere than is declared."""

    def __init__(  # as the other, and where
        self,
        root: Path,
        environ: Mapping[str, str],
        clock: Clock,
        stop: Callable[[], bool],
        term: float,
        url: str,
    ) -> None:
        super().__init__(root, environ, clock, stop, term)
        self._url = url

    def declarations(self) -> Declarations:
        found = super().declarations()
        return replace(found, project=replace(found.project, state_url=self._url))


ALLOCATIONS = 1_000_000
"""Objects made between two searches for cycles, instead of 700: people are tuples without cycles, and come in 100,000s,
so that the searches found nothing and took a quarter of the time of a plan."""


def workshop(folder: str, stop: Callable[[], bool] = lambda: False) -> Workshop:
    """Open a project's folder. Raises ReconcilerError when it is none."""
    root = Path(folder)
    if not root.is_dir():
        raise ReconcilerError(f"{folder}: there is no such folder; -C names the one that holds exports/")
    gc.set_threshold(ALLOCATIONS, 20, 50)
    return Workshop(root, stop=stop)
