"""How people and contents are told apart without being kept, and that a plan is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from support.project import KEY, Project, connection, export, segment, source

from reconciler.core.digest import SIZE, Digests
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.core.plan import Plan

KEYS = st.binary(min_size=1, max_size=64)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))

TELL = """
import sys
from pathlib import Path
from support.project import Project
plan = Project(Path(sys.argv[1]), "http://127.0.0.1:9").plan()
print(plan.checksum, *(each.digest for each in plan.connections))
"""


@given(KEYS, TEXTS)
def test_a_digest_is_the_same_each_time_and_shows_nothing(key: bytes, text: str) -> None:
    digests = Digests(key)
    assert digests.person(text) == Digests(key).person(text)
    assert digests.content(text.encode()) == Digests(key).content(text.encode())
    assert len(digests.person(text)) == len(digests.content(text.encode())) == SIZE
    assert repr(digests) == "Digests(key=…)"


@given(st.sets(KEYS, min_size=1, max_size=3), st.sets(TEXTS, min_size=1, max_size=3))
def test_key_use_and_text_all_count(keys: set[bytes], texts: set[str]) -> None:
    made = [Digests(key).person(text) for key in keys for text in texts]
    made += [Digests(key).content(text.encode()) for key in keys for text in texts]
    assert len(set(made)) == 2 * len(keys) * len(texts)


def declare(project: Project) -> None:
    match = {"Email": "email", "FirstName": "first"}
    project.declare(
        connection(url=project.url, fields=("Email", "FirstName")),
        source(),
        segment("odd", "odd = 'Y'"),
        segment("all", "true"),
        export("one", ["odd", "all"], match, consent={"column": "odd", "equals": "Y"}),
        export("two", [{"name": "all", "list": "everybody"}], match),
        export("three", ["odd"], match, connection=None),
    )


def rows(people: int, first: str = "Blue") -> list[tuple[object, ...]]:
    return [(n, f"person{n}@example.com", first, "YN"[n % 2]) for n in range(people)]


def applied(root: Path) -> Project:
    """Give a project with 20 people on its lists."""
    with Sandbox(key=KEY, switches=Switches(rate=0)) as sandbox:
        project = Project(root, sandbox.url)
        declare(project)
        project.people(("id", "email", "first", "odd"), rows(20))
        project.apply()
    return project


def told(plan: Plan) -> list[str]:
    return [plan.checksum, *(each.digest for each in plan.connections)]


def test_a_plan_has_the_same_checksum_whatever_the_hash_seed(tmp_path: Path, repository: Path) -> None:
    project = applied(tmp_path)
    project.people(("id", "email", "first", "odd"), rows(25, "Grün"))
    here = told(project.plan())
    path = f"{repository}{os.pathsep}{repository / 'tests'}"
    for seed in ("0", "1", "31337"):
        done = subprocess.run(
            [sys.executable, "-c", TELL, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == here


def test_the_checksum_tells_other_people_and_other_contents_apart_at_equal_counts(tmp_path: Path) -> None:
    project = applied(tmp_path)
    columns = ("id", "email", "first", "odd")
    checksums = set()
    for more in (
        ("20", "a@example.com", "Blue", "N"),
        ("20", "b@example.com", "Blue", "N"),
        ("20", "a@example.com", "Red", "N"),
    ):
        project.people(columns, [*rows(20), more])
        plan = project.plan()
        assert plan.connections[0].people == 21
        checksums.add(plan.checksum)
    assert len(checksums) == 3
