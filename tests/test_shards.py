"""Many runners share the connections of a project: each is in exactly one shard, and all shards are the whole."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import reconciler
from support.hasty import HastyClock
from support.memory import MemoryStore
from support.project import Project, connection, document, export, segment, source
from typer.testing import CliRunner

from reconciler.cli.main import app
from reconciler.core.errors import StateLocked
from reconciler.core.model import Connection, EnvSecret
from reconciler.core.shards import Shard
from reconciler.flow.session import Session
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.core.plan import Plan

names = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
CONNECTIONS = 9
KEYS = count(1)
CONNECTION = Connection("", "", EnvSecret("KEY"), "http://127.0.0.1/v1", 1, 1.0, None)
PARTS = 3


@given(names, st.integers(1, 50))
def test_every_connection_is_in_exactly_one_shard(name: str, count: int) -> None:
    assert sum(Shard(number, count).holds(name) for number in range(1, count + 1)) == 1


@given(st.lists(names, max_size=8, unique=True), st.data(), st.integers(1, 8))
def test_what_is_recorded_is_in_one_shard_too_and_a_rename_in_that_of_the_new_name(
    known: list[str], data: st.DataObject, count: int
) -> None:
    declared = {}
    for name in known:
        former = data.draw(st.none() | names.filter(lambda each: each not in known))
        declared[name] = replace(CONNECTION, name=name, previous_name=former)
    for name in (*known, *(c.previous_name for c in declared.values() if c.previous_name), "gone"):
        shards = [Shard(k, count) for k in range(1, count + 1)]
        assert sum(each.recorded(declared)(name) for each in shards) == 1
    for name, each in declared.items():
        if each.previous_name and sum(c.previous_name == each.previous_name for c in declared.values()) == 1:
            for number in range(1, count + 1):
                shard = Shard(number, count)
                assert shard.recorded(declared)(each.previous_name) == shard.holds(name)


def test_a_shard_hangs_on_the_name_alone() -> None:
    """Runners of another version must come to the same answer."""
    held = [[n for n in range(8) if Shard(k, 4).holds(f"account-{n}")] for k in range(1, 5)]
    assert held == [[3, 4, 6], [0, 7], [1], [2, 5]]


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


class Runners:
    """One project whose state is in a store; each runner has a folder of its own."""

    def __init__(self, server: Sandbox, root: Path, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.root, self.store = server, root, store
        monkeypatch.setattr("reconciler.state.stores.open.open_store", lambda *_, **__: store)
        self.keys = {f"account-{n}": f"{next(KEYS):032x}" for n in range(CONNECTIONS)}
        self.environ = {f"KEY_{name[-1]}": key for name, key in self.keys.items()}
        self.environ["RECONCILER_STATE_KEY"] = "ab" * 32
        self.names = list(self.keys)
        self.former: dict[str, str] = {}

    def runner(self, name: str) -> Project:
        project = Project(self.root / name, self.server.url, self.environ, HastyClock())
        used = list(self.names)
        project.declare(
            document("Project", "shared", {"state": {"url": "s3://state/here"}}),
            source(),
            segment("all", "n >= '0'"),
            *(
                connection(n, self.server.url, apiKey={"env": f"KEY_{self.former.get(n, n)[-1]}"})
                | {"metadata": {"name": n} | ({"previousName": self.former[n]} if n in self.former else {})}
                for n in used
            ),
            *(export(f"e-{self.former.get(n, n)}", ["all"], connection=n) for n in used),
        )
        project.people(["id", "n", "email"], [(n, n, f"p{n}@example.com") for n in range(5)])
        return project

    def apply(self, name: str, shard: Shard, *exports: str) -> Plan:
        project = self.runner(name)
        with Session(project.shop(), lock_timeout=0, shard=shard, exports=exports, parallel=4) as session:
            plan = session.plan(exports, "demand")
            session.carry_out(plan, "demand")
        return plan

    def members(self) -> dict[str, int]:
        return {name: len(self.server.account(key).members("all")) for name, key in self.keys.items()}

    def recorded(self) -> dict[str, int]:
        shop = self.runner("reader").shop()
        with shop.recorded(shop.declarations()) as ledger:
            return {name: sum(1 for _ in ledger.claims(name)) for name in ledger.connections()}


@pytest.fixture
def runners(server: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runners:
    return Runners(server, tmp_path, MemoryStore(), monkeypatch)


def shards() -> list[Shard]:
    return [Shard(number, PARTS) for number in range(1, PARTS + 1)]


def test_all_shards_are_one_whole_run(runners: Runners) -> None:
    found = [runners.apply(f"runner-{shard.number}", shard) for shard in shards()]
    assert sorted(c.name for plan in found for c in plan.connections) == sorted(runners.keys)
    assert set(runners.members().values()) == {5}
    assert runners.recorded() == dict.fromkeys(runners.keys, 5)
    whole = runners.apply("whole", Shard(1, 1))
    assert len(whole.connections) == CONNECTIONS
    assert not whole.changes


def test_what_is_declared_no_more_is_retired_by_its_own_shard_alone(runners: Runners) -> None:
    runners.apply("whole", Shard(1, 1))
    gone = runners.names.pop(4)
    for shard in shards():
        plan = runners.apply(f"runner-{shard.number}", shard)
        seen = gone in {c.name for c in plan.connections}
        assert seen == shard.holds(gone)
        assert bool(plan.blocked) == seen, "there is no key to take its people off with"
    assert set(runners.members().values()) == {5}


def test_a_rename_is_carried_out_by_one_shard_and_sends_nothing(runners: Runners) -> None:
    runners.apply("whole", Shard(1, 1))
    old = "account-4"
    new = next(f"renamed-{n}" for n in range(99) if not any(s.holds(old) and s.holds(f"renamed-{n}") for s in shards()))
    runners.names[4], runners.former[new] = new, old
    for shard in shards():
        plan = runners.apply(f"runner-{shard.number}", shard)
        assert (new in {c.name for c in plan.connections}) == shard.holds(new)
        assert old not in {c.name for c in plan.connections}
        assert sum(c.requests.total for c in plan.connections) == 0
    assert runners.recorded()[new] == 5
    assert old not in runners.recorded()


def test_shards_run_at_the_same_time_and_a_whole_run_waits(runners: Runners) -> None:
    first, second = Shard(1, PARTS), Shard(2, PARTS)
    with Session(runners.runner("one").shop(), lock_timeout=0, shard=first) as session:
        session.plan((), "demand")
        runners.apply("two", second)
        with pytest.raises(StateLocked):
            runners.apply("one-again", first)
        with pytest.raises(StateLocked):
            runners.apply("whole", Shard(1, 1))


def brought(runners: Runners) -> set[str]:
    """Note, from now on, of which connections anything is read but who holds the lock."""
    read, found = runners.store.read, set[str]()

    def noted(name: str) -> object:
        if name.startswith("connections/") and not name.endswith("/lock"):
            found.add(name.split("/")[1])
        return read(name)

    runners.store.read = noted  # type: ignore[assignment,method-assign]
    return found


def test_nothing_is_brought_of_another_shard(runners: Runners) -> None:
    runners.apply("whole", Shard(1, 1))
    mine = Shard(1, PARTS)
    read, found = runners.store.read, set[str]()

    def noted(name: str) -> object:
        if "/base/" in name or "/log/" in name:
            found.add(name.split("/")[1])
        return read(name)

    runners.store.read = noted  # type: ignore[assignment,method-assign]
    runners.apply("one", mine)
    assert found == {name for name in runners.keys if mine.holds(name)}


WHOLE, ASKED = Shard(1, 1), "e-account-4"


def test_an_export_that_is_asked_for_brings_its_own_connection_alone(runners: Runners) -> None:
    runners.apply("whole", WHOLE)
    found = brought(runners)
    plan = runners.apply("one", WHOLE, ASKED)
    assert found == {"account-4"}
    assert [c.name for c in plan.connections] == ["account-4"]
    assert not plan.changes
    found.clear()
    runner = runners.runner("two")
    planned = CliRunner(env=runner.environ).invoke(app, ["-C", str(runner.root), "plan", "--export", ASKED])
    assert (planned.exit_code, found) == (0, {"account-4"}), planned.output


def test_what_an_export_asks_of_the_store_does_not_grow_with_the_other_connections(runners: Runners) -> None:
    asked = []
    for names in (["account-4"], list(runners.keys)):
        runners.names = names
        runners.apply("whole", WHOLE)
        log = len(runners.store.names("connections/account-4/log"))
        runners.store.asked.clear()
        runners.apply("one", WHOLE, ASKED)
        asked.append({**runners.store.asked, "read": runners.store.asked["read"] - log})
    assert asked[0] == asked[1]


def test_an_export_that_is_asked_for_leaves_all_others_as_they_are(runners: Runners) -> None:
    runners.names = ["account-4", "account-5"]
    runners.apply("whole", WHOLE)
    runners.names = ["account-4", "account-6"]  # what is declared no more waits for a run of everything
    runners.apply("one", WHOLE, ASKED)
    assert runners.recorded() == {"account-4": 5, "account-5": 5}
    assert runners.members() == {name: 5 if name in {"account-4", "account-5"} else 0 for name in runners.keys}
    runners.apply("one", WHOLE, "e-account-6")
    assert runners.recorded() == {"account-4": 5, "account-5": 5, "account-6": 5}


def test_an_export_of_a_connection_that_was_renamed_is_found_under_its_former_name(runners: Runners) -> None:
    runners.apply("whole", WHOLE)
    runners.names[4], runners.former["renamed"] = "renamed", "account-4"
    for _ in range(2):  # the first carries the rename out
        plan = runners.apply("one", WHOLE, ASKED)
        assert [c.name for c in plan.connections] == ["renamed"]
        assert sum(c.requests.total for c in plan.connections) == 0
    assert runners.recorded() == dict.fromkeys((*runners.names,), 5)


def test_an_export_that_is_declared_no_more_is_found_wherever_it_is_recorded(runners: Runners) -> None:
    runners.apply("whole", WHOLE)
    shop = runners.runner("one").shop()
    text = (shop.root / "exports" / "all.yaml").read_text().split("\n---\n")
    (shop.root / "exports" / "all.yaml").write_text("\n---\n".join(each for each in text if f'"{ASKED}"' not in each))
    with Session(shop, lock_timeout=0, exports=(ASKED,)) as session:
        session.carry_out(session.plan((ASKED,), "demand"), "demand")
    assert runners.members() == {name: 0 if name == "account-4" else 5 for name in runners.keys}


def test_an_export_that_moved_leaves_its_former_connection_to_a_run_of_everything(runners: Runners) -> None:
    runners.apply("whole", WHOLE)
    for name, exports in (("one", (ASKED,)), ("two", ())):
        runner = runners.runner(name)
        file = runner.root / "exports" / "all.yaml"
        declared = [json.loads(each) for each in file.read_text().split("\n---\n")]
        for each in declared:
            if each["metadata"]["name"] == ASKED:
                each["spec"] |= {"connection": "account-5", "segments": [{"name": "all", "list": "moved"}]}
        runner.declare(*declared)
        with Session(runner.shop(), lock_timeout=0, exports=exports) as session:
            session.carry_out(session.plan(exports, "demand"), "demand")
        assert len(runners.server.account(runners.keys["account-5"]).members("moved")) == 5
        assert runners.members() == {each: 5 if exports or each != "account-4" else 0 for each in runners.keys}


def test_an_export_runs_while_another_runner_has_the_other_connections(runners: Runners) -> None:
    runners.apply("whole", WHOLE)
    others = tuple(f"e-{name}" for name in runners.keys if name != "account-4")
    with Session(runners.runner("others").shop(), lock_timeout=0, exports=others) as session:
        session.plan(others, "demand")
        assert not runners.apply("one", WHOLE, ASKED).changes
        with pytest.raises(StateLocked):
            runners.apply("two", WHOLE, "e-account-5")


def test_a_saved_plan_remembers_its_shard(server: Sandbox, tmp_path: Path) -> None:
    environ = {"AUTOPILOT_API_KEY": "5" * 32, "RECONCILER_STATE_KEY": "ab" * 32}
    project = Project(tmp_path, server.url, environ)
    project.declare(
        source(),
        segment("all", "n >= '0'"),
        *(connection(f"account-{n}", server.url) for n in range(CONNECTIONS)),
        *(export(f"e{n}", [{"name": "all", "list": f"list {n}"}], connection=f"account-{n}") for n in range(9)),
    )
    project.people(["id", "n", "email"], [(1, 1, "p1@example.com")])
    saved = str(tmp_path / "plan.json")
    planned = reconciler(tmp_path, "plan", "--shard", "2/3", "--out", saved, "--output", "json", environ=environ)
    assert planned.returncode == 0, planned.stderr
    here = {c["name"] for c in json.loads(planned.stdout)["connections"]}
    assert here == {f"account-{n}" for n in range(CONNECTIONS) if Shard(2, 3).holds(f"account-{n}")}
    done = reconciler(tmp_path, "apply", saved, "--yes", "--output", "json", environ=environ)
    assert done.returncode == 0, done.stderr
    assert {c["name"] for c in json.loads(done.stdout)["connections"]} == here
    again = reconciler(tmp_path, "apply", saved, "--shard", "1/3", "--yes", environ=environ)
    assert again.returncode == 2


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "-1/3", "1/99999"])
def test_what_is_no_shard_is_a_usage_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    assert reconciler(tmp_path, "plan", f"--shard={text}").returncode == 2
