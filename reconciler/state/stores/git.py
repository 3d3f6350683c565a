"""Runs git for the store on a branch. It decides what git may do there: talk to one remote, without a prompt or a hook.

Nothing of the environment is handed on but where git, its settings and its credentials are. Nothing that git says is
shown: it may quote the address of the remote, and that may hold a token.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.core.errors import StateError, StoreUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OLDEST = (2, 38)
"""The first git that can be told not to take a folder of a checkout for a bare repository."""
_SECONDS = 120.0
"""How long one command of git may take, one over the network too."""

_SYSTEM = "PATH", "HOME", "XDG_CONFIG_HOME", "USERPROFILE", "SYSTEMROOT", "TMPDIR"
_NETWORK = (
    *("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"),
)
_CREDENTIALS = "SSH_AUTH_SOCK", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GH_TOKEN", "GITHUB_TOKEN"
_WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "reconciler"), ("EMAIL", "reconciler@localhost"))
}
_SET = {
    "LC_ALL": "C",
    "GIT_ALLOW_PROTOCOL": "file:https:ssh",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}
_SETTINGS = (
    "safe.bareRepository=explicit",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "http.lowSpeedLimit=100",
    "http.lowSpeedTime=30",
)

_RIGHTS = re.compile(
    r"Authentication failed|could not read (?:Username|Password)|Permission|insufficient permission|access denied"
    r"|returned error: 40[13]|Host key verification|not allowed|dubious ownership",
    re.IGNORECASE,
)
_NOWHERE = re.compile(r"not appear to be a git repository|not found|No such|returned error: 404", re.IGNORECASE)


class Done(NamedTuple):
    """What became of a command: its exit code, and its two outputs."""

    code: int
    out: bytes
    said: str


class Git:
    """git in one folder, with its settings and ours."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        """Find git. Raises StateError when there is none, or one too old."""
        known = _SYSTEM + _NETWORK + _CREDENTIALS
        self._folder = folder
        self._environ = {name: environ[name] for name in known if name in environ} | _SET | _WHO
        self._git = _program(environ)
        version = re.search(r"(\d+)\.(\d+)", self.checked("version").decode())
        if version is None or (int(version[1]), int(version[2])) < _OLDEST:
            raise StateError(f"state.url: git {_OLDEST[0]}.{_OLDEST[1]} or newer is needed for a state on a branch")

    def allow_plain_http(self) -> None:
        """Let git speak http without TLS from now on; the caller has seen that it is to loopback."""
        self._environ["GIT_ALLOW_PROTOCOL"] += ":http"

    def configure(self, settings: Sequence[tuple[str, str]]) -> None:
        """Let git have further settings from now on: by its environment, because other users can read its words."""
        self._environ["GIT_CONFIG_COUNT"] = str(len(settings))
        for number, (key, value) in enumerate(settings):
            self._environ[f"GIT_CONFIG_KEY_{number}"] = key
            self._environ[f"GIT_CONFIG_VALUE_{number}"] = value

    def checked(self, *words: str, stdin: bytes = b"") -> bytes:
        """Run a command that fails only where the clone is broken or a disk is full. Raises StateError."""
        done = self.run(*words, stdin=stdin)
        if done.code:
            raise StateError(f"state.url: git {words[0]} failed in this clone; git fsck may say more")
        return done.out

    def run(self, *words: str, stdin: bytes = b"", shallow: Path | None = None) -> Done:
        """Run a command. `shallow` stands in for the clone's list of commits whose parents are not there.

        Raises StoreUnreachable when it takes too long.
        """
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        environ = self._environ | ({"GIT_SHALLOW_FILE": str(shallow)} if shallow else {})
        try:
            process = subprocess.Popen(  # noqa: S603  # no shell; names are checked, or are ids
                [self._git, "--no-pager", "--no-replace-objects", *settings, *words],
                cwd=self._folder,
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # without a terminal ssh cannot ask, and an interrupt does not cut a push
            )
        except OSError as error:
            raise StateError(f"state.url: git cannot be run: {os.strerror(error.errno or 0)}") from None
        with process:
            try:
                out, said = process.communicate(stdin, timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                _end(process)
                raise StoreUnreachable("state.url: git got no answer from the remote in time") from None
            except BaseException:
                _end(process)
                raise
        return Done(process.returncode, out, said.decode("utf-8", "replace"))


def fault(said: str, place: str) -> StateError:
    """Give our error for what git says of a remote."""
    if _RIGHTS.search(said):
        return StateError(
            f"{place}: the remote refuses these credentials, or they lack the right to write (docs/stores.md)"
        )
    if _NOWHERE.search(said):
        return StateError(f"{place}: the remote has no such repository, or does not show it to these credentials")
    return StoreUnreachable(f"{place}: the remote does not answer")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End git with all that it started; what it started holds its outputs open."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _program(environ: Mapping[str, str]) -> str:
    """Find git; one in a relative folder of PATH may be the project's own."""
    places = [place for place in environ.get("PATH", os.defpath).split(os.pathsep) if Path(place).is_absolute()]
    found = shutil.which("git", path=os.pathsep.join(places))
    if found is None:
        raise StateError("state.url: git is not on PATH, and a state on a branch is kept with it")
    return found
