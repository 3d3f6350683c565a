"""Decides which files outside the declarations count for what is sent, so that administrators alone change them.

Paths are relative to the repository's top, with '/'.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from reconciler.core.model import FileSecret
from reconciler.core.reads import AppCertificate, Dataverse, Files, secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.core.model import Declarations
    from reconciler.core.reads import Reads

EVERYWHERE = {
    ".gitattributes": "which changes how files are checked out and merged",
    ".gitmodules": "which brings in other repositories",
}
"""Files that count in whatever folder they are."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A file, a folder or a glob, in parts, and what it decides. `literal` is its path where it is no glob."""

    parts: tuple[str, ...]
    why: str

    def covers(self, path: str) -> bool:
        """Whether a path is it, is below it, or is a folder (or a link) on the way to it. Case does not count."""
        for part, pattern in zip(path.lower().split("/"), self.parts, strict=False):
            if pattern == "**":
                return True
            if not fnmatchcase(part, pattern.lower()):
                return False
        return True


def guards(declared: Declarations, top: str, prefix: str) -> tuple[Guard, ...]:
    """Give what is guarded. `top` is the repository's absolute path, `prefix` leads from it to the project's folder."""
    found = [
        Guard((".github",), "which holds the workflows and CODEOWNERS"),
        Guard(("CODEOWNERS",), "which names who reviews"),
        Guard(("docs", "CODEOWNERS"), "which names who reviews"),
    ]
    for path, why in _named(declared):
        parts = _within(path, top, prefix)
        if parts is not None:
            found.append(Guard(parts, why))
    return tuple(dict.fromkeys(found))


def why_guarded(path: str, guarded: Iterable[Guard]) -> str | None:
    """Say what a file decides; None when it decides nothing."""
    everywhere = EVERYWHERE.get(path.rpartition("/")[2].lower())
    return everywhere or next((guard.why for guard in guarded if guard.covers(path)), None)


def _named(declared: Declarations) -> Iterator[tuple[str, str]]:
    """Yield each path that the project names, as a glob, and what it decides."""
    project = declared.project
    yield ".reconciler", "which would be taken for the state"
    if project.state_url is not None:
        yield _literal(project.state_url.removeprefix("file:")), "which would be taken for the state"
    if project.suppressions is not None:
        yield _literal(project.suppressions), "which names people who are never sent"
    for name, source in declared.sources.items():
        yield from _of_source(name, source.reads)
    for target in project.notify:
        if isinstance(target.url, FileSecret):
            yield _literal(target.url.path), f'which holds the URL of the webhook "{target.name}"'
    for name, connection in declared.connections.items():
        if isinstance(connection.api_key, FileSecret):
            yield _literal(connection.api_key.path), f'which holds the key of the Connection "{name}"'


def _of_source(name: str, reads: Reads) -> Iterator[tuple[str, str]]:
    for path in _read(reads):
        yield path, f'which the Source "{name}" reads'
    for secret in secrets(reads):
        if isinstance(secret, FileSecret):
            yield _literal(secret.path), f'which holds a secret of the Source "{name}"'


def _read(reads: Reads) -> Iterator[str]:
    """Yield the paths that a source reads on the machine that it runs on."""
    match reads:
        case Files():
            tables = (table for table in (reads.profiles, reads.memberships) if table is not None)
            yield from (table.path for table in tables if "://" not in table.path)  # a store's paths are the store's
        case Dataverse(identity=AppCertificate(path=path)):
            yield _literal(path)
        case _:  # a cluster's paths are the cluster's
            return


def _literal(path: str) -> str:
    """Write a path as the glob that matches it alone."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def _within(path: str, top: str, prefix: str) -> tuple[str, ...] | None:
    """Give the parts of a path from the repository's top; None when it is not in the repository."""
    if path.startswith("/"):
        if not f"{path}/".startswith(f"{top.rstrip('/')}/"):
            return None
        whole = path[len(top.rstrip("/")) :]
    else:
        whole = f"{prefix}/{path}"
    parts: list[str] = []
    for part in whole.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return tuple(parts)
