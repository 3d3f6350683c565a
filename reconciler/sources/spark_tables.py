"""Decides what a table on a cluster is: its columns, the version that is read, and the SQL of its rows."""

from __future__ import annotations

import difflib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.core.errors import SourceError
from reconciler.core.texts import folded
from reconciler.sources import kinds, spark_faults
from reconciler.sources.spark_types import column, inner, name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.reads import SparkMemberships, SparkTable

_KEYS = {"VARCHAR", "BOOLEAN", "DATE", "TINYINT", "SMALLINT", "INTEGER", "BIGINT"}


@dataclass(frozen=True, slots=True)
class ClusterTable:
    """A table that can be read: `columns` by engine type; `version` is that of a Delta table, which stays the same."""

    label: str
    rows: str
    columns: Mapping[str, str]
    version: int | None

    def column(self, wanted: str, what: str) -> str:
        """Give the name of a column as the table has it. Raises SourceError with the nearest one."""
        names = {folded(called): called for called in self.columns}
        if (found := names.get(folded(wanted))) is not None:
            return found
        near = difflib.get_close_matches(folded(wanted), names, 1)
        hint = f"; did you mean {names[near[0]]}?" if near and kinds.tellable(near[0]) else ""
        raise SourceError(f"{self.label}: there is no column {wanted!r} for {what}{hint}")

    def key(self, wanted: str) -> str:
        """Write the column that tells profiles apart, or names their segment. Raises SourceError."""
        found = self.column(wanted, "id")
        of = self.columns[found]
        if of not in _KEYS and not of.startswith("DECIMAL"):
            raise SourceError(f"{self.label}: {found} is {of}, which is not written alike everywhere; use text")
        return name(found)

    def value(self, wanted: str) -> str:
        """Write a wanted column so that what comes out is what Row allows. Raises SourceError."""
        found = self.column(wanted, "the match")
        of = self.columns[found]
        if of == "BLOB":
            raise SourceError(f"{self.label}: {found} is of a type that cannot be sent; make it text in the cluster")
        return column("p", found, of).sql


def opened(session: Any, declared: SparkTable | SparkMemberships) -> ClusterTable:
    """Find a table and its columns, and keep to its version if it has one. Raises SourceError."""
    label = declared.label
    if declared.table is not None:
        at = ".".join(map(name, declared.table.split(".")))
    else:
        at = f"{name(declared.format)}.{name(declared.path or '')}"
    version = None if declared.table is None and declared.format != "delta" else _version(session, at)
    rows = f"SELECT * FROM {at}" + ("" if version is None else f" VERSION AS OF {version}")  # noqa: S608  # quoted
    try:
        fields = session.sql(rows).schema.fields
    except Exception as error:  # noqa: BLE001  # foreign code
        raise spark_faults.translate(error, label) from None
    return ClusterTable(label, rows, {each.name: inner(each.dataType.simpleString()) for each in fields}, version)


def _version(session: Any, at: str) -> int | None:
    """Give the newest version of a Delta table; None for a table that is none, or whose history may not be read."""
    with suppress(Exception):
        return int(session.sql(f"DESCRIBE HISTORY {at} LIMIT 1").collect()[0]["version"])
    return None
