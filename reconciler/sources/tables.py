"""Decides how a table is read: the SQL that stands for its rows, and what makes the reading one by half.

A CSV column is text unless its type is declared, nothing is sniffed, and an empty cell is NULL. A value that is not of
the declared type fails the read: a NULL in its place would be a wrong answer that nobody sees.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.errors import SourceError
from reconciler.sources import kinds, pipes, texts
from reconciler.sources.places import GLOB
from reconciler.sources.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.sources.places import Where
    from reconciler.sources.table import Reading

WRONG_TYPE = "reconciler: column "
"""How the engine reports a value that is not of its column's declared type; the column's number follows."""
_UNFETCHED = re.compile(r"OSError: \[Errno \d+\] ([^\n]+): '(lake://[0-9a-f]+/\d+)'(?:\n|$)")
"""What our reader of objects says why it cannot, and the address, as the engine passes it on."""


@dataclass(frozen=True, slots=True)
class FileTable(Table):
    """A table in CSV or Parquet files.

    `held` has, for CSV, the header's cells, of which the unnamed are not columns; `called` is Python's name of the
    encoding, `ends` the line end of each file; `odd`: the engine would not find it by itself; `remote`: they
    are objects of a store. `note` is for the record of a run.
    """

    place: Where
    typed: Mapping[str, str]
    held: tuple[str, ...] = ()
    header: bool = True
    delimiter: str = ","
    called: str = "utf-8"
    ends: tuple[str, ...] = ()
    odd: bool = False
    note: str = ""
    remote: bool = False

    @property
    def label(self) -> str:
        """The path as it was declared."""
        return self.place.label

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns, in order, with their engine types."""
        return self.typed

    @property
    def cells(self) -> tuple[str, ...]:
        """The header's cells, for CSV."""
        return self.held

    @property
    def files(self) -> Mapping[str, str]:
        """Each file by itself, when there are several."""
        several = len(self.place.files) > 1
        return {str(path): f"{self.label}: {path.name}" if several else self.label for path in self.place.files}

    @property
    def piped(self) -> bool:
        """Whether Python must decode the files for the engine, or hide a name from it that it takes for a glob."""
        files = self.place.files
        return not self.place.parquet and (
            self.remote
            or self.odd
            or self.called not in texts.NATIVE
            or any(texts.compressed(f) or GLOB & set(str(f)) for f in files)
        )

    def fault(self, message: str) -> SourceError | None:
        """Say why an object could not be fetched."""
        found = unfetched(message)
        return SourceError(f"{self.files[found[0]]}: {found[1]}") if found and found[0] in self.files else None

    @contextmanager
    def reading(self, needs: Reading) -> Iterator[str]:
        """Give SQL of the table's rows, for one scan inside the block.

        Raises SourceError at its end when a file was not read to its end, or was written to meanwhile.
        """
        if self.place.parquet:
            yield parquet_sql([str(path) for path in self.place.files])
        elif needs.spool is not None and self.piped:
            how = pipes.Decoding(self.called, self.delimiter, self.header, len(self.held))
            with pipes.flowing(self.place.files, how, needs.spool, self.label) as paths:
                yield self._csv_sql(paths, "utf-8", header=True)
        else:
            paths = tuple(str(path) for path in self.place.files)
            yield self._csv_sql(paths, texts.NATIVE[self.called], header=self.header)
        self.place.unchanged()

    def mark(self) -> str:
        """Give a digest of the names and bytes of all files. Raises SourceError."""
        return self.place.mark()

    def snapshot(self) -> str:
        """Say how many files and bytes there are, and when the last was written."""
        return self.place.told() + self.note

    def _csv_sql(self, paths: Sequence[str], encoding: str, *, header: bool) -> str:
        """Write one scan for the files of each line end: the engine takes one for all that it reads together."""
        shape = ", ".join(f"c{position}: 'VARCHAR'" for position in range(len(self.held)))
        options = f"header={str(header).lower()}, delim={kinds.literal(self.delimiter)}, encoding='{encoding}', {_CSV}"
        kept = ", ".join(
            _declared(position, self.columns[name], kinds.name(name)) for position, name in enumerate(self.held) if name
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


def unfetched(message: str) -> tuple[str, str] | None:
    """Find in a fault of the engine the address of an object that could not be fetched, and why; None: another one."""
    found = _UNFETCHED.match(message)
    return (found[2], f"cannot be read: {found[1]}") if found else None


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
