"""What a server was really asked, request by request: so that what was asked twice can be counted."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from reconciler.sandbox.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.sandbox.answers import Outcome
    from reconciler.sandbox.server import Sandbox
    from reconciler.sandbox.service import Request

Atom = tuple[str, ...]
"""One thing that a request asks for: a contact with its content and list, a membership begun or ended, a list."""


@dataclass(frozen=True)
class Seen:
    """One write request: what it asked for, and how much of that the answer acknowledged."""

    asked: frozenset[Atom]
    acknowledged: frozenset[Atom]


class Wiretap:
    """Listens to a sandbox. `begun` counts the write requests that arrived, `seen` holds those that were met.

    `open` are those that are being met: a server may be slow, and whoever asked may be gone by then.
    """

    def __init__(self, server: Sandbox) -> None:
        self._meet = server._service.meet
        self._lock = threading.Lock()
        self.begun = self.open = 0
        self.seen: list[Seen] = []
        server._service.meet = self._listen  # type: ignore[method-assign]  # this is the tap

    def take(self) -> list[Seen]:
        """Give what was seen since the last time, and begin anew."""
        with self._lock:
            seen, self.seen, self.begun = self.seen, [], 0
        return seen

    def settle(self) -> None:
        """Wait until what was asked by a process that is gone is met, so that it is not taken for the next one's."""
        quiet = 0
        while quiet < 3:
            time.sleep(0.005)
            quiet = 0 if self.open else quiet + 1

    def _listen(self, request: Request) -> Outcome:
        if request.method == "GET":
            return self._meet(request)
        asked = frozenset(_atoms(request))  # raises for what was cut off with the process that sent it
        with self._lock:
            self.begun += 1
            self.open += 1
        outcome = None
        try:
            outcome = self._meet(request)
        finally:
            with self._lock:
                self.open -= 1
                if outcome is not None:
                    self.seen.append(Seen(asked, frozenset(_acknowledged(asked, outcome))))
        return outcome


def repeated(before: Iterable[Seen], after: Iterable[Seen]) -> int:
    """Count the requests that were acknowledged before, and of which anything at all was asked for again after."""
    again = {atom for seen in after for atom in seen.asked}
    acknowledged = {seen.acknowledged for seen in before if seen.acknowledged}
    return sum(1 for atoms in acknowledged if atoms & again)


def _atoms(request: Request) -> list[Atom]:
    parts = [unquote(part) for part in request.target.partition("?")[0].split("/")[2:]]
    match request.method, parts:
        case "POST", ["contacts"]:
            return [_contact(contact) for contact in json.loads(request.body)["contacts"]]
        case "POST", ["contact"]:
            return [_contact(json.loads(request.body)["contact"])]
        case "POST", ["list"]:
            return [("list", json.loads(request.body)["name"])]
        case (("POST" | "DELETE"), ["list", listing, "contact", who]):
            return [(request.method, listing, who)]
        case _:
            raise AssertionError(f"{request.method} {request.target} is not a write that we make")


def _contact(contact: dict[str, Any]) -> Atom:
    listing = contact.pop("_autopilot_list", "")
    return ("contact", contact["Email"], json.dumps(contact, sort_keys=True), listing)


def _acknowledged(asked: frozenset[Atom], outcome: Outcome) -> Iterable[Atom]:
    if not isinstance(outcome, Answer) or outcome.status not in range(200, 300):
        return ()
    try:
        answer = json.loads(outcome.body)
    except ValueError:
        return ()
    named = {address.lower() for address in answer.get("email_contact_map", {})}
    return [atom for atom in asked if atom[0] != "contact" or "contact_id" in answer or atom[1].lower() in named]
