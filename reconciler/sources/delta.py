"""Decides how a Delta table is read: one version of it, pinned when it is opened, by the library that knows the format.

The files alone are not the table: deletion vectors take rows away, and columns may have other names in the files.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError, TableNotFoundError

from reconciler.clouds.faults import FOREIGN, quoted
from reconciler.core.errors import SourceError
from reconciler.sources import kinds
from reconciler.sources.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.sources.buckets import Bucket
    from reconciler.sources.engine import Engine
    from reconciler.sources.table import Reading

_FOREIGN = (DeltaError, OSError, ValueError, RuntimeError, TypeError)
_numbers = itertools.count()
_AT_ONCE = "datafusion.execution.target_partitions"
"""How many files are read at a time: not one a core, as each holds a group of its rows in memory, however few count."""
_HERE, _STORE = {_AT_ONCE: "1"}, {_AT_ONCE: "4"}  # a store is mostly waited for
_STOPPED = "get_next failed()"
_NAMED = re.compile(r" (file|location) ")
_NOT_THERE = " not found: "
_LOG = {
    "contiguous commit": ": its log has a gap",
    "nsupported": ": it needs a feature of Delta that is not read",
}


@dataclass(frozen=True, slots=True)
class DeltaPlace:
    """A Delta table at one version. `at` is where, a folder on this machine or in a store; `written` when, if known."""

    label: str
    table: Any
    at: Path | Bucket
    written: dt.datetime | None

    def stream(self, columns: Sequence[str], *, shape: bool = False) -> Any:
        """Give the rows as they come, with these columns alone; `shape`: none of them. Raises SourceError."""
        names, some = ", ".join(map(kinds.name, columns)), " LIMIT 0" if shape else ""
        setting = _HERE if isinstance(self.at, Path) else _STORE
        try:
            return QueryBuilder(setting).register("t", self.table).execute(f"SELECT {names} FROM t{some}")  # noqa: S608  # quoted
        except _FOREIGN as error:
            raise self.damaged(str(error)) from None

    def damaged(self, said: str) -> SourceError:
        """Say why the version cannot be read, without the library's words."""
        if not isinstance(self.at, Path) and _NOT_THERE not in said and (fault := quoted(said)) is not None:
            return self.at.told(fault)
        which = f"{self.label}: version {self.table.version()} of this Delta table cannot be read"
        if _NOT_THERE in said:
            return SourceError(f"{which}: one of its files is gone; was the table cleaned up, or written over?")
        return SourceError(f"{which}: one of its files is damaged or cut short")


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

    def fault(self, message: str) -> SourceError | None:
        """Say why the rows stopped."""
        said, at = unquote(message), self.place.at
        home = (str(at) if isinstance(at, Path) else at.url.key).strip("/")
        another = _NAMED.search(said) is not None and f" {home}/" not in said and f" /{home}/" not in said
        return self.place.damaged(message) if _STOPPED in said and not another else None

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
        when = "" if self.place.written is None else f" ({self.place.written:%Y-%m-%d %H:%M} UTC)"
        return f"version {self.place.table.version()} of {self.label}{when}"


def open_delta(label: str, at: Path | Bucket, version: int | None, roots: Sequence[Path]) -> DeltaPlace:
    """Open a version of a table; None: the newest. `roots` are the folders that its files may lie in, if it is local.

    Raises SourceError.
    """
    which = "the newest version" if version is None else f"version {version}"
    uri, options, bucket = (str(at), None, None) if isinstance(at, Path) else (at.url.plain, dict(at.options), at)
    try:
        table = DeltaTable(uri, version=version, storage_options=options)
        files = table.file_uris()
    except TableNotFoundError:
        raise SourceError(f"{label}: there is no Delta table here, or not {which} any more") from None
    except _FOREIGN as error:
        if bucket is not None and (fault := quoted(str(error))) is not None:
            raise bucket.told(fault) from None
        why = next((why for phrase, why in _LOG.items() if phrase in str(error)), "")
        more = "" if version is None else "; it may have been cleaned away: leave version out to read the newest"
        raise SourceError(f"{label}: {which} of this Delta table cannot be read{why}{more}") from None
    _contained(label, uri, files, roots)
    return DeltaPlace(label, table, at, _written(at, table.version()))


def delta_table(place: DeltaPlace, engine: Engine) -> DeltaLakeTable:
    """Settle the columns of a table. Raises SourceError."""
    fields = [str(field.name) for field in place.table.schema().fields]
    name = f"reconciler_delta_{next(_numbers)}"
    with engine.lent(name, place.stream(fields, shape=True)):
        return DeltaLakeTable(place, dict(engine.describe(f"SELECT * FROM {name}")))  # noqa: S608  # our own name


def _contained(label: str, at: str, files: Sequence[str], roots: Sequence[Path]) -> None:
    """Refuse a table whose log names files elsewhere, as that of a shallow clone does."""
    for file in files:
        path = Path(unquote(urlsplit(file).path) if file.startswith("file:") else file)
        inside = any(path.resolve().is_relative_to(root) for root in roots) if roots else file.startswith(f"{at}/")
        if not inside:
            raise SourceError(f"{label}: its log names files outside the table, which are not read")


def _written(at: Path | Bucket, version: int) -> dt.datetime | None:
    """Say when a version was written, by its own entry of the log: the library would read all of them, in one go."""
    name = f"_delta_log/{version:020}.json"
    try:
        entry = (at / name).read_bytes() if isinstance(at, Path) else at.read(name)
        told = next(json.loads(line)["commitInfo"] for line in entry.splitlines() if b'"commitInfo"' in line)
        return dt.datetime.fromtimestamp(told.get("inCommitTimestamp", told["timestamp"]) / 1000, dt.UTC)
    except (*FOREIGN, KeyError, AttributeError, StopIteration, OverflowError):  # it was cleaned up, or does not say
        return None
