"""Decides nothing: one call of the API with all that a route may look at, and the pages that several routes share."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.sandbox.answers import Answer, Refusal, error, ok, parsed
from reconciler.sandbox.rows import custom_field

if TYPE_CHECKING:
    from reconciler.sandbox.accounts import Account
    from reconciler.sandbox.state import Contact, Roll, State
    from reconciler.sandbox.switches import Switches
    from reconciler.sandbox.world import World

PAGE = 100


@dataclass(slots=True)
class Call:
    """One call. `args` are the decoded variable segments of the path.

    A route notes here what the log of requests tells: how many contacts it was given, and how many of them asked to be
    subscribed again.
    """

    account: Account
    switches: Switches
    args: tuple[str, ...]
    body: bytes
    contacts: int = 0
    resubscribed: int = 0

    @property
    def world(self) -> World:
        """What the key opens."""
        return self.account.world

    def object(self) -> dict[str, Any]:
        """Give the body, a JSON object. Raises Refusal."""
        payload = parsed(self.body)
        if not isinstance(payload, dict):
            raise Refusal(error(400, "The body must be a JSON object."))
        return payload

    def text(self, name: str) -> str:
        """Give a text of the body that must be there. Raises Refusal."""
        value = self.object().get(name)
        if not isinstance(value, str) or not value.strip():
            raise Refusal(error(400, f"{name} is required."))
        return value


def page(state: State, roll: Roll, bookmark: str | None) -> Answer:
    """Answer with up to 100 contacts of the roll, and a bookmark unless it is the last page. Raises Refusal."""
    ids, last = roll.page(0 if bookmark is None else _position(bookmark), PAGE)
    answer: dict[str, Any] = {
        "contacts": [flat(state, state.contacts[entry]) for entry in ids],
        "total_contacts": len(roll),
    }
    if last is not None:
        answer["bookmark"] = base64.urlsafe_b64encode(f"after {last}".encode()).decode()
    return ok(answer)


def _position(bookmark: str) -> int:
    try:
        word, _, number = base64.urlsafe_b64decode(bookmark.encode()).decode().partition(" ")
        if word == "after":
            return int(number)
    except (ValueError, binascii.Error):
        pass
    raise Refusal(error(400, "Invalid bookmark."))


def flat(state: State, contact: Contact) -> dict[str, Any]:
    """Show a contact as it is read: flat, with its custom fields as an array."""
    shown = {
        **contact.fields,
        "contact_id": contact.id,
        "lists": [listing.id for listing in state.lists.values() if contact.id in listing.members],
        "custom_fields": [
            {"kind": found.name, "value": value, "fieldType": found.type}
            for key, value in contact.custom.items()
            if (found := custom_field(key)) is not None
        ],
        "unsubscribed": contact.unsubscribed,
    }
    name = " ".join(str(contact.fields[part]) for part in ("FirstName", "LastName") if part in contact.fields)
    return {**shown, "Name": name} if name else shown
