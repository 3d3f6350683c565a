"""Decides what a column's value is in JSON, or that it is of the wrong type. Nothing is guessed.

Each converter takes an engine value that is not missing and gives JSON text; WrongType says that it cannot be had.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import sys
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring
from typing import TYPE_CHECKING

from reconciler.core.model import FieldKind

if TYPE_CHECKING:
    from collections.abc import Callable

SAFE = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly (RFC 8259, section 6)."""

_LARGEST = int(sys.float_info.max)
_WHOLE = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)")
_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)?(?:\.\d*)?(?:[eE][+-]?\d{1,3})?")
_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})


class WrongType(ValueError):  # noqa: N818  # says what is so
    """The value is not of the declared type. It never holds the value."""


def text(value: object) -> str:
    """Give text as it stands; numbers, truth values and dates as they are written in JSON or ISO 8601."""
    if type(value) is str:
        return encode_basestring(value)
    match value:
        case bool():
            return '"true"' if value else '"false"'
        case int():
            return f'"{value}"'
        case float() | Decimal() if math.isfinite(value):
            return f'"{value}"'
        case dt.date():
            return f'"{value.isoformat()}"'
    raise WrongType


def whole(value: object) -> str:
    """Give a whole number; text may have blanks around it and thousands separators, as `60,000 ` has."""
    if type(value) is int and -SAFE <= value <= SAFE:
        return str(value)
    if type(value) is str and len(value) < 16 and value.isascii() and value.isdecimal():  # noqa: PLR2004  # below SAFE
        return str(int(value))
    match value:
        case bool():
            raise WrongType
        case int():
            number = value
        case float() | Decimal() if math.isfinite(value) and value == int(value):
            number = int(value)
        case str() if len(value) < 40 and _WHOLE.fullmatch(value.strip()):  # noqa: PLR2004  # no number is that long
            number = int(value.replace(",", ""))
        case _:
            raise WrongType
    if abs(number) > SAFE:
        raise WrongType
    return str(number)


def fraction(value: object) -> str:
    """Give a number with a fraction; not-a-number and infinity are of the wrong type."""
    match value:
        case bool():
            raise WrongType
        case int() if abs(value) > _LARGEST:
            raise WrongType
        case int() | float() | Decimal():
            number = float(value)
        case str() if len(value) < 60 and _NUMBER.fullmatch(value.strip()):  # noqa: PLR2004  # no number is that long
            try:
                number = float(value.replace(",", ""))
            except ValueError:
                raise WrongType from None
        case _:
            raise WrongType
    if not math.isfinite(number):
        raise WrongType
    return repr(number + 0.0)  # -0.0 and 0.0 are equal, so which of them is remembered would depend on the order


def truth(value: object) -> str:
    """Give true or false; text may say true, t, yes, y, 1 and their opposites in either case."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if value in {0, 1}:
            return "true" if value else "false"
        case str():
            word = value.strip().lower()
            if word in _TRUE:
                return "true"
            if word in _FALSE:
                return "false"
    raise WrongType


def day(formats: tuple[str, ...]) -> Callable[[object], str]:
    """Give a converter to an ISO 8601 date; text is ISO 8601, or in the first of `formats` (strptime) that fits."""

    def convert(value: object) -> str:
        match value:
            case dt.datetime():
                return f'"{value.date().isoformat()}"'
            case dt.date():
                return f'"{value.isoformat()}"'
            case str():
                return f'"{_parse_day(value.strip(), formats).isoformat()}"'
        raise WrongType

    return convert


def _parse_day(value: str, formats: tuple[str, ...]) -> dt.date:
    for pattern in formats:
        try:
            return dt.datetime.strptime(value, pattern).date()  # noqa: DTZ007  # a day has no zone
        except ValueError:
            continue
    if not formats:
        try:
            return dt.datetime.fromisoformat(value).date()
        except ValueError:
            pass
    raise WrongType


def converter(kind: FieldKind | None, formats: tuple[str, ...] = ()) -> Callable[[object], str]:
    """Give the converter of a field: None is a standard field, which is text."""
    match kind:
        case None | FieldKind.STRING:
            return text
        case FieldKind.INTEGER:
            return whole
        case FieldKind.FLOAT:
            return _remembered(fraction)
        case FieldKind.BOOLEAN:
            return _remembered(truth)
        case FieldKind.DATE:
            return _remembered(day(formats))


def _remembered(convert: Callable[[object], str]) -> Callable[[object], str]:
    """Columns repeat their values: typed, because 1, 1.0 and True are equal and not the same."""
    return lru_cache(maxsize=20_000, typed=True)(convert)
