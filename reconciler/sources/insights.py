"""Decides from what Customer Insights says of itself whether its tables can be trusted: before a read and after it.

During a refresh the tables change in no promised order, and an inactive segment is not an empty one. What is not known
to be sound is not: a word that nobody knows counts as a refresh in progress.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from reconciler.core.errors import PartUnread, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.sources.service import Service

SCOPE = "https://api.ci.ai.microsoft.com/.default"
"""What a token of the Customer Insights API is for."""

_WELL = {"successful", "succeeded", "success", "completed"}
_ILL = {"failed", "failure", "error", "canceled", "cancelled"}
_PASSED = {"skipped"}
_LISTED = 100  # objects that the API gives where it is not asked for more
_WORD = re.compile(r"[A-Za-z ]{1,30}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class State:
    """One segment as Customer Insights sees it; `count` is how many people it says are in it."""

    state: str
    status: str
    date: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """What was known at one time: the last refresh, by its id and end, and the segments by name."""

    refresh: tuple[str, str]
    segments: Mapping[str, State]


class Watch(Protocol):
    """Knows whether the tables are sound, or that it cannot know."""

    def look(self, members: Iterable[str]) -> Look | None:
        """Give what is known, if these kept segments and the last refresh are sound.

        Raises SourceError, of which PartUnread has those that are not, by the names that memberships know them by.
        """
        ...

    def refreshed(self) -> str | None:
        """Tell the last refresh apart; None: it cannot be, or one is in progress. Raises SourceError."""
        ...

    def evaluated(self) -> str | None:
        """Tell apart what the segments are; None as above."""
        ...

    def told(self) -> str:
        """Say which refresh was read, in a few words."""
        ...


class Blind:
    """Knows nothing: the Customer Insights API is not configured."""

    def look(self, members: Iterable[str]) -> None:
        """Know nothing."""

    def refreshed(self) -> None:
        """Know nothing."""

    def evaluated(self) -> None:
        """Know nothing."""

    def told(self) -> str:
        """Say so."""
        return "of which refresh is not known without customerInsights"


class Insights:
    """Asks the Customer Insights API about one instance. Implements Watch."""

    def __init__(self, service: Service, instance: str) -> None:
        self._service, self._base = service, f"/instances/{instance}/manage"
        self._last: Look | None = None

    def look(self, members: Iterable[str]) -> Look:
        """Give what is known, if it is sound. Raises SourceError."""
        refresh = self._refresh()
        segments = self._segments()
        unsound = {name: why for name in members if (why := _judged(name, segments)) is not None}
        if unsound:
            raise PartUnread(unsound)
        self._last = Look(refresh, segments)
        return self._last

    def refreshed(self) -> str | None:
        """Tell the last refresh apart; None while the tables are not sound: then a run says why."""
        try:
            return " ".join(self._refresh())
        except Unsound:
            return None

    def evaluated(self) -> str | None:
        """Give a digest of what is known of all segments, and of the last refresh."""
        refresh = self.refreshed()
        known = sorted((name, of.state, of.status, of.date, of.count) for name, of in self._segments().items())
        return None if refresh is None else hashlib.sha256(json.dumps([refresh, known]).encode()).hexdigest()

    def told(self) -> str:
        """Say when the refresh ended that was read."""
        ended = _TIME.match(self._last.refresh[1]) if self._last is not None else None
        return f"refresh of {ended[0].replace('T', ' ')}" if ended else "of the last refresh"

    def _refresh(self) -> tuple[str, str]:
        """Give the id and end of the last refresh. Raises Unsound when one is in progress, or the last one failed."""
        what = "the refreshes of Customer Insights"
        jobs = _rows(self._service.get(what, f"{self._base}/workflows/main/jobs"), what)
        done: list[tuple[str, str, str]] = []
        for job in jobs:
            status = _first(job, "status", "jobStatus").casefold()
            if status not in _WELL | _ILL | _PASSED:
                raise Unsound("Customer Insights is being refreshed; its tables are read when that is over")
            if status not in _PASSED:
                done.append((_first(job, "endTime", "endTimeUtc", "timestamp"), _first(job, "jobId", "id"), status))
        if not done:
            raise Unsound("Customer Insights tells of no refresh, so that its tables cannot be trusted")
        ended, job_id, status = max(done)
        if status not in _WELL:
            raise Unsound("the last refresh of Customer Insights failed, so that its tables may be half updated")
        return job_id, ended

    def _segments(self) -> dict[str, State]:
        what = "the segments of Customer Insights"
        rows = _rows(self._service.get(what, f"{self._base}/segments"), what)
        return {_first(row, "name"): _state(row) for row in rows}


class Unsound(SourceError):  # noqa: N818  # says what is so
    """Customer Insights itself says that its tables are not to be trusted now."""


def compare(before: Look, after: Look, read: Mapping[str, int]) -> dict[str, str]:
    """Give, with the reason, what was evaluated anew during the read, or of which not so many were `read` as it has.

    Raises Unsound when all of it changed meanwhile.
    """
    if after.refresh != before.refresh:
        raise Unsound("Customer Insights was refreshed while its tables were read, so they were read by half")
    found = {}
    for name, rows in read.items():
        earlier, later = before.segments[name], after.segments[name]
        if earlier != later:
            found[name] = f"segment {name!r} was evaluated anew while it was read, so it was read by half"
        elif later.count != rows:
            has = "an unknown number of" if later.count is None else f"{later.count:,}"
            found[name] = (
                f"segment {name!r} has {has} members in Customer Insights and {rows:,} in Dataverse, "
                "which is half updated"
            )
    return found


def _judged(name: str, segments: Mapping[str, State]) -> str | None:
    """Say why a segment is not to be trusted, if it is not."""
    found = segments.get(name)
    if found is None:
        among = f" among the {len(segments):,} that its API lists" if len(segments) >= _LISTED else ""
        return f"Customer Insights has no segment {name!r}{among}"
    if found.state.casefold() != "active":
        return f"segment {name!r} is not active in Customer Insights ({_word(found.state)})"
    status = found.status.casefold()
    if status in _ILL:
        return f"the last evaluation of segment {name!r} failed in Customer Insights"
    if status not in _WELL:
        return f"segment {name!r} is not evaluated to its end in Customer Insights ({_word(found.status)})"
    return None


def _state(row: Mapping[str, Any]) -> State:
    status = row.get("evaluationStatus")
    held = status if isinstance(status, dict) else {}
    count = held.get("entityCount")
    return State(
        _first(row, "state"),
        _first(held, "jobStatus"),
        _first(held, "evaluationDate"),
        count if type(count) is int else None,
    )


def _rows(data: object, what: str) -> list[dict[str, Any]]:
    """Give the objects of a list, bare or wrapped. Raises SourceError."""
    rows = data.get("value") if isinstance(data, dict) else data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SourceError(f"{what}: the answer is not a list")
    return rows


def _first(row: Mapping[str, Any], *keys: str) -> str:
    return next((value for key in keys if isinstance(value := row.get(key), str)), "")


def _word(text: str) -> str:
    return text if _WORD.fullmatch(text) else "in words that nobody knows"
