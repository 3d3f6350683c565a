"""A server that repeats in its refusals what it was sent: the key, addresses and values, in whatever form."""

from __future__ import annotations

import base64
import html
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler.sandbox.answers import Answer, error

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.sandbox.answers import Outcome
    from reconciler.sandbox.server import Sandbox
    from reconciler.sandbox.service import Request

MARK = "Refused"
"""A contact whose company starts with it is refused; the number at its end chooses in which words."""

SAYINGS: tuple[Callable[[dict[str, Any], str], str], ...] = (
    lambda contact, _: f"{contact['Email']} is not a valid address.",
    lambda contact, _: f"Not valid: <{contact['Email'].upper()}>",
    lambda contact, _: f"/contact/{quote(contact['Email'], safe='')} cannot be made",
    lambda contact, _: f"/contact/{quote(quote(contact['Email'], safe=''), safe='')} cannot be made",
    lambda contact, _: f"Cannot read {json.dumps(contact)}",
    lambda contact, _: f"Cannot read {json.dumps(contact, ensure_ascii=False)[:90]}",
    lambda contact, _: f"<b>{html.escape(contact['FirstName'])}</b> {html.escape(contact['LastName'])} is refused",
    lambda contact, _: f"Rejected {base64.b64encode(contact['Email'].encode()).decode()}",
    lambda contact, _: f"Rejected {base64.b64encode(json.dumps(contact).encode()).decode()[:190]}",
    lambda contact, _: f"Rejected {contact['Email'].encode().hex()}",
    lambda contact, _: f"Email '{contact['Email'][:15]}...' is too long",
    lambda contact, _: f"{contact['FirstName']!r} {contact['LastName']!r} {contact['Phone']}",
    lambda contact, _: f"{contact['Email'].partition('@')[0]} at {contact['Email'].partition('@')[2]} bounced",
    lambda contact, _: f"{contact['LastName'].upper()}, {contact['FirstName'].lower()}",
    lambda _, key: f"The key {key} may not do that.",
    lambda _, key: f"The key {key.upper()} may not do that.",
    lambda _, key: f"The key {key[:20]}... may not do that.",
    lambda _, key: f"The key ...{key[-14:]} may not do that.",
    lambda _, key: f"Basic {base64.b64encode(key.encode()).decode()} may not do that.",
    lambda _, key: f"Basic {base64.b64encode(f'user:{key}'.encode()).decode()} may not do that.",
    lambda _, key: f"{key.encode().hex()} may not do that.",
    lambda contact, key: f"::error::{key}\n::set-env name=x::{contact['Email']}\x1b[2J",
)


class Gossip:
    """Stands in front of a sandbox. `begun` counts the write requests that arrived."""

    def __init__(self, server: Sandbox) -> None:
        self._meet = server._service.meet
        self._lock = threading.Lock()
        self.begun = 0
        server._service.meet = self._overhear  # type: ignore[method-assign]  # this is where it stands

    def _overhear(self, request: Request) -> Outcome:
        if request.method != "GET":
            with self._lock:
                self.begun += 1
        refused = _refused(request)
        if refused is not None:
            return refused
        outcome = self._meet(request)
        if isinstance(outcome, Answer) and outcome.status == 401:
            return error(401, f"Provided autopilotapikey {request.key} not valid for {request.target}.")
        return outcome


def _refused(request: Request) -> Answer | None:
    if request.method != "POST" or MARK.encode() not in request.body:
        return None
    sent = json.loads(request.body)
    contacts = sent.get("contacts", [sent.get("contact", {})])
    marked = [contact for contact in contacts if str(contact.get("Company", "")).startswith(MARK)]
    if len(contacts) > 1:
        return error(400, f"{request.key}: {request.body.decode()}")
    number = int(marked[0]["Company"][-3:])
    return error(400, SAYINGS[number % len(SAYINGS)](marked[0], request.key or ""))
