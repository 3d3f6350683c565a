"""Decides which line a fault of the engine becomes. Its own words quote data, so none of them passes through."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import duckdb

from reconciler.core.errors import PartUnread, PredicateRefused, SourceError
from reconciler.sources import kinds
from reconciler.sources.tables import WRONG_TYPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.sources.engine import Limits
    from reconciler.sources.table import Table

_LINE = re.compile(r"Invalid Input Error: CSV Error on Line: (\d+)\n")
_WRONG_TYPE = re.compile(rf"Invalid Input Error: {WRONG_TYPE}(\d+)")
_CAST_FROM = re.compile(r"when casting from source column (.*)\n\nLINE ")
_CSV = {
    "Expected Number of Columns": "has too few or too many cells; the file was perhaps read by half",
    "unterminated quote": "has a quote that is not closed, or text after it; the file was perhaps read by half",
    "Invalid unicode": "is not utf-8 text; declare the encoding, such as latin-1 or cp1252",
    "Maximum line size": "is longer than 2,000,000 bytes",
}
_GENERIC = {
    "CSV": "is not well-formed CSV, or mixes line ends; it was read by half",
    "File is not": "is not text in the declared encoding; cp1252 and others can be declared",
}


def translate(error: duckdb.Error, tables: Sequence[Table], limits: Limits) -> SourceError:
    """Give the one line for a fault of a scan over `tables`; the first of them holds the profiles."""
    message = str(error)
    from_below = next(filter(None, (table.fault(message) for table in tables)), None)
    return from_below or _engines_own(error, tables, limits)


def _engines_own(error: duckdb.Error, tables: Sequence[Table], limits: Limits) -> SourceError:
    message, label = str(error), tables[0].label
    match error:
        case duckdb.InterruptException():
            return SourceError(f"{label}: the scan was stopped after {limits.timeout:g} s, the most that one may take")
        case duckdb.OutOfMemoryException():
            return SourceError(f"{label}: the engine needs more memory than its limit of {limits.memory}")
        case duckdb.ConversionException():
            return _uncast(message, tables[0])
        case duckdb.OutOfRangeException():
            return PredicateRefused(f"{label}: a figure in the predicate grows too large; write CAST(… AS DOUBLE)")
        case duckdb.InvalidInputException():
            return _invalid(message, tables)
        case _:
            return SourceError(f"{_file(message, tables)}: cannot be read to its end")


def _invalid(message: str, tables: Sequence[Table]) -> SourceError:
    """Judge what the engine calls invalid input: a row, a value of a declared type, or a value that a function met."""
    profiles = tables[0]
    if (wrong := _WRONG_TYPE.fullmatch(message)) is not None:
        column = profiles.cells[int(wrong[1])]
        wanted = profiles.columns[column]
        said = f"{profiles.label}: column {column!r} holds a value that is not of its type {wanted}"
        return PartUnread({}, {column: said})
    if (line := _LINE.match(message)) is not None:
        why = next((why for phrase, why in _CSV.items() if phrase in message), "is not well-formed CSV")
        return SourceError(f"{_file(message, tables)}: the row at line {int(line[1]):,} {why}")
    if message.startswith("Invalid Input Error: Could not parse string"):
        advice = "TRY_STRPTIME leaves such profiles out"
        return PredicateRefused(f"{profiles.label}: a value is not in the format of STRPTIME; {advice}")
    why = next((why for phrase, why in _GENERIC.items() if phrase in message), "cannot be read to its end")
    return SourceError(f"{_file(message, tables)}: {why}")


def _uncast(message: str, profiles: Table) -> PredicateRefused:
    """Name the column of a cast that failed at run time: the engine says it last, and only a known name is believed."""
    found = _CAST_FROM.findall(message)
    column = found[-1] if found and found[-1] in profiles.columns and kinds.tellable(found[-1]) else None
    where = f"{column} holds a value" if column else "a column holds a value"
    example = f"TRY_CAST({column or 'column'} AS DOUBLE)"
    return PredicateRefused(
        f"{profiles.label}: {where} that cannot be cast as the predicate asks; {example} leaves such profiles out"
    )


def guilty(error: duckdb.Error, tables: Sequence[Table]) -> Table:
    """Give the table whose file the engine names in a fault; the profiles, when it names none that it was given."""
    return _at(str(error), tables)[0]


def _file(message: str, tables: Sequence[Table]) -> str:
    return _at(message, tables)[1]


def _at(message: str, tables: Sequence[Table]) -> tuple[Table, str]:
    for table in tables:
        for path, label in table.files.items():
            if f"file = {path}\n" in message:
                return table, label
    return tables[0], tables[0].label


def refusal(error: duckdb.Error, profiles: Table, limits: Limits) -> SourceError:
    """Give the one line for a predicate that the engine will not plan: no row was read, so its words hold no data."""
    if isinstance(error, (duckdb.InterruptException, duckdb.OutOfMemoryException)):
        return translate(error, [profiles], limits)
    return unplanned(error)


def unplanned(error: duckdb.Error) -> PredicateRefused:
    """Give the same for one that was planned over no table, for another engine."""
    if isinstance(error, duckdb.BinderException):
        why = str(error).splitlines()[0].removeprefix("Binder Error: ")
        return PredicateRefused("".join(c if c.isprintable() else "?" for c in why)[:300])
    return PredicateRefused("a value, pattern or format in the predicate is not one that the engine can use")
