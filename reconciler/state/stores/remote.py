"""One branch at a remote: what its commit holds, and how it is moved. It decides whose a branch is."""

from __future__ import annotations

import re
import secrets
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reconciler.core.errors import StateError, StoreUnreachable
from reconciler.state.stores.git import fault
from reconciler.state.stores.names import proper

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.state.stores.git import Done, Git

MARKER = "RECONCILER-STATE.md"
"""The file by which a branch is known for ours; its name is none of an object."""
_SAYS = b"""This branch is the state of reconciler, and has no history: every write replaces its one commit.
Do not edit, merge or rebase it. It holds keyed digests; names and addresses of people it does not.
"""
_FETCH = (
    *("fetch", "--quiet", "--no-write-fetch-head", "--no-tags", "--refmap=", "--no-recurse-submodules", "--no-prune"),
    *("--no-auto-maintenance", "--no-write-commit-graph", "--no-filter"),
)
_PUSH = (
    *("push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no"),
    *("--no-force-if-includes",),
)
_ALIAS = "reconciler-state"
"""The remote by another name, which has no branches that git would follow: it moves those of `origin` with a push."""
_KEPT = {"url", "pushurl", "proxy", "proxyauthmethod", "uploadpack", "receivepack"}
_TRIES = 4
"""How often the remote is asked before it counts as not to be reached, or as never at rest."""
_QUICKER = re.compile(r"stale info|lock|failed to update|fetch first|old value|already exists", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tip:
    """What a branch is at: its commit (None: there is no such branch), and the id of each object by its name."""

    commit: str | None
    objects: Mapping[str, str]


class Remote:
    """A branch of a remote of a clone. `place` names it in messages."""

    def __init__(self, git: Git, name: str, branch: str) -> None:
        """Find the remote in the clone's settings. Raises StateError."""
        self.place = f"git+branch://{branch}"
        self._git = git
        self._ref = f"refs/heads/{branch}"
        self._kept = f"refs/reconciler/{name}/{branch}"
        found = git.run("rev-parse", "--is-shallow-repository")
        if found.code:
            raise StateError(f"{self.place}: the project is in no git repository that git trusts")
        self._shallow = found.out.strip() == b"true"
        self._admit_addresses(name)
        git.configure(self._settings(name))

    def look(self, known: Tip | None) -> Tip:
        """Give what the branch is at now; `known` saves the way when that has not moved. Raises StateError."""
        for _ in range(_TRIES):
            commit = self._advertised()
            if commit is None:
                return Tip(None, {})
            if known is not None and known.commit == commit:
                return known
            since = known.commit if known else self._before()
            if not self._has(commit):
                self._fetch(since)
            if self._has(commit):  # unless it moved again between the two requests
                tip = Tip(commit, self._objects(commit))
                self._git.run("update-ref", self._kept, commit)  # so that the next run fetches what is new alone
                return tip
        raise StoreUnreachable(f"{self.place}: the branch moves faster than it can be fetched")

    def content(self, id_: str) -> bytes:
        """Give the content of an object of a tip."""
        return self._git.checked("cat-file", "blob", id_)

    def keep(self, data: bytes) -> str:
        """Write content into the clone, and give its id."""
        return self._git.checked("hash-object", "-w", "--stdin", "--no-filters", stdin=data).decode().strip()

    def commit(self, objects: Mapping[str, str]) -> str:
        """Make a commit without parents of these objects, and give its id: one that no other writer makes as well."""
        files = {_file(name): id_ for name, id_ in objects.items()} | {MARKER: self.keep(_SAYS)}
        lines = "".join(f"100644 blob {id_}\t{file}\0" for file, id_ in files.items())
        tree = self._git.checked("mktree", "-z", stdin=lines.encode()).decode().strip()
        message = f"State of reconciler\n\nWrite {secrets.token_hex(16)}\n"
        return self._git.checked("commit-tree", tree, "-F", "-", stdin=message.encode()).decode().strip()

    def push(self, fresh: Tip, old: Tip) -> bool:
        """Move the branch from one tip to the other; tell whether it is there. Raises StateError when it is refused.

        An answer that was lost is made up for by a look.
        """
        lease = f"--force-with-lease={self._ref}:{old.commit or ''}"
        with self._thin(old.commit) as shallow:
            done = self._git.run(*_PUSH, lease, _ALIAS, f"{fresh.commit}:{self._ref}", shallow=shallow)
        if done.code:
            self._judge(done)
            if self._advertised() != fresh.commit:
                return False
        self._git.run("update-ref", self._kept, fresh.commit or "")
        return True

    def _judge(self, done: Done) -> None:
        """Raise StateError for a push that is refused for good; one that came too late, or was cut off, is none."""
        told = [line for line in done.out.decode("utf-8", "replace").splitlines() if line.startswith("!")]
        if not told:
            failed = fault(done.said, self.place)
            if not isinstance(failed, StoreUnreachable):
                raise failed
        elif not _QUICKER.search(told[0].rpartition("[")[2]):
            raise StateError(
                f"{self.place}: the remote refuses to move the branch: is it protected from forced pushes?"
            )

    def _advertised(self) -> str | None:
        for turn in range(_TRIES):
            done = self._git.run("ls-remote", "--quiet", _ALIAS, self._ref)
            if not done.code:
                break
            failed = fault(done.said, self.place)
            if turn == _TRIES - 1 or not isinstance(failed, StoreUnreachable):
                raise failed
        lines = (line.split("\t") for line in done.out.decode().splitlines())
        return next((id_ for id_, ref in lines if ref == self._ref), None)

    def _fetch(self, since: str | None) -> None:
        with self._thin(since) as shallow:
            have = [f"--negotiation-tip={since}"] if since else []
            done = self._git.run(*_FETCH, *have, _ALIAS, self._ref, shallow=shallow)
        if done.code:
            failed = fault(done.said, self.place)
            if not isinstance(failed, StoreUnreachable):
                raise failed

    @contextmanager
    def _thin(self, commit: str | None) -> Iterator[Path | None]:
        """Have git leave out what is in a commit that both sides have.

        Between commits without parents it looks for that only in a clone that is shallow, so it is told that this one
        is, at a commit that has no parents anyway.
        """
        if commit is None or self._shallow:
            yield None
            return
        with tempfile.TemporaryDirectory(prefix="reconciler-") as folder:
            listed = Path(folder) / "shallow"
            listed.write_text(f"{commit}\n", encoding="ascii")
            yield listed

    def _before(self) -> str | None:
        done = self._git.run("rev-parse", "--verify", "--quiet", f"{self._kept}^{{commit}}")
        return done.out.decode().strip() or None

    def _has(self, commit: str) -> bool:
        return self._git.run("cat-file", "-e", f"{commit}^{{tree}}").code == 0

    def _objects(self, commit: str) -> dict[str, str]:
        listed = self._git.checked("ls-tree", "-r", "-z", "--full-tree", commit).decode("utf-8", "replace")
        files = {
            name: about.split(" ") for about, _, name in (line.partition("\t") for line in listed.split("\0")[:-1])
        }
        marker = files.pop(MARKER, None)
        alien = [file for file, about in files.items() if about[0] != "100644" or not proper(file.replace(",", "/"))]
        if marker is None or alien:
            raise StateError(f"{self.place}: the branch holds files that are not ours; name one that nobody else uses")
        return {file.replace(",", "/"): about[2] for file, about in files.items()}

    def _admit_addresses(self, name: str) -> None:
        for way in ((), ("--push",)):
            done = self._git.run("remote", "get-url", *way, name)
            if done.code:
                raise StateError(f"{self.place}: this clone has no remote by the name {name}")
            address = done.out.decode("utf-8", "replace").strip()
            if address.lower().startswith("http:"):
                if not _loopback(address):
                    raise StateError(
                        f"{self.place}: plain http is for loopback alone; give the remote an https address"
                    )
                self._git.allow_plain_http()

    def _settings(self, name: str) -> list[tuple[str, str]]:
        listed = self._git.checked("config", "--null", "--get-regexp", f"^remote\\.{re.escape(name)}\\.").decode()
        pairs = (entry.partition("\n")[::2] for entry in listed.split("\0")[:-1])
        return [
            (f"remote.{_ALIAS}.{key}", value)
            for key, value in ((k.rpartition(".")[2], v) for k, v in pairs)
            if key in _KEPT
        ]


def _file(name: str) -> str:
    """Give the name of an object's file; one folder holds them all, so that `a` and `a/b` can both be."""
    return name.replace("/", ",")


def _loopback(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
