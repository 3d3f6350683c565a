"""A project whose people a cluster reads by way of a front, the sandbox that they go to, and what a user runs."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
from support.command import PROGRAM
from support.project import KEY, Project, connection, document, export, segment
from support.spark_front import Front, served

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from support.spark_front import When

TOKEN = "t0ken-of-the-cluster"
ALL = "n < 30"
SLOW = " OR ".join(f"LOWER(note) LIKE '%{letter}{letter}%'" for letter in "gh")
"""True of nobody, and work for a cluster."""


@dataclass
class World:
    """A project whose people a cluster reads, and the sandbox that they are sent to."""

    project: Project
    sandbox: Sandbox
    front: Front
    url: str

    @property
    def table(self) -> Path:
        """Where the profiles are."""
        return self.project.root / "people.parquet"

    def people(self, many: int, email: str = "email") -> None:
        """Write the table anew."""
        with duckdb.connect(":memory:") as db:
            columns = f"'p' || i || '@example.com' AS {email}, 'Note ' || md5(i::VARCHAR) AS note"
            rows = f"SELECT i::VARCHAR AS id, i AS n, {columns} FROM range({many}) t(i)"
            db.execute(f"COPY ({rows}) TO '{self.table}' (FORMAT parquet, ROW_GROUP_SIZE 20000)")

    def declare(self, segments: Mapping[str, str], exports: Mapping[str, list[str]], **spec: Any) -> None:
        """Declare segments by their predicates and exports by their segments; `spec` adds to the source's."""
        cluster = {"type": "spark", "url": self.url, "token": {"env": "TOKEN"}}
        table = {"profiles": {"path": str(self.table), "id": "id"}}
        self.project.declare(
            connection(url=self.sandbox.url),
            document("Source", "profiles", cluster | table | spec),
            *(segment(name, where) for name, where in segments.items()),
            *(export(name, of) for name, of in exports.items()),
        )

    def started(self, *words: str) -> subprocess.Popen[str]:
        """Run a command of the user in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "-C", str(self.project.root), *words],
            env={**os.environ, **self.project.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def apply(self) -> tuple[int, str]:
        """Apply, and give the exit code and all that was said, however it was broken into lines."""
        process = self.started("apply", "--yes")
        said, _ = process.communicate(timeout=300)
        for leak in ("Traceback", "defect", "Warning", '{"', ".py", "@example", *self.project.environ.values()):
            assert leak not in said, said
        return process.returncode, " ".join(said.split())

    def apply_while(self, when: When, event: Callable[[], object]) -> tuple[int, str]:
        """Apply, and let something happen when the cluster has come so far."""
        self.front.half_way, self.front.happened = (when, event), False
        code, said = self.apply()
        assert self.front.happened, f"it never came so far: {said}"
        return code, said

    def held(self, name: str = "all") -> set[str]:
        """Give who is on a list."""
        found = self.sandbox.world.members(name)
        return {str(each) for each in found}


@contextmanager
def world(root: Path, behind: str | None, tls: tuple[bytes, bytes] | None = None) -> Iterator[World]:
    """Serve a sandbox, and a front before the Connect server at `behind`."""
    with Sandbox(key=KEY, switches=Switches(rate=0)) as sandbox:
        front = Front(behind, TOKEN)
        with served(front, tls) as url:
            project = Project(root, sandbox.url)
            project.environ["TOKEN"] = TOKEN
            made = World(project, sandbox, front, url)
            made.people(40)
            yield made
