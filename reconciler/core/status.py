"""What `status` knows of each export and connection, as frozen rows. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt

WORDS = (
    "Failed",
    "Canceled",
    "Interrupted",
    "Running",
    "Skipped",
    "Suspended",
    "Detached",
    "Not started",
    "Successful",
)
"""The words of `StatusRow.status`, in the order in which they ask for attention."""


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One export as the Exports page shows it.

    `status` is one of WORDS: that of its last real run, whether or not it was due since. `people` are those recorded.
    `refreshed` is when its last successful run ended, with its zone; None: never. `schedule` says in words when it is
    due. `detail` is a sentence on what stopped it, or empty. `pending` counts the people that the next run takes up
    again: refused, or in doubt since a run was cut off.

    `due` says that the next `--trigger schedule` runs it; `overdue` is the scheduled time that went by without a run,
    and `late` how long ago that is. `next_due` is the first one to come, with the offset of its zone. `skipped` says
    why the runs since its last real one left it out, or is empty.
    """

    export: str
    connection: str
    type: str
    status: str
    people: int = 0
    refreshed: dt.datetime | None = None
    schedule: str = ""
    detail: str = ""
    pending: int = 0
    due: bool = False
    next_due: dt.datetime | None = None
    overdue: dt.datetime | None = None
    late: dt.timedelta | None = None
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """One connection: the distinct people recorded over all its exports, against its limit."""

    name: str
    display_name: str
    people: int
    limit: int
