"""Decides what Autopilot's answers to questions mean, and what a refusal says is gone. Nothing here writes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from reconciler.core.errors import ListMissing, NotFound, Refused, Unauthorized, Unavailable
from reconciler.destinations import autopilot_wire as wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.core.ports import Account
    from reconciler.http import Outlet

LIST_GONE = "List does not exist."
CONTACT_GONE = "Contact could not be found."

_NO_KEY = "No autopilotapikey header"


class AutopilotReader:
    """Asks, and changes nothing."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._known: Mapping[str, tuple[str, ...]] | None = None

    def _ask(self, method: str, pattern: str, *ids: str, body: bytes | None = None, repeatable: bool = True) -> object:
        try:
            return self._outlet.request(method, pattern, ids, body=body, repeatable=repeatable).data
        except Refused as refused:
            if refused.reason.startswith(_NO_KEY):
                raise Unauthorized(str(refused)) from None
            raise

    def account(self) -> Account:
        """Test the key in the cheapest way."""
        return wire.account(self._ask("GET", "/account"), self._outlet.shown)

    def lists(self) -> Mapping[str, tuple[str, ...]]:
        """Give the ids of the lists by title, ascending: a title may exist twice."""
        found = wire.titles(self._ask("GET", "/lists"))
        if found is None:
            raise Unavailable("GET /lists: the answer has no lists")
        self._known = found
        return found

    def members(self, list_id: str) -> Iterator[Sequence[tuple[str, str]]]:
        """Stream a list's members, page by page: (contact id, address lower-cased or empty). Raises also midway."""
        pattern, ids = "/list/{id}/contacts", [list_id]
        seen: set[str] = set()
        least, read = sys.maxsize, 0
        while True:
            page = wire.members(self._ask("GET", pattern, *ids))
            if page is None:
                raise Unavailable(f"GET {pattern}: the answer has no contacts")
            least, read = min(least, page.total), read + len(page.people)
            yield page.people
            if not page.bookmark or page.bookmark in seen:  # a bookmark that comes again would never end
                break
            seen.add(page.bookmark)
            pattern, ids = "/list/{id}/contacts/{id}", [list_id, page.bookmark]
        if read < least:  # who was left out would be taken for gone
            raise Unavailable(f"GET {pattern}: the list has {least:,} contacts, and {read:,} were given")

    def on_list(self, list_id: str, contact: str) -> bool:
        """Tell whether a contact, by id or address, is on the list."""
        try:
            self._ask("GET", "/list/{id}/contact/{id}", list_id, contact)
        except NotFound:
            return False
        return True

    def known(self, contact: str) -> bool:
        """Tell whether there is a contact of this id or address."""
        try:
            self._ask("GET", "/contact/{id}", contact)
        except NotFound:
            return False
        return True

    def requests(self) -> int:
        """How many requests were sent so far, repetitions included."""
        return self._outlet.sent

    def close(self) -> None:
        """Close the kept-alive connections. May be called twice."""
        self._outlet.close()

    def _told(self, refused: Refused, list_id: str | None) -> Refused:
        """Give ListMissing when it is the list that is gone, else the refusal as it is.

        Some 404 answers have no body, and an unknown route is a 404 too: then the lists are asked for, because a list
        that is taken for gone will be made again.
        """
        if list_id is None or refused.reason == CONTACT_GONE:
            return refused
        if refused.reason != LIST_GONE:
            unsaid = isinstance(refused, NotFound)
            if not unsaid or any(list_id in ids for ids in self.lists().values()):
                return refused
        return ListMissing(str(refused), status=refused.status, reason=LIST_GONE)
