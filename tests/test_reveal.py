"""Who was rejected is named on the spot, from the source as it is now, and nowhere else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.command import reconciler
from support.project import KEY, Project, connection, export, segment, source

from reconciler.flow.forget import forget
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS = ("id", "email", "half")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(key=KEY, switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    """Six people, of whom Autopilot's answer left out every second one."""
    made = Project(tmp_path, sandbox.url)
    made.declare(connection(url=sandbox.url), source(), segment("all", "half <> ''"), export("letters", ["all"]))
    people(made, range(6))
    sandbox.switches = Switches(rate=0, faults=(Fault("partial", method="POST", path="/contacts"),))
    _, run = made.apply()
    assert run.exports[0].rejected == 3
    return made


def people(project: Project, numbers: range) -> None:
    project.people(COLUMNS, [(f"C-{n}", f"person{n}@example.com", "Y") for n in numbers])


def newest(project: Project) -> str:
    with project.shop().recorded(project.shop().declarations()) as reader:
        return reader.runs()[0].id


def revealed(project: Project) -> set[str]:
    done = reconciler(project.root, "show", newest(project), "--reveal", environ=project.environ)
    assert done.returncode == 0, done.stderr
    return {word for word in done.stdout.split() if "@" in word}


def test_nobody_is_named_unless_it_is_asked_for(project: Project) -> None:
    for form in ("text", "json"):
        done = reconciler(project.root, "show", newest(project), "--output", form, environ=project.environ)
        assert done.returncode == 0
        assert "example.com" not in done.stdout
        assert "C-" not in done.stdout


def test_who_is_still_in_the_source_is_named_with_profile_and_reason(project: Project) -> None:
    done = reconciler(project.root, "show", newest(project), "--reveal", environ=project.environ)
    lines = [line.split() for line in done.stdout.splitlines() if "@" in line]
    assert len(lines) == 3
    for address, profile, export_name, *reason in lines:
        assert address == f"person{profile.removeprefix('C-')}@example.com"
        assert export_name == "letters"
        assert reason
    assert "not found" not in done.stdout
    told = json.loads(
        reconciler(
            project.root, "show", newest(project), "--reveal", "--output", "json", environ=project.environ
        ).stdout
    )
    assert {(one["address"], one["profile"]) for one in told["rejects"]} == {(line[0], line[1]) for line in lines}
    assert told["unfound"] == 0


def test_who_left_or_was_erased_is_only_counted(project: Project) -> None:
    everybody = sorted(revealed(project))
    number = int(everybody[0][6])
    project.people(COLUMNS, [(f"C-{n}", f"person{n}@example.com", "Y") for n in range(6) if n != number])
    assert revealed(project) == set(everybody[1:])
    text = reconciler(project.root, "show", newest(project), "--reveal", environ=project.environ).stdout
    assert "1 rejected person is not found in the source any more." in text
    run = newest(project)
    forget(project.shop(), everybody[1], lock_timeout=0)
    told = reconciler(project.root, "show", run, "--reveal", "--output", "json", environ=project.environ)
    assert everybody[1] not in told.stdout
    assert len(json.loads(told.stdout)["rejects"]) == 2


def test_nothing_is_written(project: Project) -> None:
    before = {path: path.stat().st_mtime_ns for path in project.root.rglob("*") if path.is_file()}
    assert len(revealed(project)) == 3
    assert {path: path.stat().st_mtime_ns for path in project.root.rglob("*") if path.is_file()} == before


def test_what_the_source_holds_cannot_steer_the_terminal(project: Project) -> None:
    project.people(COLUMNS, [(f"\x1b[2J{n}\u202e", f"person{n}@example.com", "Y") for n in range(6)])
    done = reconciler(project.root, "show", newest(project), "--reveal", environ=project.environ)
    assert done.returncode == 0
    assert len([line for line in done.stdout.splitlines() if "@" in line]) == 3
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout


def test_a_source_that_cannot_be_read_reveals_nobody(project: Project) -> None:
    (project.root / "people.csv").unlink()
    done = reconciler(project.root, "show", newest(project), "--reveal", environ=project.environ)
    assert done.returncode == 1
    assert "cannot be read" in done.stderr


def test_a_run_without_rejects_says_so(project: Project) -> None:
    project.apply()
    done = reconciler(project.root, "show", newest(project), "--reveal", environ=project.environ)
    assert done.returncode == 0
    assert "Nobody was rejected." in done.stdout
