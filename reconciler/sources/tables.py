"""Decides how a table is read: the SQL that stands for its rows, and what makes the reading one by half.

A CSV column is text unless its type is declared, nothing is sniffed, and an empty cell is NULL. A value that is not of
the declared type fails the read: a NULL in its place would be a wrong answer that nobody sees.
"""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.errors import SourceError
from reconciler.sources import kinds, pipes, texts
from reconciler.sources.places import GLOB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from reconciler.sources.places import Place

WRONG_TYPE = "reconciler: column "
"""How the engine reports a value that is not of its column's declared type; the column's number follows."""


@dataclass(frozen=True, slots=True)
class Table:
    """One readable table: `columns` maps each name to its engine type.

    `cells` holds, for CSV, the header's cells, of which the unnamed are not columns; `called` is Python's name of
    the encoding, `ends` the line end of each file; `odd`: the engine would not find it by itself.
    """

    place: Place
    columns: Mapping[str, str]
    cells: tuple[str, ...] = ()
    header: bool = True
    delimiter: str = ","
    called: str = "utf-8"
    ends: tuple[str, ...] = ()
    odd: bool = False

    @property
    def piped(self) -> bool:
        """Whether Python must decode the files for the engine, or hide a name from it that it takes for a glob."""
        files = self.place.files
        return not self.place.parquet and (
            self.odd or self.called not in texts.NATIVE or any(texts.compressed(f) or GLOB & set(str(f)) for f in files)
        )

    def column(self, wanted: str, what: str) -> str:
        """Give the name of a column as the table has it. Raises SourceError with the nearest one."""
        names = {kinds.folded(name): name for name in self.columns}
        if (found := names.get(kinds.folded(wanted))) is not None:
            return found
        near = difflib.get_close_matches(kinds.folded(wanted), names, 1)
        hint = f"; did you mean {names[near[0]]}?" if near and kinds.tellable(near[0]) else ""
        headless = "; a file without a header needs header: false and columns" if self.cells and not hint else ""
        raise SourceError(f"{self.place.label}: there is no column {wanted!r} for {what}{hint}{headless}")

    def typed_nulls(self) -> str:
        """Give SQL of the table's shape without its rows; no file is touched."""
        return "SELECT " + ", ".join(f"CAST(NULL AS {of}) AS {kinds.name(name)}" for name, of in self.columns.items())

    @contextmanager
    def reading(self, spool: Path | None) -> Iterator[str]:
        """Give SQL of the table's rows, for one scan inside the block.

        Raises SourceError at its end when a file was not read to its end, or was written to meanwhile.
        """
        if self.place.parquet:
            yield parquet_sql([str(path) for path in self.place.files])
        elif spool is not None and self.piped:
            how = pipes.Decoding(self.called, self.delimiter, self.header, len(self.cells))
            with pipes.flowing(self.place.files, how, spool, self.place.label) as paths:
                yield self._csv_sql(paths, "utf-8", header=True)
        else:
            paths = tuple(str(path) for path in self.place.files)
            yield self._csv_sql(paths, texts.NATIVE[self.called], header=self.header)
        self.place.unchanged()

    def _csv_sql(self, paths: Sequence[str], encoding: str, *, header: bool) -> str:
        """Write one scan for the files of each line end: the engine takes one for all that it reads together."""
        shape = ", ".join(f"c{position}: 'VARCHAR'" for position in range(len(self.cells)))
        options = f"header={str(header).lower()}, delim={kinds.literal(self.delimiter)}, encoding='{encoding}', {_CSV}"
        kept = ", ".join(
            _declared(position, self.columns[name], kinds.name(name))
            for position, name in enumerate(self.cells)
            if name
        )
        scans = []
        for end in sorted(set(self.ends)):
            files = ", ".join(kinds.literal(path) for path, of in zip(paths, self.ends, strict=True) if of == end)
            scans.append(
                f"SELECT {kept} FROM read_csv([{files}], columns={{{shape}}}, {options}{_END[end]})"  # noqa: S608  # quoted by `kinds`
            )
        return " UNION ALL ".join(scans)


# Of the strict mode it is known that it lets pass cells too many that are empty, and spaces around quotes.
_CSV = (
    "auto_detect=false, quote='\"', escape='\"', nullstr='', strict_mode=true, null_padding=false, "
    "ignore_errors=false, hive_partitioning=false, union_by_name=false"
)


_END = {"\n": ", new_line='\\n'", "\r": ", new_line='\\r'", "\r\n": ""}


def parquet_sql(paths: Sequence[str]) -> str:
    """Give SQL of the rows of Parquet files, without columns made from the names of their folders."""
    files = ", ".join(map(kinds.literal, paths))
    return f"SELECT * FROM read_parquet([{files}], hive_partitioning=false, union_by_name=false)"  # noqa: S608  # quoted by `kinds`


def _declared(position: int, to: str, alias: str) -> str:
    """Write a column with its declared type; a value that is not of it raises an error that names the column."""
    cell = f"c{position}"
    if to == "VARCHAR":
        return f"{cell} AS {alias}"
    fits = f"TRY_CAST({cell} AS {to}) IS NOT NULL"
    if to in kinds.INTEGERS:  # the engine would round 2.5 to 3
        fits += f" AND regexp_full_match({cell}, '\\s*[+-]?[0-9]+\\s*')"
    return (
        f"CASE WHEN {cell} IS NULL OR ({fits}) THEN TRY_CAST({cell} AS {to}) "
        f"ELSE CAST(error('{WRONG_TYPE}{position}') AS {to}) END AS {alias}"
    )
