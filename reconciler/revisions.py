"""Runs git, in this file alone: what a commit holds, read from the objects without a checkout.

It decides what git may do here: read. No hook, no filter, no pager, no network, no prompt, and nothing from the
environment but where git and its settings are. A repository that hides in the project's own files is not taken for one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LINK = "120000"
MODULE = "160000"
"""The modes of a symbolic link, and of another repository."""

_OLDEST = (2, 38)
"""The first git that can be told not to take a folder of a checkout for a bare repository."""
_KEPT = "PATH", "HOME", "XDG_CONFIG_HOME", "USERPROFILE", "SYSTEMROOT", "TMPDIR"
_SET = {
    "LC_ALL": "C",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}
_SETTINGS = (
    "safe.bareRepository=explicit",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.warnAmbiguousRefs=true",
)
_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a commit: its mode, such as 100644, and the id of its content."""

    mode: str
    id: str


class Repository:
    """The repository that a folder is in. `top` is its absolute path, `prefix` leads from there to the folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        """Find it. Raises ReconcilerError when there is no git, no repository, or one that git does not trust."""
        known = os.environ if environ is None else environ
        self._folder = folder
        self._git = _program(known)
        self._environ = {name: known[name] for name in _KEPT if name in known} | _SET
        self._recent_enough()
        done = self._run("rev-parse", "--show-toplevel", "--show-prefix", "--is-shallow-repository")
        if done.returncode:
            raise ReconcilerError(_no_repository(folder, _text(done.stderr)))
        self.top, self.prefix, shallow = _text(done.stdout).split("\n")[:3]
        self.shallow = shallow == "true"

    def commit(self, name: str, option: str) -> str:
        """Give the id of the commit that `name` means, which `option` was given. Raises ReconcilerError."""
        unknown = f"{option}: this clone has no such commit; fetch it first (actions/checkout: fetch-depth: 0)"
        if not name or "\0" in name:
            raise ReconcilerError(f"{option}: a commit, a branch or a tag is needed")
        done = self._run("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
        found = _text(done.stdout).strip()
        if "is ambiguous" in _text(done.stderr):
            raise ReconcilerError(
                f"{option}: a branch and a tag have this name; write refs/heads/… in full, or the commit"
            )
        if done.returncode or not _ID.fullmatch(found):
            raise ReconcilerError(unknown)
        return found

    def contains(self, commit: str, ancestor: str) -> bool:
        """Whether `ancestor` is in the history of `commit`, or is it."""
        done = self._run("merge-base", "--is-ancestor", ancestor, commit)
        if done.returncode not in {0, 1}:
            raise ReconcilerError("git cannot compare the two commits; is the clone whole?")
        return done.returncode == 0

    def tree(self, commit: str) -> dict[str, Entry]:
        """Give every file of a commit by its path from the top; a path that is not UTF-8 keeps its bytes escaped."""
        listed = self._checked("ls-tree", "-r", "-z", "--full-tree", commit)
        found: dict[str, Entry] = {}
        for record in filter(None, listed.split(b"\0")):
            about, _, name = record.partition(b"\t")
            mode, _, id_ = about.decode().split(" ")
            path = name.decode("utf-8", "surrogateescape")
            if path in found:
                raise ReconcilerError("a commit lists one file twice; git fsck says more")
            found[path] = Entry(mode, id_)
        return found

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """Give the size of each content, in bytes."""
        asked = sorted(set(ids))
        answer = self._checked("cat-file", "--batch-check", stdin=_lines(asked)).decode()
        return {id_: _size(line, id_) for id_, line in zip(asked, answer.splitlines(), strict=True)}

    def contents(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Give each content as it is stored, without filters."""
        asked = sorted(set(ids))
        return dict(_batch(self._checked("cat-file", "--batch", stdin=_lines(asked)), asked))

    def _recent_enough(self) -> None:
        version = re.search(r"(\d+)\.(\d+)", _text(self._run("version").stdout))
        if version is None or (int(version[1]), int(version[2])) < _OLDEST:
            raise ReconcilerError(f"git {_OLDEST[0]}.{_OLDEST[1]} or newer is needed to read commits safely")

    def _checked(self, *words: str, stdin: bytes = b"") -> bytes:
        done = self._run(*words, stdin=stdin)
        if done.returncode:
            raise ReconcilerError(f"git {words[0]} failed; is the clone whole? (actions/checkout: fetch-depth: 0)")
        return done.stdout

    def _run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        try:
            return subprocess.run(  # noqa: S603  # no shell; names are given after --end-of-options, or are ids
                [self._git, "--no-pager", "--no-replace-objects", *settings, *words],
                cwd=self._folder,
                env=self._environ,
                input=stdin,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise ReconcilerError(f"git cannot be run: {error.strerror}") from None


def _program(environ: Mapping[str, str]) -> str:
    """Find git; one in a relative folder of PATH may be the project's own."""
    places = [place for place in environ.get("PATH", os.defpath).split(os.pathsep) if Path(place).is_absolute()]
    found = shutil.which("git", path=os.pathsep.join(places))
    if found is None:
        raise ReconcilerError("git is not on PATH; authorize reads two commits with it")
    return found


def _no_repository(folder: Path, said: str) -> str:
    if "dubious ownership" in said:
        return f"{folder}: another user owns this clone; if it is yours, git config --global --add safe.directory DIR"
    return f"{folder}: this is in no git repository, and authorize compares two commits"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _lines(ids: Iterable[str]) -> bytes:
    return "".join(f"{id_}\n" for id_ in ids).encode()


def _size(line: str, id_: str) -> int:
    match line.split(" "):
        case [found, "blob", size] if found == id_:
            return int(size)
        case _:
            raise ReconcilerError("the clone lacks the content of a file; fetch it whole (no filter: blob:none)")


def _batch(answer: bytes, asked: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Take the answers apart: a line with id, kind and size, the content, a line break."""
    start = 0
    for id_ in asked:
        end = answer.index(b"\n", start)
        size = _size(answer[start:end].decode(), id_)
        yield id_, answer[end + 1 : end + 1 + size]
        start = end + 1 + size + 1
