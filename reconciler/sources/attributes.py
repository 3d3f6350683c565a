"""Decides which columns a table of Dataverse has: their names without the prefix, their engine types, how they travel.

What comes in is JSON; what the engine is given is CSV, in which an empty cell is NULL and a text is always in quotes.
A value that is not of its column's type fails the read: a NULL in its place would be a wrong answer that nobody sees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reconciler.core.errors import SourceError
from reconciler.sources import odata
from reconciler.sources.odata import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reconciler.sources.service import Service

TYPES = {
    "String": "VARCHAR",
    "Memo": "VARCHAR",
    "Uniqueidentifier": "VARCHAR",
    "Integer": "INTEGER",
    "Picklist": "INTEGER",
    "State": "INTEGER",
    "Status": "INTEGER",
    "BigInt": "BIGINT",
    "Double": "DOUBLE",
    "Decimal": "DECIMAL(38,10)",
    "Money": "DECIMAL(38,10)",
    "Boolean": "BOOLEAN",
    "DateTime": "TIMESTAMP",
}
"""Engine types by Dataverse's. What is not here, such as a lookup or an image, is no column of a profile."""

_PLACES = 10  # after the point, the most that Dataverse has
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_DIGITS = 10**28  # what a DECIMAL(38,10) holds before the point
_BITS = {"INTEGER": 31, "BIGINT": 63}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One column: its logical name, which the service knows, and its engine type."""

    logical: str
    type: str


def find(service: Service, table: str, prefix: str) -> Mapping[str, Attribute]:
    """Give the columns of an entity set by their names without `prefix`. Raises SourceError.

    Of two columns that are one but for the prefix, the one that has it is meant: the other is not of the profile.
    """
    logical = _logical(service, table)
    path = f"/EntityDefinitions(LogicalName='{logical}')/Attributes"
    kinds = {
        str(row.get("LogicalName")): str(row.get("AttributeType"))
        for row in _all(service, path, Query(("LogicalName", "AttributeType", "IsValidForRead")), table)
        if row.get("IsValidForRead") is not False
    }
    finer = {
        name: of
        for kind, (detail, typed) in _FINER.items()
        if kind in kinds.values()
        for name, of in _finer(service, f"{path}/Microsoft.Dynamics.CRM.{kind}AttributeMetadata", detail, typed, table)
    }
    columns: dict[str, Attribute] = {}
    for name in sorted(kinds, key=lambda name: (name.startswith(prefix), name)):
        if (of := finer.get(name, TYPES.get(kinds[name]))) is not None:
            columns[name.removeprefix(prefix)] = Attribute(name, of)
    if not columns:
        raise SourceError(f"{table}: it has no column that can be read")
    return dict(sorted(columns.items()))


def _logical(service: Service, table: str) -> str:
    asked = Query(("LogicalName",), f"EntitySetName eq {odata.literal(table)}")
    found = [row.get("LogicalName") for row in _all(service, "/EntityDefinitions", asked, table)]
    if len(found) != 1 or not isinstance(found[0], str):
        raise SourceError(f"{table}: {service.host} has no such table; is Customer Insights connected to it?")
    return found[0]


def _finer(
    service: Service, path: str, detail: str, typed: Callable[[Any], str | None], table: str
) -> Iterator[tuple[str, str]]:
    """Give the types that depend on a detail of the column."""
    for row in _all(service, path, Query(("LogicalName", detail)), table):
        if (of := typed(row.get(detail))) is not None:
            yield str(row.get("LogicalName")), of


def _scaled(precision: Any) -> str | None:
    return f"DECIMAL(38,{precision})" if type(precision) is int and 0 <= precision <= _PLACES else None


def _dated(behaviour: Any) -> str | None:
    return "DATE" if isinstance(behaviour, dict) and behaviour.get("Value") == "DateOnly" else None


def _all(service: Service, path: str, query: Query, table: str) -> list[dict[str, Any]]:
    return [row for page in odata.pages(service, path, query, f"the columns of {table}") for row in page]


# What a type depends on besides: a day that has no time, and the places after the point
_FINER: Mapping[str, tuple[str, Callable[[Any], str | None]]] = {
    "DateTime": ("DateTimeBehavior", _dated),
    "Decimal": ("Precision", _scaled),
    "Money": ("Precision", _scaled),
}


class Mistyped(Exception):  # noqa: N818  # says what is so
    """A value is not of its column's type."""


def cell(of: str) -> Callable[[Any], str]:
    """Give the function that writes a JSON value of this engine type as CSV; it raises Mistyped."""
    return _CELLS.get(of, _decimal)


def _text(value: Any) -> str:
    if type(value) is str:
        return '"' + value.replace('"', '""') + '"'
    if value is None:
        return ""
    raise Mistyped


def _whole(of: str) -> Callable[[Any], str]:
    most = 1 << _BITS[of]

    def write(value: Any) -> str:
        if value is None:
            return ""
        if type(value) is not int or not -most <= value < most:
            raise Mistyped
        return str(value)

    return write


def _truth(value: Any) -> str:
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    raise Mistyped


def _number(value: Any) -> Decimal | None:
    if value is None:
        return None
    if type(value) is int:
        return Decimal(value)
    if type(value) is Decimal and value.is_finite():
        return value
    raise Mistyped


def _double(value: Any) -> str:
    number = _number(value)
    return "" if number is None else str(number)


def _decimal(value: Any) -> str:
    number = _number(value)
    if number is not None and abs(number) >= _DIGITS:
        raise Mistyped
    return "" if number is None else format(number, "f")


def _moment(form: re.Pattern[str]) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        if value is None:
            return ""
        if type(value) is not str or not form.fullmatch(value):
            raise Mistyped
        return value

    return write


_CELLS: Mapping[str, Callable[[Any], str]] = {
    "VARCHAR": _text,
    "BOOLEAN": _truth,
    "DOUBLE": _double,
    "DATE": _moment(_DATE),
    "TIMESTAMP": _moment(_TIME),
    **{of: _whole(of) for of in _BITS},
}
