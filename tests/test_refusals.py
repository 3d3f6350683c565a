"""What must not go does not go: exit code 3, no request sent, and a reason that names the file and the line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import reconciler
from support.project import Project, connection, export, segment, source

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS = ("id", "email", "first", "phone", "half", "agrees")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    made = Project(tmp_path, sandbox.url)
    made.people(COLUMNS, rows(40))
    return made


def rows(number: int) -> list[tuple[object, ...]]:
    half = number // 2
    return [
        (f"{i:06}", f"person{i}@example.com", f"First{i}", "001", "Y" if i < half else "N", "Y") for i in range(number)
    ]


def blocked(project: Project, sandbox: Sandbox) -> dict[str, Any]:
    """Apply, and give the JSON of a run in which something was blocked and nothing sent."""
    done = reconciler(project.root, "apply", "--yes", "--output", "json", environ=project.environ)
    assert done.returncode == 3, (done.stdout, done.stderr)
    assert sandbox.requests == ()
    result: dict[str, Any] = json.loads(done.stdout)
    planned = reconciler(project.root, "plan", environ=project.environ)
    assert planned.returncode == 3
    for one in result["exports"]:
        if one["action"] == "blocked":
            assert one["reasons"]
            assert all(reason in result_text(one) for reason in one["reasons"])
    return result


def result_text(one: dict[str, Any]) -> str:
    return "\n".join(one["reasons"])


def line_of(project: Project, text: str, file: str = "all.yaml") -> int:
    lines = (project.root / "exports" / file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_a_connection_without_consent_sends_nothing(project: Project, sandbox: Sandbox) -> None:
    spec = connection(url=sandbox.url)
    spec["spec"]["consent"]["accepted"] = False
    project.declare(spec, source(), segment("all", "half = 'Y'"), export("one", ["all"]))
    result = blocked(project, sandbox)
    assert f"exports/all.yaml:{line_of(project, 'accepted')}" in result_text(result["exports"][0])


def test_a_connection_whose_consent_is_not_there_sends_nothing(project: Project, sandbox: Sandbox) -> None:
    spec = connection(url=sandbox.url)
    del spec["spec"]["consent"]
    project.declare(spec, source(), segment("all", "half = 'Y'"), export("one", ["all"]))
    assert "exports/all.yaml:" in result_text(blocked(project, sandbox)["exports"][0])


def test_a_field_outside_the_consent_blocks_its_export_alone(project: Project, sandbox: Sandbox) -> None:
    project.declare(
        connection(url=sandbox.url),
        source(),
        segment("all", "half = 'Y'"),
        export("one", ["all"]),
    )
    assert reconciler(project.root, "apply", "--yes", environ=project.environ).returncode == 0
    project.declare(export("two", ["all"], {"Email": "email", "Phone": "phone"}), file="two.yaml")
    sandbox.forget_requests()
    result = blocked(project, sandbox)
    by_name = {one["name"]: one for one in result["exports"]}
    assert by_name["one"]["action"] == "none"
    reason = result_text(by_name["two"])
    assert "Phone" in reason
    assert f"exports/two.yaml:{line_of(project, 'Phone', 'two.yaml')}" in reason
    assert f"exports/all.yaml:{line_of(project, 'fields')}" in reason


@pytest.mark.parametrize("overlap", [True, False])
def test_100_001_people_over_two_exports_are_one_too_many(project: Project, sandbox: Sandbox, *, overlap: bool) -> None:
    people = [(f"{i:06}", f"person{i}@example.com", "", "", i, "Y") for i in range(100_001)]
    project.people(COLUMNS, people)
    low = "CAST(half AS INTEGER) < 60000"
    high = "CAST(half AS INTEGER) >= 60000" if not overlap else "CAST(half AS INTEGER) >= 20000"
    project.declare(
        connection(url=sandbox.url),
        source(),
        segment("low", low),
        segment("high", high),
        export("one", ["low"]),
        export("two", ["high"]),
    )
    result = blocked(project, sandbox)
    assert result["connections"][0]["profiles"] == {"desired": 100_001, "limit": 100_000}
    for one in result["exports"]:
        assert one["action"] == "blocked"
        assert "100,001" in result_text(one)
        assert "exports/all.yaml:" in result_text(one)


def test_exactly_100_000_people_who_overlap_pass_the_cap(project: Project, sandbox: Sandbox) -> None:
    people = [(f"{i:06}", f"person{i}@example.com", "", "", i, "Y") for i in range(100_000)]
    project.people(COLUMNS, people)
    project.declare(
        connection(url=sandbox.url),
        source(),
        segment("low", "CAST(half AS INTEGER) < 60000"),
        segment("high", "CAST(half AS INTEGER) >= 20000"),
        export("one", ["low"]),
        export("two", ["high"]),
    )
    done = reconciler(project.root, "plan", "--output", "json", "--exit-code", environ=project.environ)
    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["connections"][0]["profiles"] == {"desired": 100_000, "limit": 100_000}
    assert sandbox.requests == ()


def test_a_contract_of_5_000_is_kept(project: Project, sandbox: Sandbox) -> None:
    project.people(COLUMNS, rows(10_002))
    spec = connection(url=sandbox.url)
    spec["spec"]["limits"]["profiles"] = 5_000
    project.declare(spec, source(), segment("half", "half = 'Y'"), export("one", ["half"]))
    result = blocked(project, sandbox)
    reason = result_text(result["exports"][0])
    assert "5,000" in reason
    assert f"exports/all.yaml:{line_of(project, '5000')}" in reason


def test_one_export_that_is_blocked_does_not_stop_another(project: Project, sandbox: Sandbox) -> None:
    project.declare(
        connection(url=sandbox.url),
        source(),
        segment("half", "half = 'Y'"),
        segment("nobody", "half = 'X'"),
        export("good", ["half"]),
        export("bad", ["nobody"]),
    )
    done = reconciler(project.root, "apply", "--yes", "--output", "json", environ=project.environ)
    assert done.returncode == 3
    outcomes = {one["name"]: one["status"] for one in json.loads(done.stdout)["exports"]}
    assert outcomes == {"good": "Successful", "bad": "Failed"}
    assert len(sandbox.world.members("half")) == 20
    assert sandbox.world.lists_titled("nobody") == ()


def test_more_leave_than_may(project: Project, sandbox: Sandbox) -> None:
    guarded = export("one", ["half"], safety={"maxRemovals": "20%"})
    project.declare(connection(url=sandbox.url), source(), segment("half", "half = 'Y'"), guarded)
    assert reconciler(project.root, "apply", "--yes", environ=project.environ).returncode == 0
    members = sandbox.world.members("half")
    project.people(COLUMNS, rows(30))  # 15 of 20 stay: a quarter leaves
    sandbox.forget_requests()
    reason = result_text(blocked(project, sandbox)["exports"][0])
    assert f"exports/all.yaml:{line_of(project, 'maxRemovals')}" in reason
    assert sandbox.world.members("half") == members


def test_an_empty_source_removes_nobody(project: Project, sandbox: Sandbox) -> None:
    project.declare(connection(url=sandbox.url), source(), segment("half", "half = 'Y'"), export("one", ["half"]))
    assert reconciler(project.root, "apply", "--yes", environ=project.environ).returncode == 0
    members = sandbox.world.members("half")
    project.people(COLUMNS, [])
    sandbox.forget_requests()
    blocked(project, sandbox)
    (project.root / "people.csv").unlink()
    blocked(project, sandbox)
    (project.root / "people.csv").write_text("id,email\n1,a@example.com\n")
    blocked(project, sandbox)
    assert sandbox.world.members("half") == members


def test_a_protected_export_is_not_retired_until_a_run_has_seen_false(project: Project, sandbox: Sandbox) -> None:
    base = (connection(url=sandbox.url), source(), segment("half", "half = 'Y'"))
    project.declare(*base, export("one", ["half"], protected=True))
    assert reconciler(project.root, "apply", "--yes", environ=project.environ).returncode == 0
    members = sandbox.world.members("half")
    project.declare(*base)
    sandbox.forget_requests()
    assert "protected" in result_text(blocked(project, sandbox)["exports"][0])
    project.declare(*base, export("one", ["half"], protected=False))
    assert reconciler(project.root, "apply", "--yes", environ=project.environ).returncode == 0
    assert sandbox.world.members("half") == members
    project.declare(*base)
    assert reconciler(project.root, "apply", "--yes", environ=project.environ).returncode == 0
    assert sandbox.world.members("half") == set()
    assert sandbox.world.contact("person0@example.com") is not None


def test_a_project_without_declarations_retires_nobody(project: Project, sandbox: Sandbox) -> None:
    project.declare(connection(url=sandbox.url), source(), segment("half", "half = 'Y'"), export("one", ["half"]))
    assert reconciler(project.root, "apply", "--yes", environ=project.environ).returncode == 0
    members = sandbox.world.members("half")
    (project.root / "exports" / "all.yaml").unlink()
    done = reconciler(project.root, "apply", "--yes", environ=project.environ)
    assert done.returncode == 1
    assert sandbox.world.members("half") == members
