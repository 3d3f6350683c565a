"""Reads what a commit declares. It decides which of its files are declarations, as the folder's reader does.

A link or another repository below `exports/` cannot be judged: what it leads to may change without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Diagnostic, Where
from reconciler.core.model import Declarations
from reconciler.core.versions import Version
from reconciler.manifest.folder import FOLDER, LARGEST, TOTAL, Content
from reconciler.manifest.load import Survey, survey
from reconciler.manifest.words import escape
from reconciler.revisions import LINK, MODULE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from reconciler.revisions import Entry, Repository

_YAML = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: every file by its path from the top, what it declares, and the files that were read for it."""

    id: str
    files: Mapping[str, Entry]
    survey: Survey
    read: frozenset[str]

    @property
    def empty(self) -> bool:
        """Whether it declares nothing, because there is nothing."""
        return not self.survey.values and {d.rule for d in self.survey.faults} == {"no-declarations"}

    @property
    def version(self) -> Version | None:
        """What it declares, or None when that does not load."""
        declared = Declarations() if self.empty else self.survey.declared
        return None if declared is None else Version(declared, self.survey.values, self.survey.safety)


def read_commit(repository: Repository, commit: str, root: Path) -> Commit:
    """Read a commit by its id. Raises ReconcilerError when the clone lacks a part of it."""
    files = repository.tree(commit)
    chosen = _chosen(files, repository.prefix)
    return Commit(commit, files, survey(root, _contents(repository, chosen, files)), frozenset(chosen.values()))


def _chosen(files: Mapping[str, Entry], prefix: str) -> dict[str, str]:
    """Give what the folder's reader would read, or stumble over: paths from the project's folder, and from the top."""
    found = {}
    for path, entry in files.items():
        inner = path.removeprefix(prefix) if path.startswith(prefix) else ""
        folder, *parts = inner.split("/")
        if folder != FOLDER or any(part.startswith(".") for part in parts):
            continue
        if entry.mode in {LINK, MODULE} or any(part.endswith(_YAML) for part in parts):
            found[inner] = path
    return dict(sorted(found.items(), key=lambda item: item[0].split("/")))


def _contents(
    repository: Repository, chosen: Mapping[str, str], files: Mapping[str, Entry]
) -> Iterator[Content | Diagnostic]:
    plain = {inner: files[path] for inner, path in chosen.items() if files[path].mode not in {LINK, MODULE}}
    sizes = repository.sizes(entry.id for entry in plain.values())
    total = sum(sizes[entry.id] for entry in plain.values())
    if total > TOTAL:
        message = f"the declarations are over {TOTAL // 1_000_000} MB together; keep data out"
        yield Diagnostic(Where(FOLDER), "too-large", message)
        return
    small = repository.contents(entry.id for entry in plain.values() if sizes[entry.id] <= LARGEST)
    for inner in chosen:
        where = Where(escape(inner))
        if inner not in plain:
            message = "this leads elsewhere, where nobody can judge it here; put the file itself below exports/"
            yield Diagnostic(where, "link", message)
        elif any(part.endswith(_YAML) for part in inner.split("/")[:-1]):
            message = "this is in a folder that is named like a file; a declaration is a plain file"
            yield Diagnostic(where, "not-a-file", message)
        elif plain[inner].id not in small:
            message = f"the file is over {LARGEST // 1_000_000} MB; split it"
            yield Diagnostic(where, "too-large", message)
        else:
            yield Content(escape(inner), small[plain[inner].id])
