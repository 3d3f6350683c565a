"""Starts each store, a tap in front of it. It decides which there are, and says of one that cannot be had why not."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support import servers

from benchmarks import dialects, git_remote
from benchmarks.tap import Tap, tapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

BRANCH = "git+branch://reconciler/state"


class LeftOut(Exception):  # noqa: N818  # no fault
    """A store that is not to be had on this machine, and why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a state may be kept. `url` is None for the runner's own folder, of which nothing is counted.

    `environ` opens it; `checkout` makes a fresh runner's folder.
    """

    url: str | None
    environ: Mapping[str, str]
    tap: Tap | None
    checkout: Callable[[Path], None]


def _made(folder: Path) -> None:
    folder.mkdir()


@contextmanager
def own_folder(_: Path) -> Iterator[Place]:
    """Give the folder of the one machine that keeps its disk."""
    yield Place(None, servers.bare_environ(), None, _made)


@contextmanager
def s3(_: Path) -> Iterator[Place]:
    """Give a bucket of moto's server."""
    _need("obstore", "moto", "boto3")
    with servers.s3() as made:
        port = urlsplit(made.environ["AWS_ENDPOINT_URL"]).port
        with tapped(port or 0, lambda: dialects.Http(dialects.s3)) as tap:
            environ = {**made.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{tap.port}"}
            yield Place(made.fresh(), environ, tap, _made)


@contextmanager
def azure(_: Path) -> Iterator[Place]:
    """Give a container of Azurite."""
    _need("obstore")
    if not (servers.NODE / "node_modules" / ".package-lock.json").exists():
        raise LeftOut("Azurite is not installed; `npm ci` in tests/node does that")
    with servers.azurite() as made:
        port = urlsplit(made.environ["AZURE_ENDPOINT"]).port
        with tapped(port or 0, lambda: dialects.Http(dialects.azure)) as tap:
            endpoint = made.environ["AZURE_ENDPOINT"].replace(str(port), str(tap.port))
            yield Place(made.fresh(), {**made.environ, "AZURE_ENDPOINT": endpoint}, tap, _made)


@contextmanager
def postgres(_: Path) -> Iterator[Place]:
    """Give a schema of a PostgreSQL of its own."""
    with servers.postgres() as made:
        url = made.fresh()
        port = urlsplit(url).port
        with tapped(port or 0, dialects.Postgres) as tap:
            yield Place(url.replace(f":{port}/", f":{tap.port}/"), made.environ, tap, _made)


@contextmanager
def branch(scratch: Path) -> Iterator[Place]:
    """Give a branch of a bare remote that is served over HTTP, as git hosts do."""
    root = scratch / "remotes"
    root.mkdir()
    remote, first = root / "remote.git", scratch / "first"
    servers.git(root, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    servers.git(remote, "config", "http.receivepack", "true")
    servers.git(scratch, "clone", "--quiet", remote.as_uri(), str(first))
    servers.git(first, "commit", "--quiet", "--allow-empty", "--message", "A project")
    servers.git(first, "push", "--quiet", "origin", "HEAD:main")
    with git_remote.served(root) as port, tapped(port, lambda: dialects.Http(dialects.git)) as tap:
        yield Place(BRANCH, os.environ, tap, partial(_cloned, f"http://127.0.0.1:{tap.port}/remote.git"))


def _cloned(url: str, folder: Path) -> None:
    """Make a clone as actions/checkout does: of one commit."""
    subprocess.run(["git", "clone", "--quiet", "--depth=1", url, str(folder)], check=True)


def _need(*libraries: str) -> None:
    for name in libraries:
        if find_spec(name) is None:
            raise LeftOut(f"{name} is not installed; requirements/dev.lock has it")


PLACES: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "a local folder": own_folder,
    "az (Azurite)": azure,
    "s3 (moto)": s3,
    "postgresql": postgres,
    "git+branch (HTTP)": branch,
}


@contextmanager
def opened(name: str, scratch: Path) -> Iterator[Place]:
    """Start a store by its name. Raises LeftOut."""
    try:
        with PLACES[name](scratch) as place:
            yield place
    except pytest.skip.Exception as reason:  # how the servers of the tests say that there is none
        raise LeftOut(str(reason)) from None
