"""Decides which paths a declaration may name, and whether the description of a table fits together."""

from __future__ import annotations

import codecs
import pathlib
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from reconciler.core.reads import Files, ProfileTable
from reconciler.manifest.rules.world import fault
from reconciler.manifest.words import did_you_mean, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.diagnostics import Diagnostic, Marks, Path
    from reconciler.core.reads import MembershipTable
    from reconciler.manifest.rules.world import World

_LOOKED_AT: Final = 1_000
"""Files of a folder or a glob whose links are followed here; the source follows them all."""
_RIGHT: Final[Mapping[object, str]] = {
    "path": "write path: data/customers.csv, or name its folder in Project.spec.dataRoots",
    "suppressions": "write suppressions: suppressions.txt",
}
_TABLES: Final = frozenset((".csv", ".txt", ".tsv", ".gz", ".parquet"))
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_SIGNED = re.compile(r"[?&](sig|se|sp|X-Amz-[A-Za-z-]+|X-Goog-[A-Za-z-]+)=", re.IGNORECASE)
_NEVER = re.compile(r"(?!)")
_PLAIN = re.compile(r"[^/@:]+/[^\0\n#]*[^/\0\n#]/?")
_LAKES: Final[Mapping[str, re.Pattern[str]]] = {
    "az": _PLAIN,
    "s3": _PLAIN,
    "gs": _PLAIN,
    "abfss": re.compile(
        r"[^/@:]+@([a-z0-9]{3,24}[.]dfs[.]core[.]windows[.]net|onelake[.]dfs[.]fabric[.]microsoft[.]com)/[^\0\n#]*[^/\0\n#]/?"
    ),
}
_URLS: Final = "write path: az://customers/profiles, or the URL of an abfss://, s3:// or gs:// store"
_ENCODINGS: Final = "utf-8", "utf-16", "latin-1", "cp1252", "iso-8859-15"


def path_outside(world: World) -> Iterator[Diagnostic]:
    """Refuse paths that leave the project; a data root lets tables be elsewhere."""
    home = world.root.resolve()
    roots = (home, *((world.root / root).resolve() for root in world.project.data_roots))
    for marks, key, table in _tables(world):
        yield from _judge(marks, ("spec", key, "path"), table.path, world.root, roots)
    for project in world.projects:
        if project.suppressions is not None:
            yield from _judge(project.marks, ("spec", "suppressions"), project.suppressions, world.root, (home,))


def _judge(
    marks: Marks, path: Path, text: str, root: pathlib.Path, roots: tuple[pathlib.Path, ...]
) -> Iterator[Diagnostic]:
    right = _RIGHT[path[-1]]
    if "\0" in text or "\n" in text:
        yield fault(marks, path, "path-outside", f"this is no path; {right}")
    elif _SCHEME.match(text):
        yield from _judge_url(marks, path, text)
    elif not _within(root, roots, text):
        yield fault(marks, path, "path-outside", f"{quote(text)} leaves the project's folder; {right}")


def _judge_url(marks: Marks, path: Path, text: str) -> Iterator[Diagnostic]:
    """Allow tables in the object stores that are read; a password or a signature has no place in a URL."""
    scheme, _, rest = text.partition("://")
    authority = rest.partition("/")[0]
    if path[-1] == "path" and scheme in _LAKES and (_SIGNED.search(text) or ":" in authority.partition("@")[0]):
        message = "a password or a signature stands in this URL; take it out, and change it: it is in the history"
        yield fault(marks, path, "key-in-file", message)
    elif path[-1] != "path" or not _LAKES.get(scheme, _NEVER).fullmatch(rest):
        forms = _URLS if path[-1] == "path" else _RIGHT[path[-1]]
        yield fault(marks, path, "path-url", f"{quote(text)} is no place that is read; {forms}")


def _within(root: pathlib.Path, roots: tuple[pathlib.Path, ...], text: str) -> bool:
    try:
        return all(any(place.is_relative_to(r) for r in roots) for place in _places(root, text))
    except (OSError, RuntimeError, ValueError, NotImplementedError):  # a link in a circle, a pattern that is none
        return False


