"""Decides how a Delta table is read: one version of it, pinned when it is opened, by the library that knows the format.

The files alone are not the table: deletion vectors take rows away, and columns may have other names in the files.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError, TableNotFoundError

from reconciler.core.errors import SourceError
from reconciler.sources import kinds
from reconciler.sources.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.sources.engine import Engine
    from reconciler.sources.table import Reading

_FOREIGN = (DeltaError, OSError, ValueError, RuntimeError, TypeError)
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class DeltaPlace:
    """A Delta table at one version."""

    label: str
    table: Any
    written: str

    def stream(self, columns: Sequence[str]) -> Any:
        """Give the rows as they come, with these columns alone. Raises SourceError."""
        names = ", ".join(map(kinds.name, columns))
        try:
            return QueryBuilder().register("t", self.table).execute(f"SELECT {names} FROM t")  # noqa: S608  # quoted
        except _FOREIGN:
            raise self.damaged() from None

    def damaged(self) -> SourceError:
        """Say that the version cannot be read."""
        return SourceError(f"{self.label}: version {self.table.version()} of this Delta table cannot be read")


@dataclass(frozen=True, slots=True)
class DeltaLakeTable(Table):
    """A table in Delta."""

    place: DeltaPlace
    typed: Mapping[str, str]

    @property
    def label(self) -> str:
        """The path as it was declared."""
        return self.place.label

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns, in order, with their engine types."""
        return self.typed

    @contextmanager
    def reading(self, needs: Reading) -> Iterator[str]:
        """Give SQL of the rows of the pinned version, for one scan inside the block."""
        columns = [column for column in self.typed if column in needs.columns]
        name = f"reconciler_delta_{next(_numbers)}"
        with needs.engine.lent(name, self.place.stream(columns)):
            yield f"SELECT * FROM {name}"  # noqa: S608  # our own name

    def mark(self) -> str:
        """Tell the content apart by the table's id and its version."""
        table = self.place.table
        return hashlib.sha256(f"{table.metadata().id} {table.version()}".encode()).hexdigest()

    def snapshot(self) -> str:
        """Say which version is read, and when it was written."""
        return f"version {self.place.table.version()} of {self.label}{self.place.written}"


def open_delta(
    label: str, at: str, version: int | None, options: Mapping[str, str] | None, roots: Sequence[Path]
) -> DeltaPlace:
    """Open a version of a table; None: the newest. `roots` are the folders that its files may lie in, if it is local.

    Raises SourceError.
    """
    which = "the newest version" if version is None else f"version {version}"
    try:
        table = DeltaTable(at, version=version, storage_options=None if options is None else dict(options))
        files = table.file_uris()
    except TableNotFoundError:
        raise SourceError(f"{label}: there is no Delta table here, or not {which} any more") from None
    except _FOREIGN:
        more = "" if version is None else "; it may have been cleaned away: leave version out to read the newest"
        raise SourceError(f"{label}: {which} of this Delta table cannot be read{more}") from None
    _contained(label, at, files, roots)
    return DeltaPlace(label, table, _written(table))


def delta_table(place: DeltaPlace, engine: Engine) -> DeltaLakeTable:
    """Settle the columns of a table. Raises SourceError."""
    fields = [str(field.name) for field in place.table.schema().fields]
    name = f"reconciler_delta_{next(_numbers)}"
    with engine.lent(name, place.stream(fields)):
        return DeltaLakeTable(place, dict(engine.describe(f"SELECT * FROM {name}")))  # noqa: S608  # our own name


def _contained(label: str, at: str, files: Sequence[str], roots: Sequence[Path]) -> None:
    """Refuse a table whose log names files elsewhere, as that of a shallow clone does."""
    for file in files:
        path = Path(unquote(urlsplit(file).path) if file.startswith("file:") else file)
        inside = any(path.resolve().is_relative_to(root) for root in roots) if roots else file.startswith(f"{at}/")
        if not inside:
            raise SourceError(f"{label}: its log names files outside the table, which are not read")


def _written(table: Any) -> str:
    try:
        commits = [commit for commit in table.history() if commit.get("version") == table.version()]
    except _FOREIGN:
        return ""
    if not commits or "timestamp" not in commits[0]:
        return ""
    when = dt.datetime.fromtimestamp(commits[0]["timestamp"] / 1000, dt.UTC)
    return f" ({when:%Y-%m-%d %H:%M} UTC)"
