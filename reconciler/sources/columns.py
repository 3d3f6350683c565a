"""Decides which columns a declared table has, from the headers of its files; what is ambiguous is refused."""

from __future__ import annotations

import csv
import os
from typing import TYPE_CHECKING

import duckdb

from reconciler.core.errors import SourceError
from reconciler.core.reads import MembershipTable, ProfileTable
from reconciler.core.texts import folded
from reconciler.sources import kinds, texts, urls
from reconciler.sources.tables import FileTable, parquet_sql, unfetched

if TYPE_CHECKING:
    from reconciler.sources.engine import Engine
    from reconciler.sources.places import Named, Where
    from reconciler.sources.texts import Record

Declared = ProfileTable | MembershipTable
_PIPES = 64  # files of one table that are decoded at the same time, a thread for each


def parquet_table(place: Where, engine: Engine) -> FileTable:
    """Settle the columns of Parquet files, which know them. Raises SourceError."""
    shapes: list[list[tuple[str, str]]] = []
    for path in place.files:
        try:
            shapes.append(engine.describe(parquet_sql([str(path)])))
        except duckdb.Error as error:
            _, why = unfetched(str(error)) or ("", "is not a whole Parquet file")
            raise SourceError(f"{place.label}: {path.name} {why}") from None
        if shapes[-1] != shapes[0]:
            raise _differs(place, path)
    return FileTable(place, dict(shapes[0]))


def csv_table(declared: Declared, place: Where) -> FileTable:
    """Settle the columns of CSV files. Raises SourceError."""
    called = texts.encoding(declared.encoding, place.label)
    delimiter = declared.delimiter or ","
    if len(delimiter) != 1 or delimiter in '"\r\n\0' or not delimiter.isascii():
        raise SourceError(f"{place.label}: the delimiter is one character, such as ',', ';' or a tab")
    records = [_first(path, called, delimiter, place.label) for path in place.files]
    cells = _cells(declared, place, records)
    columns = dict.fromkeys((name for name in cells if name), "VARCHAR")
    piped = not all(record.plain for record in records)
    ends = tuple(record.end for record in records)
    table = FileTable(
        place, columns, cells, declared.header, delimiter, called, ends, piped, remote=urls.is_url(place.label)
    )
    for column, wanted in (declared.types if isinstance(declared, ProfileTable) else {}).items():
        to = kinds.scalar(wanted)
        if to is None:
            raise SourceError(
                f"{place.label}: {column!r} cannot be of the type {wanted!r}; write INTEGER, DATE or such"
            )
        columns[table.column(column, "types")] = to
    if table.piped:
        _pipeable(table)
    return table


def _pipeable(table: FileTable) -> None:
    label = table.label
    if not hasattr(os, "mkfifo"):
        raise SourceError(f"{label}: on this platform only plain utf-8 and latin-1 are read; convert the file")
    if len(table.place.files) > _PIPES:
        raise SourceError(f"{label}: more than {_PIPES} files that are not plain utf-8 or latin-1; convert them")


def _first(path: Named, called: str, delimiter: str, label: str) -> Record:
    try:
        with texts.reading(path, called) as text:
            return texts.first(text, delimiter)
    except texts.FAULTS as fault:
        raise texts.undecodable(fault, path, called, label) from None
    except csv.Error:
        raise SourceError(
            f"{label}: {path.name} does not begin as well-formed CSV; read by half, or another kind of file"
        ) from None


def _cells(declared: Declared, place: Where, records: list[Record]) -> tuple[str, ...]:
    """Give the header's cells, the same in every file, or the columns that stand in for a header."""
    if not declared.header:
        if not declared.columns:
            raise SourceError(f"{place.label}: a file without a header needs columns: [name, …], one for each cell")
        return _unique(place.label, declared.columns)
    cells = records[0].cells
    for path, record in zip(place.files, records, strict=True):
        if not any(record.cells):
            raise SourceError(f"{place.label}: {path.name} is empty; a file without rows still has its header")
        if record.cells != cells:
            raise _differs(place, path)
    if declared.columns and declared.columns != cells:
        raise SourceError(f"{place.label}: the header is not what columns says; drop columns, or say header: false")
    return _unique(place.label, cells)


def _unique(label: str, cells: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse two columns of one name. The names are not shown: without a header they would be somebody's."""
    seen: dict[str, int] = {}
    for position, name in enumerate(cells, 1):
        other = seen.setdefault(folded(name), position) if name else position
        if other != position:
            raise SourceError(f"{label}: columns {other} and {position} have the same name; rename one in the header")
    return cells


def _differs(place: Where, path: Named) -> SourceError:
    return SourceError(
        f"{place.label}: {path.name} has other columns than {place.files[0].name}; give each kind its own source"
    )
