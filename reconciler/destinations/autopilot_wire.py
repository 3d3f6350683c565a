"""Decides the shapes of the Autopilot v1 API: what goes out as bytes, and what may be believed of what comes back.

Pure. Answers may have any shape: what is not as expected is left out, never an error of ours.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from reconciler.core.autopilot_fields import RESERVED_FIELDS, STANDARD_FIELDS
from reconciler.core.ports import Account

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reconciler.core.model import FieldMatch
    from reconciler.core.ports import Item

_IDENTIFIER = re.compile(r"[!-?A-~]{1,128}")
"""Printable and without an @."""

_FORBIDDEN = tuple(json.dumps(name).encode() + b":" for name in RESERVED_FIELDS)


class AutopilotWire:
    """How Autopilot writes a contact; needs no key."""

    def field(self, match: FieldMatch) -> tuple[str, ...]:
        """Give the path of keys: a standard field by its name, a custom one by its type and name, spaces as `--`.

        Raises ValueError for a field that is never sent, or that Autopilot does not have.
        """
        if match.field in RESERVED_FIELDS:
            raise ValueError(f"{match.field} is never sent")
        if match.kind is not None:
            return ("custom", f"{match.kind.value}--{match.field.replace(' ', '--')}")
        if match.field not in STANDARD_FIELDS:
            raise ValueError("not a standard field of Autopilot; a custom field needs a type")
        return (match.field,)


def bulk_body(items: Sequence[Item], list_id: str | None) -> bytes:
    """Give the body of POST /contacts; with `list_id` every contact asks for that list. Raises ValueError."""
    contacts = [item.contact for item in items]
    joined = _checked(b",".join(contacts))
    if list_id is not None:
        asks = _list_entry(list_id)
        joined = (asks + b",").join([contact[:-1] for contact in contacts]) + asks
    return b'{"contacts":[' + joined + b"]}"


def single_body(item: Item, list_id: str) -> bytes:
    """Give the body of POST /contact for one contact and one list. Raises ValueError."""
    return b'{"contact":' + _checked(item.contact)[:-1] + _list_entry(list_id) + b"}"


def _list_entry(list_id: str) -> bytes:
    return b',"_autopilot_list":' + json.dumps(list_id).encode() + b"}"


def _checked(contacts: bytes) -> bytes:
    """Let nothing out that subscribes a person again or names a list that was not asked for, whoever composed it."""
    if any(name in contacts for name in _FORBIDDEN):
        raise ValueError("a contact holds a field that is never sent")
    return contacts


def list_body(title: str) -> bytes:
    """Give the body of POST /list."""
    return json.dumps({"name": title}).encode()


def taken(data: object) -> dict[str, str]:
    """Give contact ids by lower-cased address: whom a bulk answer names, and no one else."""
    people = data.get("email_contact_map") if isinstance(data, dict) else None
    if not isinstance(people, dict):
        return {}
    found = {address.lower(): identifier(people, address) for address in people}
    return {address: contact for address, contact in found.items() if contact}


def text(data: object, key: str) -> str:
    """Give the text under a key, or an empty one."""
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""


def identifier(data: object, key: str) -> str:
    """Give the id under a key, or an empty one: it is kept, so nothing is taken for one that could be an address."""
    value = text(data, key)
    return value if _IDENTIFIER.fullmatch(value) else ""


def titles(data: object) -> Mapping[str, tuple[str, ...]] | None:
    """Give ids by title, ascending, from GET /lists; None when the answer has no lists, which is not: no lists."""
    entries = data.get("lists") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        return None
    found: dict[str, set[str]] = {}
    for entry in entries:
        list_id = identifier(entry, "list_id")
        if list_id and isinstance(entry.get("title"), str):
            found.setdefault(entry["title"], set()).add(list_id)
    return {title: tuple(sorted(ids)) for title, ids in found.items()}


class Page(NamedTuple):
    """A page of contacts: (contact id, address) of each, the bookmark of the next, and how many there are in all."""

    people: list[tuple[str, str]]
    bookmark: str
    total: int


def members(data: object) -> Page | None:
    """Read a page of contacts; None when it is no such page. A total that is missing claims nothing."""
    contacts = data.get("contacts") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(contacts, list):
        return None
    people = [(identifier(each, "contact_id"), text(each, "Email").strip().lower()) for each in contacts]
    total = data.get("total_contacts")
    return Page(people, text(data, "bookmark"), total if type(total) is int else 0)


def account(data: object, shown: Callable[[str], str]) -> Account:
    """Read GET /account; `shown` makes what a server says fit to be shown."""
    return Account(instance=shown(text(data, "instanceId")), name=shown(text(data, "fullName")))
