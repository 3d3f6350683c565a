"""The outside world on one page: what the core and the flow ask of sources, destinations, the ledger and the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciler.core.model import FieldMatch, Segment
    from reconciler.core.record import (
        Claim,
        ExportRun,
        Identity,
        Intent,
        RecordedExport,
        RecordedList,
        Reject,
        Run,
        RunStatus,
    )

    Rows = Sequence["Row"]

Row = tuple[object, ...]
"""(profile id as text, mask of segments, value of each wanted column…); bit i of the mask is set when the profile is in
the i-th wanted segment. Values are str, int, float, Decimal, bool, date, datetime or None."""


class Source(Protocol):
    """Reads profiles. Nothing is written, and nothing but members and the wanted columns leaves the engine."""

    def columns(self) -> Mapping[str, str]:
        """Give each column of the profile table and its engine type. Raises SourceError."""
        ...

    def check(self, segment: Segment) -> None:
        """Refuse what is not one boolean expression over the columns. Raises PredicateRefused, SourceError."""
        ...

    def members(self, segments: Sequence[Segment], columns: Sequence[str], *, apart: bool = False) -> Iterator[Rows]:
        """Stream in chunks who is in one of `segments`, past what breaks a predicate if `apart`. Raises SourceError."""
        ...

    def count(self, segments: Sequence[Segment]) -> int:
        """Count the distinct profiles in at least one of `segments`. Raises SourceError."""
        ...

    def recognises(self, segment: Segment) -> bool:
        """Tell whether the source knows the segment at all; one that is missing is not one that is empty."""
        ...

    def mark(self, segments: Sequence[Segment]) -> str | None:
        """Tell apart what `members` would read, alike on every machine; None: it cannot. Raises SourceError."""
        ...

    def snapshot(self, segments: Sequence[Segment]) -> str:
        """Say in a line without personal data which data `members` has read: a version, a time. Raises SourceError."""
        ...

    def close(self) -> None:
        """Give the engine's memory back. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """One person as it goes out: the ledger's key, the address, and canonical JSON of the contact without a list."""

    key: bytes
    email: str
    contact: bytes


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a batch: contact ids by key for whom the destination named, reasons by key for all others."""

    accepted: Mapping[bytes, str] = field(default_factory=dict)
    rejected: Mapping[bytes, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """What a key opens; for `connect`."""

    instance: str
    name: str


class DestinationReader(Protocol):
    """Asks, and changes nothing. Every method raises Unauthorized, Refused, NotFound or Unavailable."""

    def account(self) -> Account:
        """Test the key in the cheapest way."""
        ...

    def lists(self) -> Mapping[str, tuple[str, ...]]:
        """Give the ids of the lists by title, ascending: a title may exist twice."""
        ...

    def members(self, list_id: str) -> Iterator[Sequence[tuple[str, str]]]:
        """Stream a list's members, page by page: (contact id, address lower-cased or empty)."""
        ...

    def on_list(self, list_id: str, contact: str) -> bool:
        """Tell whether a contact, by id or address, is on the list."""
        ...

    def known(self, contact: str) -> bool:
        """Tell whether there is a contact of this id or address."""
        ...


class Destination(DestinationReader, Protocol):
    """Writes. A write that raised Unavailable may have been carried out; every write may be repeated."""

    def make_list(self, title: str) -> str:
        """Find the list of this title or make it, and give its id. Never makes a second one knowingly."""
        ...

    def push(self, items: Sequence[Item], list_id: str | None) -> Pushed:
        """Create or update 1 to 100 contacts in bulk; with `list_id` each item also asks to be put on that list.

        A batch that is refused for a row is halved until the row stands alone.
        """
        ...

    def put(self, item: Item, list_id: str) -> Pushed:
        """Create or update one contact and put it on one list, in one request."""
        ...

    def join(self, list_id: str, contact_id: str) -> None:
        """Put a known contact on a list. NotFound says which of the two is gone."""
        ...

    def leave(self, list_id: str, contact_id: str) -> None:
        """Take a contact off a list. A contact or list that is gone, or a membership that is not there, is success."""
        ...

    def erase(self, contact: str) -> bool:
        """Delete a contact, by id or address, which takes it off every list; False: there is none any more."""
        ...

    def requests(self) -> int:
        """How many requests were sent so far, repetitions included."""
        ...

    def close(self) -> None:
        """Close the kept-alive connections. May be called twice."""
        ...


class Addresses(Protocol):
    """Judges addresses."""

    def __call__(self, raw: str) -> str | None:
        """Give the address as it is sent (trimmed, lower-cased), or None when it is not one."""
        ...


class Wire(Protocol):
    """How a destination writes a contact: pure, and needs no key."""

    def field(self, match: FieldMatch) -> tuple[str, ...]:
        """Give the path of keys in the contact under which the field is sent, such as ("custom", "string--Tier")."""
        ...


class ClaimWrite(NamedTuple):
    """One claim as it now stands. `digest` None: the export holds the person no more."""

    export: int
    key: bytes
    digest: bytes | None
    slots: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What is written in one transaction: all of it, or none.

    `contacts` maps a key to Autopilot's contact id, or to None when no export holds the person any more. `intents` are
    people about to be sent, `settled` the (serial, number) of requests that are in doubt no more.
    """

    claims: Sequence[ClaimWrite] = ()
    contacts: Mapping[bytes, str | None] = field(default_factory=dict)
    intents: Sequence[Intent] = ()
    settled: Sequence[tuple[int, int]] = ()
    rejects: Sequence[Reject] = ()


class LedgerReader(Protocol):
    """Reads the recorded state. Nothing here writes. Raises StateError."""

    def identity(self) -> Identity | None:
        """Say which ledger this is; None when nothing was ever recorded."""
        ...

    def connections(self) -> tuple[str, ...]:
        """Name every connection that has recorded exports."""
        ...

    def exports(self, connection: str) -> tuple[RecordedExport, ...]:
        """Give the recorded exports of a connection, by number."""
        ...

    def lists(self, connection: str) -> tuple[RecordedList, ...]:
        """Give the known lists of a connection, by slot."""
        ...

    def claims(self, connection: str) -> Iterator[Claim]:
        """Stream every claim of a connection, ascending by (key, export)."""
        ...

    def contact_ids(self, connection: str, keys: Iterable[bytes]) -> dict[bytes, str]:
        """Give the contact ids of those keys that have one."""
        ...

    def bulk_lists(self, connection: str) -> bool | None:
        """Tell whether bulk items may carry a list, as found out; None: not known yet."""
        ...

    def foreign(self, connection: str) -> dict[bytes, frozenset[int]]:
        """Give the slots of the lists that people were on before we came, by key: never ours to remove."""
        ...

    def doubtful(self, connection: str) -> tuple[Intent, ...]:
        """Give what was begun and never settled, by (serial, number, export): a run was cut off."""
        ...

    def rejected(self, connection: str) -> frozenset[bytes]:
        """Give everybody whom the destination did not take, as far as runs remember: they may be on a list unnamed."""
        ...

    def suppressed(self) -> frozenset[bytes]:
        """Give the keys of those who were erased: no export of any connection sends them again."""
        ...

    def erasures(self) -> dict[str, dict[bytes, str | None]]:
        """Give whose erasure is not finished, by connection, with the contact ids, as far as they are known."""
        ...

    def runs(self, export: str | None = None, limit: int = 50) -> tuple[Run, ...]:
        """Give past runs, the newest first; a run cut off is INTERRUPTED."""
        ...

    def run(self, run_id: str) -> tuple[Run, tuple[Reject, ...]]:
        """Give one run, by its id or a beginning that is not ambiguous, with whom Autopilot refused."""
        ...

    def used_by(self, seal: str) -> str | None:
        """Give the id of the run that used the saved plan of this seal up; None: no run that is remembered."""
        ...

    def close(self) -> None:
        """Close it. May be called twice."""
        ...


class Ledger(LedgerReader, Protocol):
    """Writes the state. Each method is one durable transaction: when it returns, it is on disk, or wherever it is kept.

    `far`: writing it takes a journey, so what is about to be sent is written in larger portions.
    """

    far: bool

    def rename_connection(self, old: str, new: str) -> None:
        """Keep what is recorded under a new name; nothing is lost."""
        ...

    def rename_export(self, connection: str, old: str, new: str) -> None:
        """Keep what is recorded under a new name; nothing is lost."""
        ...

    def save_export(self, connection: str, export: RecordedExport) -> None:
        """Record an export's settings and segments, under its number; `people` is not taken from here."""
        ...

    def drop_export(self, connection: str, number: int) -> None:
        """Forget an export that has no claims left, or whose people are kept where they are."""
        ...

    def save_list(self, connection: str, entry: RecordedList) -> None:
        """Record a list under its slot."""
        ...

    def save_foreign(self, connection: str, slot: int, keys: Sequence[bytes]) -> None:
        """Remember who was on a list before we came; may be called several times for one list."""
        ...

    def drop_foreign(self, connection: str, slot: int, keys: Sequence[bytes]) -> None:
        """Forget that these were on a list before us: they are there no more."""
        ...

    def adopt(self, connection: str, export: RecordedExport, entry: RecordedList, batch: Acknowledged) -> None:
        """Record an export, a list that exists, and its members as ours, whoever put them there: all of it, or none."""
        ...

    def suppress(self, key: bytes, connections: Iterable[str]) -> None:
        """Never send this person again, and note that the erasure in these connections is to be finished."""
        ...

    def erased(self, connection: str, key: bytes) -> None:
        """Remove every row about a person in this connection: the erasure is finished there."""
        ...

    def drop_list(self, connection: str, slot: int) -> None:
        """Forget a list that vanished, and its slot in every claim and segment: another list may be given it."""
        ...

    def save_bulk_lists(self, connection: str, *, works: bool) -> None:
        """Remember whether bulk items may carry a list."""
        ...

    def commit(self, connection: str, batch: Acknowledged) -> None:
        """Record what was acknowledged, and what is about to be sent."""
        ...

    def start(self, run: Run) -> None:
        """Open a run in the history, and use its saved plan up; the serial grows."""
        ...

    def finish(
        self, run_id: str, *, ended: dt.datetime, status: RunStatus, requests: int, exports: Sequence[ExportRun]
    ) -> None:
        """Close a run in the history."""
        ...


class Clock(Protocol):
    """Time comes in as an argument."""

    def now(self) -> dt.datetime:
        """Give the time, with its zone (UTC)."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
