"""A list that exists is adopted with its members: nothing is sent for it, and from then on the list is as declared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.command import reconciler
from support.project import KEY, Project, connection, export, segment, source

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.sandbox.world import World

COLUMNS = ("id", "email", "first", "half")
TITLE = "Home owners 2019"


def address(number: int) -> str:
    return f"person{number}@example.com"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    return sandbox.account(KEY)


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    made = Project(tmp_path, sandbox.url)
    declare(made)
    people(made, range(10))
    return made


def declare(project: Project, **spec: object) -> None:
    project.declare(
        connection(url=project.url, fields=("Email", "FirstName")),
        source(),
        segment("owners", "half = 'Y'"),
        export("letters", ["owners"], {"Email": "email", "FirstName": "first"}, **spec),
    )


def people(project: Project, numbers: range) -> None:
    project.people(COLUMNS, [(n, address(n), f"First{n}", "Y") for n in numbers])


def furnish(world: World, numbers: range, title: str = TITLE) -> str:
    """Make a list by hand."""
    made = world.add_list(title)
    for number in numbers:
        world.add_member(made, world.add_contact({"Email": address(number)}))
    return made


def adopt(project: Project, *more: str) -> subprocess.CompletedProcess[str]:
    words = ("import", "letters", "owners", "--list", TITLE, *more)
    return reconciler(project.root, *words, environ=project.environ)


def test_members_become_ours_without_a_request_that_writes(project: Project, sandbox: Sandbox, world: World) -> None:
    made = furnish(world, range(5, 12))
    done = adopt(project, "--yes")
    assert done.returncode == 0, done.stderr
    assert "5 people are wanted on it" in done.stdout
    assert "2 people are not wanted on it" in done.stdout
    assert "person" not in done.stdout.replace("person is", "")
    assert {entry.method for entry in sandbox.requests} == {"GET"}
    plan = project.plan()
    assert (plan.exports[0].segments[0].add, plan.exports[0].segments[0].remove) == (5, 2)
    project.apply()
    assert world.lists_titled("owners") == ()
    assert world.members_of(made) == {address(n) for n in range(10)}
    contact = world.contact(address(7))
    assert contact is not None
    assert contact.fields["FirstName"] == "First7"
    assert not project.plan().changes
    people(project, range(4))
    project.apply()
    assert world.members_of(made) == {address(n) for n in range(4)}


def test_who_is_not_wanted_leaves_under_the_guard(project: Project, world: World) -> None:
    declare(project, safety={"maxRemovals": "20%"})
    made = furnish(world, range(5, 15))
    assert adopt(project, "--yes").returncode == 0
    assert reconciler(project.root, "apply", "--yes", environ=project.environ).returncode == 3
    assert len(world.members_of(made)) == 10


def test_without_agreement_nothing_is_recorded(project: Project, world: World) -> None:
    furnish(world, range(3))
    done = adopt(project)
    assert done.returncode == 1
    assert "--yes" in done.stderr
    with project.shop().recorded(project.shop().declarations()) as reader:
        assert reader.connections() == ()


def test_the_history_and_the_json_tell_of_it(project: Project, world: World) -> None:
    made = furnish(world, range(3))
    world.add_member(made, world.add_contact({"FirstName": "Nameless"}))
    told = json.loads(adopt(project, "--yes", "--output", "json").stdout)
    assert told["members"] == {"wanted": 3, "unwanted": 0, "nameless": 1}
    assert told["list"] == {"title": TITLE, "id": made}
    past = json.loads(reconciler(project.root, "history", "--output", "json", environ=project.environ).stdout)["runs"]
    assert [(run["id"], run["trigger"], run["status"]) for run in past] == [(told["run"], "import", "Successful")]
    assert reconciler(project.root, "show", told["run"], environ=project.environ).returncode == 0


def test_twins_are_refused_until_one_is_named(project: Project, world: World) -> None:
    furnish(world, range(3))
    second = furnish(world, range(4, 6))
    refused = adopt(project, "--yes")
    assert refused.returncode == 1
    assert all(each in refused.stderr for each in world.lists_titled(TITLE))
    assert adopt(project, "--list-id", "contactlist_other", "--yes").returncode == 1
    assert adopt(project, "--list-id", second, "--yes").returncode == 0
    project.apply()
    assert world.members_of(second) == {address(n) for n in range(10)}


def test_marks_of_people_who_were_there_before_us_go(project: Project, world: World) -> None:
    """A list that an export found by its title is not ours to clear; once it is adopted, it is."""
    made = furnish(world, range(8, 12), title="owners")
    project.apply()
    assert world.members_of(made) == {address(n) for n in range(12)}
    done = reconciler(project.root, "import", "letters", "owners", "--list", "owners", "--yes", environ=project.environ)
    assert done.returncode == 0, done.stderr
    project.apply()
    assert world.members_of(made) == {address(n) for n in range(10)}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("lettres", "owners", "--list", TITLE), "no export"),
        (("letters", "owner", "--list", TITLE), "no segment"),
        (("letters", "owners", "--list", "Nobody's"), "no list of that title"),
    ],
)
def test_what_is_not_there_is_said(project: Project, world: World, words: tuple[str, ...], line: str) -> None:
    furnish(world, range(3))
    done = reconciler(project.root, "import", *words, "--yes", environ=project.environ)
    assert done.returncode == 1
    assert line in done.stderr


def test_a_segment_that_has_a_list_is_not_given_another(project: Project, world: World) -> None:
    project.apply()
    furnish(world, range(3))
    done = adopt(project, "--yes")
    assert done.returncode == 1
    assert "has a list already" in done.stderr
    assert len(world.members("owners")) == 10


def test_a_source_that_cannot_be_read_adopts_nothing(project: Project, world: World) -> None:
    furnish(world, range(3))
    (project.root / "people.csv").unlink()
    assert adopt(project, "--yes").returncode == 1
    with project.shop().recorded(project.shop().declarations()) as reader:
        assert reader.connections() == ()


def test_while_another_writes_nothing_is_adopted(project: Project, world: World) -> None:
    furnish(world, range(3))
    project.apply()
    with project.shop().lock(project.root, 0):
        assert adopt(project, "--yes").returncode == 5


def test_a_rename_that_is_declared_keeps_everybody(project: Project, world: World) -> None:
    project.apply()
    members = world.members("owners")
    project.declare(
        connection(url=project.url, fields=("Email", "FirstName"))
        | {"metadata": {"name": "renamed", "previousName": "account"}},
        source(),
        segment("householders", "half = 'Y'", previousName="owners"),
        export(
            "post",
            ["householders"],
            {"Email": "email", "FirstName": "first"},
            connection="renamed",
            metadata={"previousName": "letters"},
        ),
    )
    done = reconciler(project.root, "apply", "--yes", "--output", "json", environ=project.environ)
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)["exports"]
    assert (one["profiles"]["unchanged"], one["profiles"]["leave"], one["renamedFrom"]) == (10, 0, "letters")
    assert world.members("owners") == members
    assert world.lists_titled("householders") == ()
    with project.shop().recorded(project.shop().declarations()) as reader:
        assert reader.connections() == ("renamed",)
        assert [each.people for each in reader.exports("renamed")] == [10]
