"""Decides which engine types there are, what kind of value each holds, and how its values leave the engine."""

from __future__ import annotations

import re
from enum import Enum


class Kind(Enum):
    """What a value is, as far as a predicate is concerned. OTHER is known to the engine alone, such as a date."""

    TEXT = "text"
    NUMBER = "a number"
    TRUTH = "a condition"
    NULL = "NULL"
    OTHER = "a value"


INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"})
SCALARS = INTEGERS | {"BOOLEAN", "FLOAT", "DOUBLE", "VARCHAR", "DATE", "TIMESTAMP"}
"""The types that a cast may name and that a CSV column may be declared as; DECIMAL(p, s) besides."""

_SYNONYMS = {"INT": "INTEGER", "BOOL": "BOOLEAN", "REAL": "FLOAT", "TEXT": "VARCHAR", "STRING": "VARCHAR"}
_DECIMAL = re.compile(r"DECIMAL\((\d{1,2}), ?(\d{1,2})\)")
_WIDEST = 38  # digits of the engine's widest DECIMAL
_NUMBER = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\)|BIGNUM)")
_AS_IT_IS = re.compile(r"(DATE|VARCHAR|BOOLEAN|TIMESTAMP(_S|_MS|_NS)?|" + _NUMBER.pattern + ")")
_AS_TEXT = re.compile(r"(UUID|TIME|ENUM\(.*\))", re.DOTALL)


def scalar(name: str) -> str | None:
    """Give the engine's name of a scalar type that may be cast to; None when `name` is not one."""
    upper = name.strip().upper()
    upper = _SYNONYMS.get(upper, upper)
    if upper in SCALARS:
        return upper
    decimal = _DECIMAL.fullmatch(upper)
    if decimal is None or not int(decimal[2]) <= int(decimal[1]) <= _WIDEST or int(decimal[1]) == 0:
        return None
    return f"DECIMAL({int(decimal[1])},{int(decimal[2])})"


def kind(engine_type: str) -> Kind:
    """Give the kind of value that a column of this engine type holds."""
    if engine_type == "VARCHAR":
        return Kind.TEXT
    if engine_type == "BOOLEAN":
        return Kind.TRUTH
    return Kind.NUMBER if _NUMBER.fullmatch(engine_type) else Kind.OTHER


def outward(column: str, engine_type: str) -> str | None:
    """Give the SQL that makes a value a str, int, float, Decimal, bool, date or datetime; None: there is none."""
    if _AS_IT_IS.fullmatch(engine_type):
        return column
    if engine_type == "TIMESTAMP WITH TIME ZONE":
        return f"CAST({column} AS TIMESTAMP)"  # the engine's zone is UTC
    return f"CAST({column} AS VARCHAR)" if _AS_TEXT.fullmatch(engine_type) else None


def name(text: str) -> str:
    """Quote an identifier for the engine."""
    return '"' + text.replace('"', '""') + '"'


def tellable(column: str) -> bool:
    """Tell whether a column's name may stand in a message: without a header it may be a person's address."""
    return column.isprintable() and "@" not in column


def literal(text: str) -> str:
    """Quote a text for the engine."""
    return "'" + text.replace("'", "''") + "'"
