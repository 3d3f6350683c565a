"""Decides which contacts of a request are good, and what each of their fields asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STANDARD = frozenset(
    {
        "Email",
        "Twitter",
        "FirstName",
        "LastName",
        "Salutation",
        "Company",
        "NumberOfEmployees",
        "Title",
        "Industry",
        "Phone",
        "MobilePhone",
        "Fax",
        "Website",
        "MailingStreet",
        "MailingCity",
        "MailingState",
        "MailingPostalCode",
        "MailingCountry",
        "owner_name",
        "LeadSource",
        "Status",
        "LinkedIn",
    }
)
NAMES = ("FirstName", "LastName")
SPECIAL = frozenset({"custom", "unsubscribed", "_autopilot_list"})
SCALARS = frozenset({str, int, float, bool, NoneType})
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class BadRow(Exception):  # noqa: N818  # says what is so
    """A contact that the server does not take; `quoted` is the part of it that a talkative server would repeat."""

    def __init__(self, reason: str, quoted: str = "") -> None:
        super().__init__(reason)
        self.quoted = quoted


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field: its type, its key as written and its name as shown."""

    type: str
    key: str
    name: str


class Row(NamedTuple):  # one is made for every contact of every write, and a frozen dataclass takes three times as long
    """One contact as asked for. A None value among `fields` or `custom` blanks; `sent` is the address as written."""

    email: str | None
    sent: str
    fields: Mapping[str, Any]
    custom: Mapping[str, Any]
    unsubscribed: bool | None
    list_id: str | None


def read_row(raw: object) -> Row:
    """Read one contact of a request. Raises BadRow."""
    if not isinstance(raw, dict):
        raise BadRow("A contact must be an object.")
    fields = {name: value for name, value in raw.items() if name in STANDARD}
    if not SCALARS.issuperset(map(type, fields.values())):
        raise BadRow("A field must be a text, a number or a boolean.")
    if unknown := raw.keys() - fields.keys() - SPECIAL:
        raise BadRow("There is no such field.", min(unknown))
    sent = fields.pop("Email", None)
    if sent is not None:
        fields["Email"] = _address(sent)
    unsubscribed, list_id = raw.get("unsubscribed"), raw.get("_autopilot_list")
    if unsubscribed is not None and not isinstance(unsubscribed, bool):
        raise BadRow("unsubscribed must be a boolean.")
    if list_id is not None and not isinstance(list_id, str):
        raise BadRow("_autopilot_list must be the id of a list.")
    return Row(fields.get("Email"), sent or "", fields, _custom(raw.get("custom")), unsubscribed, list_id)


@lru_cache(maxsize=4096)
def custom_field(key: str) -> CustomField | None:
    """Read "string--Loyalty--Tier" as the field "Loyalty Tier" of type string; None when it is no such key."""
    kind, _, name = key.partition("--")
    return CustomField(kind, key, name.replace("--", " ")) if kind in _FITS and name else None


def _address(raw: object) -> str:
    """Judge an address in the simplest way: one @, something before it, a dot in what follows, no white space."""
    if isinstance(raw, str) and ADDRESS.fullmatch(raw):
        return raw.lower()
    raise BadRow("Email is not a valid address.", str(raw))


def _custom(raw: object) -> Mapping[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise BadRow("custom must be an object.")
    for key, value in raw.items():
        found = custom_field(key)
        if found is None:
            raise BadRow("A custom field is written as type--name.", key)
        if value is not None and not _FITS[found.type](value):
            raise BadRow(f"The value of a custom field must be of type {found.type}.", str(value))
    return raw


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_FITS: Mapping[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": _number,
    "boolean": lambda value: isinstance(value, bool),
    "date": lambda value: isinstance(value, str) or _number(value),
}
