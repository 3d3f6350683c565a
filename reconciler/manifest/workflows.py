"""Decides which workflows `init --github` writes, and what in them is the repository's own: branch, folder, commit."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from reconciler.core.errors import ReconcilerError

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = ".github/workflows"
_ACTION: Final = f"contoso/reconciler/.github/actions/reconcile@{'0' * 40}"
"""What stands in the files for the action. They are workflows as they are, and can be checked as such."""

_REFERENCE = re.compile(r"([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)@([0-9a-f]{40})")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*")
_PREFIX = re.compile(r"(?:[A-Za-z0-9_.-]+/)*")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the workflows run: the repository's top, the way from there to the project, the branch that is pushed.

    `action` is OWNER/REPO@COMMIT of the repository that holds the action.
    """

    top: Path
    prefix: str
    branch: str
    action: str


def workflows(place: Place) -> dict[str, str]:
    """Give the text of every workflow by its path from the top. Raises ReconcilerError for names that do not fit."""
    reference = _REFERENCE.fullmatch(place.action)
    if reference is None:
        raise ReconcilerError("--action: give the action's repository and a whole commit: OWNER/REPO@40-HEX-DIGITS")
    if not _BRANCH.fullmatch(place.branch) or ".." in place.branch:
        raise ReconcilerError("--branch: this is no name of a branch")
    if not _PREFIX.fullmatch(place.prefix):
        raise ReconcilerError("the way to the project holds a space or another rare sign; give it a plainer folder")
    action = f"{reference[1]}/.github/actions/reconcile@{reference[2]}"
    own = (
        (_ACTION, action),
        ("[main]", f"[{place.branch}]"),
        ("ref: main", f"ref: {place.branch}"),
        ("refs/heads/main", f"refs/heads/{place.branch}"),
        ("DIRECTORY: .", f"DIRECTORY: {place.prefix.rstrip('/') or '.'}"),
    )
    made = {}
    for file in sorted(files("reconciler").joinpath("github").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".yml"):
            text = file.read_text(encoding="utf-8")
            for ours, theirs in own:
                text = text.replace(ours, theirs)
            made[f"{FOLDER}/{file.name}"] = text
    return made


def write(place: Place) -> tuple[Path, ...]:
    """Write the workflows. Raises ReconcilerError, before anything is written, where one is there and says other."""
    made = {place.top / name: text for name, text in workflows(place).items()}
    taken = [path for path, text in made.items() if path.is_symlink() or (path.exists() and not _says(path, text))]
    if taken:
        names = ", ".join(path.name for path in taken)
        raise ReconcilerError(f"nothing was written: {names} would be overwritten; take the old ones away first")
    try:
        for path, text in made.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ReconcilerError(f"the workflows cannot be written: {error.strerror}") from None
    return tuple(made)


def installed_from() -> str:
    """Give OWNER/REPO@COMMIT that this was installed from, as pip recorded it; empty when it was not from there."""
    try:
        recorded = json.loads(distribution("reconciler").read_text("direct_url.json") or "{}")
        way = urlsplit(recorded["url"]).path.strip("/").removesuffix(".git")
        commit = recorded["vcs_info"]["commit_id"]
    except (PackageNotFoundError, KeyError, TypeError, ValueError):
        return ""
    found = f"{way}@{commit}"
    return found if _REFERENCE.fullmatch(found) else ""


def _says(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()
