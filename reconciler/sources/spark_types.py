"""Decides which type of the embedded engine a type of the cluster is, and how names and values are written for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.sources import kinds
from reconciler.sources.kinds import Kind

_NAMES = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ntz": "TIMESTAMP",
}
_SIZED = re.compile(r"(?:var)?char\(\d+\)")
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_SAFE = re.compile(r"[ -&(-\[\]-~]*")
DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 20}
"""Whole numbers that both have, and the digits that the cluster reckons for each beside a decimal."""
INWARD = {"VARCHAR": "STRING", "INTEGER": "INT", "TIMESTAMP": "TIMESTAMP_NTZ"}
"""Types that the cluster calls otherwise."""


@dataclass(frozen=True, slots=True)
class Part:
    """SQL of one part of a predicate for the cluster, and its type in the embedded engine.

    `text`: it is this text, written out. `bare`: writing it twice costs nothing.
    """

    sql: str
    of: str
    text: str | None = None
    bare: bool = False

    @property
    def kind(self) -> Kind:
        """The kind of value that it is."""
        return Kind.NULL if self.of == "NULL" else kinds.kind(self.of)


def inner(spark: str) -> str:
    """Give the embedded engine's name of a type as the cluster's schema has it; what it cannot be is opaque."""
    if spark.startswith("decimal("):
        return spark.upper().replace(" ", "")
    return "VARCHAR" if _SIZED.fullmatch(spark) else _NAMES.get(spark, "BLOB")


def outer(of: str) -> str:
    """Give the cluster's name of a scalar type of the embedded engine."""
    return INWARD.get(of, of)


def size(of: str) -> tuple[int, int] | None:
    """Give (digits, places) of an exact number, as the cluster reckons; None: it is none."""
    if (found := _DECIMAL.fullmatch(of)) is not None:
        return int(found[1]), int(found[2])
    return (DIGITS[of], 0) if of in DIGITS else None


def name(text: str) -> str:
    """Quote an identifier for the cluster."""
    return "`" + text.replace("`", "``") + "`"


def literal(text: str) -> str:
    """Write a text for the cluster: one whose reading might hang on the cluster's settings goes as its bytes."""
    return f"'{text}'" if _SAFE.fullmatch(text) else f"CAST(X'{text.encode().hex()}' AS STRING)"


def column(table: str, called: str, of: str) -> Part:
    """Write a column; a moment becomes the one that the clock shows in UTC."""
    sql = f"{table}.{name(called)}"
    if of == "TIMESTAMP WITH TIME ZONE":
        return Part(f"CAST({sql} AS TIMESTAMP_NTZ)", "TIMESTAMP", bare=True)
    return Part(sql, of, bare=True)
