"""One person is erased everywhere and for ever, wherever it is cut off, and is named nowhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.command import PROGRAM, reconciler
from support.project import KEY, Project, connection, export, segment, source

from reconciler.core.ports import Acknowledged
from reconciler.core.record import Intent, RunStatus
from reconciler.flow.forget import forget
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches
from reconciler.state.files import Files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.sandbox.world import World

SECOND = "fedcba9876543210fedcba9876543210"
COLUMNS = ("id", "email", "first", "half")
WHO = "person3@example.com"
NAME = "Quillfeather"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def worlds(sandbox: Sandbox) -> tuple[World, World]:
    return sandbox.account(KEY), sandbox.account(SECOND)


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    """Two connections to two accounts, each with everybody on two lists."""
    made = Project(tmp_path, sandbox.url, {"AUTOPILOT_API_KEY": KEY, "OTHER_KEY": SECOND})
    documents = [source(), segment("all", "half <> ''"), segment("some", "half = 'Y'")]
    for name, key in (("account", "AUTOPILOT_API_KEY"), ("other", "OTHER_KEY")):
        fields = ("Email", "FirstName")
        documents.append(connection(name, url=sandbox.url, fields=fields, apiKey={"env": key}))
        match = {"Email": "email", "FirstName": "first"}
        documents.append(export(f"to-{name}", ["all", "some"], match, connection=name))
    made.declare(*documents)
    people(made)
    assert made.apply()[1].status is RunStatus.SUCCESSFUL
    return made


def people(project: Project) -> None:
    rows = [(n, f"person{n}@example.com", NAME if n == 3 else f"First{n}", "Y" if n % 2 else "N") for n in range(6)]
    project.people(COLUMNS, rows)


def run(project: Project, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "-C", str(project.root), "forget", *words],
        env={**os.environ, **project.environ},
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def rows_about(project: Project) -> dict[str, int]:
    """Count the rows that any table has about the person."""
    shop = project.shop()
    declarations = shop.declarations()
    digests, _ = shop.digests(project.root, make=False)
    key = digests.person(WHO)
    with shop.recorded(declarations) as reader:
        names = {*reader.connections(), "account", "other"}
        assert key in reader.suppressed()
        return {
            "claims": sum(claim.key == key for name in names for claim in reader.claims(name)),
            "contacts": sum(len(reader.contact_ids(name, [key])) for name in names),
            "foreign": sum(key in reader.foreign(name) for name in names),
            "intents": sum(key in intent.keys for name in names for intent in reader.doubtful(name)),
            "rejects": sum(key in reader.rejected(name) for name in names),
            "erasures": sum(key in keys for keys in reader.erasures().values()),
        }


def check_gone(project: Project, worlds: tuple[World, World], sandbox: Sandbox) -> None:
    """The person is in no account and in no row; nobody else is touched; and no later run sends the address."""
    for world in worlds:
        assert world.contact(WHO) is None
        assert len(world.members("all")) == 5
    assert set(rows_about(project).values()) == {0}
    check_unnamed(project)
    sandbox.forget_requests()
    project.people(COLUMNS, [(n, f" PERSON{n}@example.com ", "Changed", "Y") for n in range(6)])
    _, done = project.apply()
    assert done.status is RunStatus.SUCCESSFUL
    assert [one.excluded["suppressed"] for one in done.exports] == [1, 1]
    assert all(world.contact(WHO) is None for world in worlds)
    assert not project.plan().changes


def check_unnamed(project: Project) -> None:
    for path in (project.root / ".reconciler").rglob("*"):
        if path.is_file():
            assert WHO.encode() not in path.read_bytes().lower(), path
            assert NAME.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("way", ["argument", "stdin"])
def test_a_person_is_erased_in_every_connection(
    project: Project, worlds: tuple[World, World], sandbox: Sandbox, way: str
) -> None:
    words, given = ((" Person3@Example.COM",), "") if way == "argument" else (("-",), f"{WHO}\n")
    sandbox.forget_requests()
    done = run(project, *words, "--yes", given=given)
    assert done.returncode == 0, done.stderr
    order = [(entry.method, entry.path.split("/")[1]) for entry in sandbox.requests]
    assert order[:3] == [("DELETE", "list"), ("DELETE", "list"), ("DELETE", "contact")]
    for word in ("account: taken off 2 lists", "other: taken off 2 lists", "suppressed for ever"):
        assert word in done.stdout
    assert WHO.split("@", maxsplit=1)[0] not in (done.stdout + done.stderr).lower()
    assert NAME not in done.stdout + done.stderr
    check_gone(project, worlds, sandbox)


def test_an_address_that_is_nowhere_is_suppressed_all_the_same(project: Project, worlds: tuple[World, World]) -> None:
    done = run(project, "later@example.com", "--yes", "--output", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["done"] is True
    assert [(one["name"], one["lists"], one["contact"]) for one in told["connections"]] == [
        ("account", 0, False),
        ("other", 0, False),
    ]
    project.people(COLUMNS, [(9, "later@example.com", "Later", "Y"), (1, "person1@example.com", "First1", "Y")])
    project.apply()
    assert all(world.contact("later@example.com") is None for world in worlds)


def test_it_works_before_anything_was_applied(tmp_path: Path, sandbox: Sandbox) -> None:
    made = Project(tmp_path, sandbox.url)
    made.declare(connection(url=sandbox.url), source(), segment("all", "half <> ''"), export("one", ["all"]))
    people(made)
    sandbox.account(KEY).add_contact({"Email": WHO})
    assert run(made, WHO, "--yes").returncode == 0
    made.apply()
    assert sandbox.account(KEY).contact(WHO) is None
    assert len(sandbox.account(KEY).members("all")) == 5


def test_what_is_no_address_is_not_repeated(project: Project) -> None:
    done = run(project, "quill feather at home", "--yes")
    assert done.returncode == 1
    assert "quill" not in done.stdout + done.stderr


def test_without_agreement_nothing_is_done(project: Project, worlds: tuple[World, World]) -> None:
    done = run(project, WHO)
    assert done.returncode == 1
    assert worlds[0].contact(WHO) is not None
    assert not Files(project.root).suppressed.exists()


def test_a_connection_that_cannot_be_reached_is_finished_by_the_next_run(
    project: Project, worlds: tuple[World, World], sandbox: Sandbox
) -> None:
    key, project.environ["OTHER_KEY"] = project.environ["OTHER_KEY"], "f" * 8
    done = run(project, WHO, "--yes")
    assert done.returncode == 4
    assert "other: not done" in done.stdout
    assert worlds[0].contact(WHO) is None
    assert worlds[1].contact(WHO) is not None
    assert rows_about(project)["erasures"] == 1
    again = reconciler(project.root, "apply", "--yes", environ=project.environ)
    assert again.returncode == 4
    assert "an erasure in other is not done" in again.stderr
    project.environ["OTHER_KEY"] = key
    assert reconciler(project.root, "apply", "--yes", environ=project.environ).returncode == 0
    check_gone(project, worlds, sandbox)


def test_an_erasure_that_needs_the_address_asks_for_it_again(project: Project, worlds: tuple[World, World]) -> None:
    """A contact that we never recorded is found by its address alone, which is written down nowhere."""
    worlds[1].add_contact({"Email": "guest@example.com"})
    key, project.environ["OTHER_KEY"] = project.environ["OTHER_KEY"], "f" * 8
    assert run(project, "guest@example.com", "--yes").returncode == 4
    project.environ["OTHER_KEY"] = key
    done = reconciler(project.root, "apply", "--yes", environ=project.environ)
    assert done.returncode == 4
    assert "reconciler forget" in done.stderr
    assert run(project, "guest@example.com", "--yes").returncode == 0
    assert worlds[1].contact("guest@example.com") is None
    assert reconciler(project.root, "apply", "--yes", environ=project.environ).returncode == 0


class Cut(Exception):  # noqa: N818  # no error, an end
    """The process ends here."""


STEPS = ("suppress", "start", "destination", "leave", "leave", "erase", "erase", "erased", "destination", "erased")


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(len(STEPS)), ids=[f"{n}-{step}" for n, step in enumerate(STEPS)])
def test_cut_off_at_each_step_it_goes_on_when_it_is_run_again(
    project: Project, worlds: tuple[World, World], sandbox: Sandbox, step: int, *, late: bool
) -> None:
    nth = STEPS[: step + 1].count(STEPS[step])
    shop = Cutting(project, STEPS[step], nth, late=late)
    with pytest.raises(Cut):
        forget(shop, WHO, lock_timeout=0)
    assert forget(project.shop(), WHO, lock_timeout=0).done
    check_gone(project, worlds, sandbox)


class Cutting:
    """A workshop whose ledger and destinations end the process at the nth call of one method."""

    def __init__(self, project: Project, method: str, nth: int, *, late: bool) -> None:
        self._shop, self._method, self._left, self._late = project.shop(), method, nth, late

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._shop, name)
        if name == "ledger":
            return lambda *given: Breaking(found(*given), self)
        if name != "outside":
            return found

        def outside(*given: Any) -> Any:
            made = found(*given)
            return Replaced(
                made, destination=lambda one: Breaking(self.cut("destination", made.destination, one), self)
            )

        return outside

    def cut(self, method: str, act: Any, *given: Any) -> Any:
        self._left -= method == self._method
        now = method == self._method and self._left == 0
        if now and not self._late:
            raise Cut
        result = act(*given)
        if now:
            raise Cut
        return result


class Replaced:
    """A value with one attribute replaced."""

    def __init__(self, value: Any, **changed: Any) -> None:
        self._value = value
        self.__dict__.update(changed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._value, name)


class Breaking:
    """A ledger or a destination whose calls may be the last."""

    def __init__(self, value: Any, cutting: Cutting) -> None:
        self._value, self._cutting = value, cutting

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._value, name)
        if name not in STEPS:
            return found
        return lambda *given: self._cutting.cut(name, found, *given)


@pytest.mark.parametrize("answered", [1, 2, 3, 4, 7])
def test_killed_while_a_request_is_in_flight_it_goes_on_when_it_is_run_again(
    project: Project, worlds: tuple[World, World], sandbox: Sandbox, answered: int
) -> None:
    """SIGKILL after so many answers: the request after them is on its way, and is carried out."""
    sandbox.switches = Switches(rate=0, latency=0.2)
    sandbox.forget_requests()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "-C", str(project.root), "forget", "-", "--yes"],
        env={**os.environ, **project.environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(f"{WHO}\n".encode())
    process.stdin.close()
    while len(sandbox.requests) < answered and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sandbox.switches = Switches(rate=0)
    assert run(project, WHO, "--yes").returncode == 0
    check_gone(project, worlds, sandbox)


def test_an_older_ledger_that_is_put_back_brings_nobody_back(project: Project, worlds: tuple[World, World]) -> None:
    files = Files(project.root)
    kept = {path: path.read_bytes() for path in files.home.iterdir() if path.name.startswith("state")}
    assert run(project, WHO, "--yes").returncode == 0
    for path in files.home.iterdir():
        if path.name.startswith("state"):
            path.unlink()
    for path, content in kept.items():
        path.write_bytes(content)
    project.apply()
    project.apply()
    assert all(world.contact(WHO) is None for world in worlds)
    assert all(len(world.members("all")) == 5 for world in worlds)
    files.suppressed.write_text("person3@example.com\n")
    done = reconciler(project.root, "plan", environ=project.environ)
    assert done.returncode == 1
    assert ".reconciler/suppressed:1" in done.stderr
    assert "person3" not in done.stderr


def test_a_person_in_a_request_in_doubt_is_taken_out_of_it(project: Project) -> None:
    shop = project.shop()
    digests, key = shop.digests(project.root, make=False)
    assert key is not None
    who, another = digests.person(WHO), digests.person("person1@example.com")
    with shop.lock(project.root, 0):
        ledger = shop.ledger(project.root, key)
        intents = [Intent(9, 1, 1, 1, (another, who)), Intent(9, 2, 1, 1, (who,))]
        ledger.commit("account", Acknowledged(intents=intents))
        ledger.suppress(who, ["account"])
        ledger.erased("account", who)
        assert ledger.doubtful("account") == (Intent(9, 1, 1, 1, (another,)),)
        ledger.close()
