"""Decides what a write to Autopilot came to: who was taken, which row was refused, whether a list was made."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.core.errors import ContactMissing, ListMissing, NotFound, Refused, Unauthorized, Unavailable
from reconciler.core.ports import Pushed
from reconciler.destinations import autopilot_wire as wire
from reconciler.destinations.autopilot_reader import AutopilotReader
from reconciler.http import Outlet

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from reconciler.core.ports import Clock, Item
    from reconciler.http import Policy
    from reconciler.pace import Pace

LEFT_OUT = "left out of the answer"

ROW_STATUSES = frozenset({400, 413, 422})
"""With these a batch may be refused for one of its rows."""

HOPELESS = 8
"""So many rows refused alone, and none taken: it is not the rows."""

MAKINGS = 3
"""How often a list is asked for when its making is in doubt."""

LOOKS = (0.0, 1.0, 4.0, 10.0)
"""Seconds before each look for a list whose making is in doubt: making takes long, and a twin can never be deleted."""


def open_autopilot(
    base_url: str, api_key: str, pace: Pace, clock: Clock, rng: random.Random, *, policy: Policy | None = None
) -> Autopilot:
    """Open an account; nothing is sent yet. Raises Unauthorized for a key that no header can carry."""
    if not (api_key.isascii() and api_key.isprintable() and api_key.strip() == api_key != ""):
        raise Unauthorized("the API key is empty or holds characters that no key has")
    headers = {"autopilotapikey": api_key}
    return Autopilot(Outlet(base_url, headers, pace, clock, rng, secrets=(api_key,), policy=policy))


def _for_a_row(refused: Refused) -> bool:
    return refused.status in ROW_STATUSES and not isinstance(refused, NotFound)


@dataclass(slots=True)
class _Tally:
    """What became of one batch of `size` rows so far."""

    size: int
    accepted: dict[bytes, str] = field(default_factory=dict)
    rejected: dict[bytes, str] = field(default_factory=dict)
    alone: int = 0

    def answered(self, items: Sequence[Item], found: Mapping[str, str]) -> None:
        """Take those that the answer names, and no one else."""
        for item in items:
            contact = found.get(item.email.lower())
            if contact is None:
                self.rejected[item.key] = LEFT_OUT
            else:
                self.accepted[item.key] = contact

    def refused(self, item: Item, refused: Refused) -> None:
        """Reject one row that stands alone. Raises its Refused again when it is plainly not for the rows."""
        self.rejected[item.key] = refused.reason
        self.alone += 1
        if self.alone == HOPELESS < self.size and not self.accepted:
            raise refused

    def pushed(self) -> Pushed:
        """Give the outcome."""
        return Pushed(self.accepted, self.rejected)


class Autopilot(AutopilotReader):
    """Reads and writes; one is shared by all threads. Every write may be repeated."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__(outlet)
        self._making = threading.Lock()
        self._made: dict[str, str] = {}

    def make_list(self, title: str) -> str:
        """Find the list of this title or make it, and give its id. Never makes a second one knowingly."""
        with self._making:
            known = self._known if self._known is not None else self.lists()
            if title in self._made or title in known:
                return self._made.get(title) or known[title][0]
            for _ in range(MAKINGS):
                list_id = self._make(title)
                if list_id is not None:
                    return list_id
        raise Unavailable("POST /list: the list was asked for and did not appear")

    def _make(self, title: str) -> str | None:
        """Ask for a list once; where the answer leaves a doubt, look whether it is there. None: it is not."""
        conflict: Refused | None = None
        try:
            data = self._ask("POST", "/list", body=wire.list_body(title), repeatable=False)
        except Unavailable:
            data = None
        except Refused as refused:
            if refused.status != 409:  # noqa: PLR2004  # the title exists already
                raise
            data, conflict = None, refused
        list_id = wire.identifier(data, "list_id") or self._look_for(title)
        if not list_id:
            if conflict is not None:
                raise conflict
            return None
        self._made[title] = list_id
        return list_id

    def _look_for(self, title: str) -> str | None:
        for seconds in LOOKS:
            self._outlet.pause(seconds)
            found = self.lists().get(title)
            if found:
                return found[0]
        return None

    def push(self, items: Sequence[Item], list_id: str | None) -> Pushed:
        """Create or update 1 to 100 contacts in bulk; with `list_id` each item also asks to be put on that list.

        A batch that is refused for a row is halved until the row stands alone. No two items may share an address.
        Raises ListMissing when the list is gone, Refused when it is refused for something else. What was taken before
        an error is sent again with the rest: every write may be repeated.
        """
        tally = _Tally(len(items))
        if items:
            self._send(items, list_id, tally)
        return tally.pushed()

    def _send(self, items: Sequence[Item], list_id: str | None, tally: _Tally) -> bool:
        """Send a batch, by halves if need be; tell whether it passed whole."""
        try:
            data = self._write("/contacts", wire.bulk_body(items, list_id), list_id)
        except Refused as refused:
            if not _for_a_row(refused):
                raise
            if len(items) == 1:
                tally.refused(items[0], refused)
            else:
                self._halve(items, list_id, tally)
            return False
        tally.answered(items, wire.taken(data))
        return True

    def _halve(self, items: Sequence[Item], list_id: str | None, tally: _Tally) -> None:
        """Send a batch that was refused, or must hold the refused row: when the left half passes, the right one does.

        A single row is asked for alone even then, so that nobody is rejected for a refusal that was not about them.
        """
        middle = len(items) // 2
        left, right = items[:middle], items[middle:]
        if self._send(left, list_id, tally) and len(right) > 1:
            self._halve(right, list_id, tally)
        else:
            self._send(right, list_id, tally)

    def put(self, item: Item, list_id: str) -> Pushed:
        """Create or update one contact and put it on one list, in one request. Raises ListMissing."""
        tally = _Tally(1)
        try:
            data = self._write("/contact", wire.single_body(item, list_id), list_id)
        except Refused as refused:
            if not _for_a_row(refused):
                raise
            tally.refused(item, refused)
        else:
            contact = wire.identifier(data, "contact_id")
            tally.answered((item,), {item.email.lower(): contact} if contact else {})
        return tally.pushed()

    def _write(self, pattern: str, body: bytes, list_id: str | None) -> object:
        try:
            return self._ask("POST", pattern, body=body)
        except Refused as refused:
            raise self._told(refused, list_id) from None

    def join(self, list_id: str, contact_id: str) -> None:
        """Put a known contact on a list. Raises ListMissing or ContactMissing."""
        try:
            self._ask("POST", "/list/{id}/contact/{id}", list_id, contact_id)
        except NotFound as missing:
            told = self._told(missing, list_id)
            raise (
                told
                if isinstance(told, ListMissing)
                else ContactMissing(str(missing), status=missing.status, reason=missing.reason)
            ) from None

    def leave(self, list_id: str, contact_id: str) -> None:
        """Take a contact off a list. A contact or list that is gone, or a membership that is not there, is success."""
        with contextlib.suppress(NotFound):
            self._ask("DELETE", "/list/{id}/contact/{id}", list_id, contact_id)

    def erase(self, contact: str) -> bool:
        """Delete a contact, by id or address, which takes it off every list; False: there is none any more."""
        try:
            self._ask("DELETE", "/contact/{id}", contact)
        except NotFound:
            return False
        return True
