"""The nouns of the state: what was acknowledged, what is in doubt, and what each run did. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Identity:
    """Which ledger this is: `lineage` is given at birth, `serial` grows with each run that writes."""

    lineage: str
    serial: int
    format: int


class Claim(NamedTuple):
    """What one export has had acknowledged for one person: keyed digests and list slots, never an address.

    `key` is the keyed digest of the address (16 bytes), `digest` that of what the export sent (16 bytes), `slots` the
    ascending numbers of the lists, within the connection, that the export put the person on.
    """

    key: bytes
    export: int
    digest: bytes
    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RecordedList:
    """A list of a connection: its slot, the title asked for, and Autopilot's id. `made` says that we made it.

    `behind`: the record may be older than the list, so whoever is found there without being recorded is not ours.
    """

    slot: int
    title: str
    list_id: str
    made: bool
    behind: bool = False


@dataclass(frozen=True, slots=True)
class RecordedExport:
    """An export as the last run left it. `number` is its key in claims; `people` is how many claims it holds.

    `segments` maps the segment's name to (title asked for, slot).
    """

    number: int
    name: str
    people: int
    protected: bool = False
    keep_retired: bool = False
    segments: Mapping[str, tuple[str, int]] = field(default_factory=dict)


class Intent(NamedTuple):
    """People about to be sent, for one export and one list, in the request `number` of the run with that serial.

    While it stands, nobody knows whether the request was carried out. `slot` is 0 where no list was asked for.
    """

    serial: int
    number: int
    export: int
    slot: int
    keys: tuple[bytes, ...]


class RunStatus(Enum):
    """How a run, or one export of it, ended: the words of the Customer Insights exports page, but true."""

    RUNNING = "Running"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    CANCELED = "Canceled"
    INTERRUPTED = "Interrupted"


@dataclass(frozen=True, slots=True)
class ExportRun:
    """What one run did for one export. Counts are people; `reasons` are sentences without personal data.

    `allowed` has a sentence for each safety rule that somebody let it break. `source_mark` tells apart what was read,
    and under which declarations; empty: not known, or not looked at. `snapshot` says which data was read, for people.
    """

    export: str
    connection: str
    status: RunStatus
    action: str
    created: int = 0
    updated: int = 0
    left: int = 0
    unchanged: int = 0
    sent: int = 0
    rejected: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    source_mark: str = ""
    snapshot: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """A person that Autopilot did not take: keyed digest and reason only."""

    connection: str
    export: str
    key: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run of `apply`, as the history shows it. `ended` None: still running, or cut off.

    `seal` is that of the saved plan which the run uses up; it is written, and read through `used_by` only.
    """

    id: str
    started: dt.datetime
    ended: dt.datetime | None
    trigger: str
    status: RunStatus
    checksum: str
    requests: int = 0
    exports: tuple[ExportRun, ...] = ()
    seal: str = ""
