"""Decides which of the dated folders that Customer Insights wrote is read: the newest that its model.json vouches for.

An export writes `TABLE/YEAR/MONTH/DAY/HHMM/*.csv`, without a header, and then the model.json that names columns, types
and every file (a Common Data Model folder). It stands beside the tables, or in a table's folder, or with the files. A
folder whose files are not all there, or are not all named, is still being written: the one before it is read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from reconciler.core.errors import SourceError
from reconciler.core.reads import ProfileTable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from reconciler.core.reads import MembershipTable

MODEL = "model.json"
_YEAR = re.compile(r"\d{4}")
_DATED = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})/(\d{4})/([^/]+)")
_TYPES = {"boolean": "BOOLEAN", "int64": "BIGINT", "double": "DOUBLE", "date": "DATE", "dateTime": "TIMESTAMP"}
"""The model's types as the engine's; all others, decimals among them, are read as the text that they are."""


@dataclass(frozen=True, slots=True)
class Dated:
    """A folder that is read: its path below the table's, what its files are, and the newer ones that are not whole."""

    folder: str
    columns: tuple[str, ...]
    types: Mapping[str, str]
    header: bool
    delimiter: str
    encoding: str
    passed_over: tuple[str, ...] = ()

    def declared(self, declared: ProfileTable | MembershipTable) -> ProfileTable | MembershipTable:
        """Give a declaration with what the model says in place of what was left out."""
        told = replace(
            declared,
            header=self.header,
            columns=() if self.header else self.columns,
            delimiter=self.delimiter,
            encoding=declared.encoding or self.encoding,
        )
        if isinstance(told, ProfileTable):
            return replace(told, types={**self.types, **told.types})
        return told

    @property
    def note(self) -> str:
        """Say which folders were passed over, for the record of a run."""
        return f", {' and '.join(self.passed_over)} passed over: not whole yet" if self.passed_over else ""


def dated(names: Collection[str]) -> bool:
    """Tell whether the entries of a folder are years, and so the folder is a table's."""
    return any(_YEAR.fullmatch(name) for name in names)


def newest(label: str, table: str, names: Sequence[str], read: Callable[[str], bytes | None]) -> Dated:
    """Choose a folder. Raises SourceError, also when none is whole.

    `names` are the files below the table's folder, relative to it; `read` gives a file by such a name, or None: there
    is none. `table` is the name of the table's folder, by which the model knows it.
    """
    files: dict[str, set[str]] = {}
    for name in names:
        if (found := _DATED.fullmatch(name)) is not None and found[5].lower().endswith((".csv", ".csv.gz")):
            files.setdefault("/".join(found.groups()[:4]), set()).add(found[5])
    shared = next((model for where in (MODEL, f"../{MODEL}") if (model := read(where)) is not None), None)
    passed: list[str] = []
    for folder in sorted(files, key=lambda each: [int(part) for part in each.split("/")], reverse=True):
        model = read(f"{folder}/{MODEL}") or shared
        entity = _entity(label, model, table)
        partitions = _partitions(entity, folder)
        if partitions and set(partitions) == files[folder]:
            return _described(label, folder, entity, partitions, tuple(passed))
        passed.append(folder)
    raise SourceError(f"{label}: {MODEL} vouches for none of its dated folders; try again when one is whole")


def _entity(label: str, model: bytes | None, table: str) -> Mapping[str, Any]:
    """Find the table in the model. Raises SourceError."""
    if model is None:
        raise SourceError(f"{label}: there is no {MODEL} beside it, so nobody can tell whether it is whole")
    try:
        entities = json.loads(model.decode("utf-8-sig"))["entities"]
        known = {str(entity["name"]): entity for entity in entities}
    except (ValueError, KeyError, TypeError):
        raise SourceError(f"{label}: {MODEL} is no model of tables, or is being written; try again") from None
    if table not in known:
        raise SourceError(f"{label}: {MODEL} knows no table {table!r}; the path is that of one table's folder")
    entity: Mapping[str, Any] = known[table]
    return entity


def _partitions(entity: Mapping[str, Any], folder: str) -> dict[str, Mapping[str, Any]]:
    """Give the files that the model names in this folder, each with how it is written."""
    found = {}
    for partition in entity.get("partitions") or ():
        path = PurePosixPath(unquote(urlsplit(str(partition.get("location", ""))).path))
        if str(path.parent) == "." or str(path.parent).endswith(f"/{folder}") or str(path.parent) == folder:
            found[path.name] = partition.get("fileFormatSettings") or {}
    return found


def _described(
    label: str,
    folder: str,
    entity: Mapping[str, Any],
    partitions: Mapping[str, Mapping[str, Any]],
    passed: tuple[str, ...],
) -> Dated:
    ways = {
        (
            bool(settings.get("columnHeaders", False)),
            str(settings.get("delimiter") or ","),
            str(settings.get("encoding") or "utf-8"),
        )
        for settings in partitions.values()
    }
    if len(ways) > 1:
        raise SourceError(f"{label}: the files of {folder} are not all written in the same way")
    (header, delimiter, encoding), *_ = ways
    attributes = [(str(each["name"]), str(each.get("dataType", "string"))) for each in entity["attributes"]]
    types = {name: _TYPES[of] for name, of in attributes if of in _TYPES}
    return Dated(folder, tuple(name for name, _ in attributes), types, header, delimiter, encoding, passed)
