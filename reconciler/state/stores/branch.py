"""The store on a branch of the project's repository: one commit, which every write replaces. Decides when to try again.

The remote moves a branch only from the commit that is named to it, so of several writers one wins. Work tree, index,
HEAD and local branches are not touched; what was fetched is kept under refs/reconciler/.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from reconciler.core.errors import StoreConflict, StoreUnreachable
from reconciler.core.store import Stored
from reconciler.state.stores.git import Git
from reconciler.state.stores.names import below, checked
from reconciler.state.stores.remote import Remote, Tip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from urllib.parse import SplitResult

_REMOTE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}")
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,120}")

_TURNS = 30
"""How often a write is built anew on what others pushed meanwhile."""
_LONGEST = 2.0
"""The longest pause between two turns, in seconds."""


def open_url(url: SplitResult, environ: Mapping[str, str], root: Path) -> BranchStore:
    """Open a branch, without a request. Raises StateError; ValueError for a URL of another form."""
    branch = url.netloc + url.path
    query = dict(parse_qsl(url.query, strict_parsing=bool(url.query)))
    name = query.pop("remote", "origin")
    if query or not _REMOTE.fullmatch(name) or not _BRANCH.fullmatch(branch):
        raise ValueError
    git = Git(root, environ)
    if git.run("check-ref-format", f"refs/heads/{branch}").code:
        raise ValueError
    return BranchStore(Remote(git, name, branch))


class BranchStore:
    """Objects as the files of one commit. The version of one is the id of its content."""

    def __init__(self, remote: Remote, pause: Callable[[float], None] = time.sleep) -> None:
        self._remote = remote
        self._pause = pause
        self._lock = threading.RLock()
        self._tip: Tip | None = None  # as last seen; only the remote knows what is true now
        self._begun = self._ended = 0  # looks at the remote, by number

    def read(self, name: str) -> Stored | None:
        """Give an object."""
        checked(name)
        id_ = self._seen().objects.get(name)
        return None if id_ is None else Stored(self._remote.content(id_), id_)

    def create(self, name: str, data: bytes) -> str:
        """Write an object that is not there yet."""
        return self._put(name, data, None)

    def replace(self, name: str, data: bytes, version: str) -> str:
        """Write an object in place of this version."""
        return self._put(name, data, version)

    def delete(self, name: str) -> None:
        """Remove an object."""
        self.delete_all([name])

    def delete_all(self, names: Sequence[str]) -> None:
        """Remove several, in one push."""
        gone = {checked(name) for name in names}
        self._write(lambda objects: {name: id_ for name, id_ in objects.items() if name not in gone})

    def names(self, folder: str) -> tuple[str, ...]:
        """Give the names below a folder."""
        return below(folder, self._seen().objects)

    def close(self) -> None:
        """Leave it: nothing is held open."""

    def _put(self, name: str, data: bytes, version: str | None) -> str:
        checked(name)
        id_ = self._remote.keep(data)

        def put(objects: Mapping[str, str]) -> dict[str, str]:
            if objects.get(name) != version:
                raise StoreConflict(f"{self._remote.place}: {name}: another run was quicker")
            return {**objects, name: id_}

        self._write(put)
        return id_

    def _seen(self) -> Tip:
        """Give what the remote has, for a reader: one look that began since it came does for all who wait for one."""
        came = self._begun
        with self._lock:
            return self._tip if self._tip is not None and self._ended > came else self._look()

    def _look(self) -> Tip:
        self._begun += 1
        number = self._begun
        self._tip = self._remote.look(self._tip)
        self._ended = number
        return self._tip

    def _write(self, change: Callable[[Mapping[str, str]], dict[str, str]]) -> None:
        """Push a change of the objects, built anew when others were quicker, until it no longer fits or is there.

        The first turn rests on what was seen last, which saves a request: the remote refuses it when that is old.
        """
        with self._lock:
            if self._tip is not None and self._turn(self._tip, change, certain=False):
                return
            for turn in range(_TURNS):
                if self._turn(self._look(), change, certain=True):
                    return
                self._pause(_pause(turn))
        raise StoreUnreachable(f"{self._remote.place}: so many others write to the branch that no turn was ours")

    def _turn(self, tip: Tip, change: Callable[[Mapping[str, str]], dict[str, str]], *, certain: bool) -> bool:
        """Try once; tell whether it is done. Raises StoreConflict when what is certain does not allow the change."""
        try:
            objects = change(tip.objects)
        except StoreConflict:
            if certain:
                raise
            return False
        if objects == tip.objects:
            return certain
        fresh = Tip(self._remote.commit(objects), objects)
        if not self._remote.push(fresh, tip):
            return False
        self._tip = fresh
        return True


def _pause(turn: int) -> float:
    """Give the seconds to wait: longer each time, and by chance, so that two writers do not keep step."""
    return min(_LONGEST, 0.02 * 2.0 ** min(turn, 10)) * (0.5 + secrets.randbelow(1000) / 1000)