def _places(root: pathlib.Path, text: str) -> Iterator[pathlib.Path]:
    """Yield where a path, a folder or a glob leads: what stands before the first wildcard, then what is found."""
    parts = pathlib.PurePath(text).parts
    wild = next((index for index, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts))
    start = root.joinpath(*parts[:wild])
    yield start.resolve()
    if ".." in parts[wild:]:
        yield pathlib.Path("/")
    elif start.is_dir():
        pattern = str(pathlib.PurePath(*parts[wild:])) if parts[wild:] else "**/*"
        found = islice(start.glob(pattern), _LOOKED_AT)
        yield from (path.resolve() for path in found if path.suffix in _TABLES and path.is_symlink())


STORES = {
    "az": "az://CONTAINER/PREFIX",
    "s3": "s3://BUCKET/PREFIX",
    "gs": "gs://BUCKET/PREFIX",
    "postgresql": "postgresql://USER@HOST/DATABASE",
    "git+branch": "git+branch://BRANCH",
}
"""Places that machines can share, by scheme, with how they are written."""


def state_url(world: World) -> Iterator[Diagnostic]:
    """Allow a folder of the project, and the stores that machines can share; a password has no place in it."""
    path, right = ("spec", "state", "url"), "write state: {url: .reconciler}"
    for project in world.projects:
        url = project.state_url
        if url is None or url.startswith("file:/"):
            continue
        if _SCHEME.match(url):
            scheme, _, rest = url.partition("://")
            if not rest or scheme not in STORES:
                forms = ", ".join(STORES.values())
                message = f"the state cannot be kept at {quote(url)}; write a folder, or one of {forms}"
                yield fault(project.marks, path, "state-url", message)
            elif ":" in rest.partition("/")[0].rpartition("@")[0]:
                message = (
                    "a password stands in the address of the state; take it out, and change it: it is in the history"
                )
                yield fault(project.marks, path, "key-in-file", message)
        elif pathlib.PurePath(url).is_absolute() or ".." in pathlib.PurePath(url).parts:
            yield fault(project.marks, path, "state-url", f"{quote(url)} leaves the project's folder; {right}")


def _tables(world: World) -> Iterator[tuple[Marks, str, ProfileTable | MembershipTable]]:
    for source in world.sources:
        if isinstance(source.reads, Files):
            yield source.marks, "profiles", source.reads.profiles
            if source.reads.memberships is not None:
                yield source.marks, "memberships", source.reads.memberships


def table_columns(world: World) -> Iterator[Diagnostic]:
    """Names for the columns go with files that have no header, are unique, and include the ones that are used."""
    for marks, key, table in _tables(world):
        path = ("spec", key)
        if not table.header and not table.columns:
            message = "files without a header need names for their columns; write columns: [CustomerKey, EmailAddress]"
            yield fault(marks, (*path, "header"), "columns", message)
        if table.header and table.columns:
            message = "columns are named where there is no header; write header: false, or leave columns out"
            yield fault(marks, (*path, "columns"), "columns", message)
        folded = [name.casefold() for name in table.columns]
        for index, name in enumerate(table.columns):
            if folded[index] in folded[:index]:
                message = f"the column {quote(name)} stands twice; give one another name"
                yield fault(marks, (*path, "columns", index), "columns", message)


def encoding(world: World) -> Iterator[Diagnostic]:
    """Refuse encodings that nobody knows."""
    for marks, key, table in _tables(world):
        if table.encoding is not None and not _text_encoding(table.encoding):
            hint = did_you_mean(table.encoding, _ENCODINGS, "write encoding: latin-1")
            message = f"no encoding is named {quote(table.encoding)}; {hint}"
            yield fault(marks, ("spec", key, "encoding"), "encoding-name", message)


def _text_encoding(name: str) -> bool:
    try:
        "".encode(codecs.lookup(name).name)
    except (LookupError, ValueError):
        return False
    return True


def column_types(world: World) -> Iterator[Diagnostic]:
    """Refuse decimals with more places than digits."""
    for marks, key, table in _tables(world):
        for column, kind in table.types.items() if isinstance(table, ProfileTable) else ():
            figures = [int(n) for n in re.findall(r"[0-9]+", kind)]
            if figures and figures[1] > figures[0]:
                message = f"{quote(kind)} has more places than digits; write {{{quote(column)}: decimal(12,2)}}"
                yield fault(marks, ("spec", key, "types", column), "column-type", message)
