"""Who is suppressed, or has not consented, is not sent by any export, whatever else is so; and it fails closed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import reconciler
from support.project import KEY, Project, connection, document, export, segment, source

from reconciler.core.errors import ReconcilerError
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COLUMNS = ("id", "email", "half", "agrees")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(key=KEY, switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    made = Project(tmp_path, sandbox.url)
    made.people(COLUMNS, [(n, f"person{n}@example.com", "Y", "true") for n in range(6)])
    declare(made)
    return made


def declare(project: Project, types: Mapping[str, str] | None = None, **spec: Any) -> None:
    table: dict[str, Any] = {"types": dict(types)} if types else {}
    project.declare(
        connection(url=project.url),
        source(**table),
        segment("all", "half <> ''"),
        segment("some", "half = 'Y'"),
        export("one", ["all"], **spec),
        export("two", ["some"], **spec),
        document("Project", "contoso", {"suppressions": "suppressions.txt"}),
    )


def apply(project: Project) -> tuple[int, dict[str, Any], str]:
    done = reconciler(project.root, "apply", "--yes", "--output", "json", environ=project.environ)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def suppress(project: Project, text: str) -> None:
    (project.root / "suppressions.txt").write_text(text, encoding="utf-8")


def digest_of(project: Project, address: str) -> str:
    digests, _ = project.shop().digests(project.root, make=True)
    return digests.person(address).hex()


def test_addresses_and_digests_are_honoured_by_every_export(project: Project, sandbox: Sandbox) -> None:
    digest = digest_of(project, "person2@example.com").upper()
    suppress(project, f"\ufeff# who asked\r\n\r\n  Person1@Example.com \r\n   # indented\r\n{digest}\r\n")
    code, told, _ = apply(project)
    assert code == 0
    assert [one["excluded"]["suppressed"] for one in told["exports"]] == [2, 2]
    expected = {f"person{n}@example.com" for n in (0, 3, 4, 5)}
    assert sandbox.world.members("all") == sandbox.world.members("some") == expected
    assert sandbox.world.contact("person1@example.com") is None


def test_who_is_suppressed_later_leaves_every_list(project: Project, sandbox: Sandbox) -> None:
    suppress(project, "")
    assert apply(project)[0] == 0
    suppress(project, "person1@example.com\n")
    assert apply(project)[0] == 0
    assert "person1@example.com" not in sandbox.world.members("all") | sandbox.world.members("some")


def test_a_line_that_is_neither_stops_everything_and_is_not_repeated(project: Project, sandbox: Sandbox) -> None:
    lines = ["person1@", "person1", "00ff", "person1@example.com, person2@example.com", "g" * 32]
    for line in lines:
        suppress(project, f"# who asked\n\n{line}\n")
        with pytest.raises(ReconcilerError, match=r"^suppressions\.txt:3: ") as refused:
            project.apply()
        assert line not in str(refused.value)
    for command in ("plan", "apply"):
        done = reconciler(project.root, command, environ=project.environ)
        assert done.returncode == 1
        assert done.stderr.startswith("error: suppressions.txt:3: ")
    assert sandbox.requests == ()


def test_a_file_that_is_not_there_or_not_text_stops_everything(project: Project, sandbox: Sandbox) -> None:
    assert "suppressions.txt" in apply(project)[2]
    (project.root / "suppressions.txt").write_bytes(b"\xff\xfe\x00")
    code, _, said = apply(project)
    assert code == 1
    assert "suppressions.txt" in said
    assert sandbox.requests == ()


def test_a_consent_column_that_is_missing_sends_nobody_and_removes_nobody(project: Project, sandbox: Sandbox) -> None:
    suppress(project, "")
    assert apply(project)[0] == 0
    members = sandbox.world.members("all")
    sandbox.forget_requests()
    declare(project, consent={"column": "agreed", "equals": "true"})
    code, told, said = apply(project)
    assert code in {1, 3}  # by the check of the declarations where the source can be read, else by the rule
    assert "agreed" in said + json.dumps(told)
    project.people(("id", "email", "half"), [(n, f"person{n}@example.com", "Y") for n in range(6)])
    declare(project, consent={"column": "agrees", "equals": "true"})
    code, told, said = apply(project)
    assert code in {1, 3}
    assert "agrees" in said + json.dumps(told)
    assert sandbox.requests == ()
    assert sandbox.world.members("all") == members


def test_anything_but_the_declared_value_is_no_consent(project: Project, sandbox: Sandbox) -> None:
    suppress(project, "")
    values = ["true", "", "TRUE", "True", "1", "yes", "truely", " true", "true ", "null", "false"]
    project.people(COLUMNS, [(n, f"person{n}@example.com", "Y", value) for n, value in enumerate(values)])
    declare(project, consent={"column": "agrees", "equals": "true"})
    code, told, _ = apply(project)
    assert code == 0
    assert [one["excluded"]["no_consent"] for one in told["exports"]] == [10, 10]
    assert sandbox.world.members("all") == {"person0@example.com"}


@pytest.mark.parametrize("kind", ["boolean", "integer"])
def test_a_consent_column_of_another_type_is_no_consent(project: Project, sandbox: Sandbox, kind: str) -> None:
    suppress(project, "")
    value = "true" if kind == "boolean" else "1"
    project.people(COLUMNS, [(n, f"person{n}@example.com", "Y", value) for n in range(6)])
    declare(project, types={"agrees": kind}, consent={"column": "agrees", "equals": value})
    code, told, _ = apply(project)
    assert code in {0, 3}
    assert [one["profiles"]["desired"] for one in told["exports"]] == [0, 0]
    assert sandbox.requests == ()


def test_one_profile_that_refuses_speaks_for_its_address(project: Project, sandbox: Sandbox) -> None:
    suppress(project, "")
    rows = [(1, "person1@example.com", "Y", "true"), (2, "PERSON1@example.com", "Y", "false")]
    project.people(COLUMNS, [*rows, (3, "person3@example.com", "Y", "true")])
    declare(project, consent={"column": "agrees", "equals": "true"})
    assert apply(project)[0] == 0
    assert sandbox.world.members("all") == {"person3@example.com"}


def test_nothing_that_is_sent_can_subscribe_anybody_again(project: Project, sandbox: Sandbox) -> None:
    suppress(project, "")
    assert apply(project)[0] == 0
    sandbox.world.unsubscribe("person1@example.com")
    project.people(COLUMNS, [(n, f"person{n}@example.com", "Y", "changed") for n in range(6)])
    sandbox.world.remove_member(sandbox.world.lists_titled("all")[0], "person1@example.com")
    done = reconciler(project.root, "apply", "--refresh", "--yes", environ=project.environ)
    assert done.returncode == 0, done.stderr
    contact = sandbox.world.contact("person1@example.com")
    assert contact is not None
    assert contact.unsubscribed
    assert "person1@example.com" in sandbox.world.members("all")
    assert all(entry.resubscribed == 0 for entry in sandbox.requests)
