"""What can go wrong in a lake while an export reads it: nobody is removed, and one line says why."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import obstore
import pytest
from support import contract
from support.between import Between, Cut, Refusal, between, every
from support.project import KEY, Project, connection, document, export, segment
from support.servers import azure_pass, azurite, s3
from support.vectors import taken
from typer.testing import CliRunner

from reconciler.cli.main import app
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from support.servers import Served

COLUMNS = {"id": "VARCHAR", "email": "VARCHAR", "first": "VARCHAR", "tier": "VARCHAR"}
SIZE, VIPS = 24, 16
VIP, GOLD = range(VIPS), range(1, SIZE, 2)


def address(number: int) -> str:
    return f"person{number:03}@example.com"


def people(first: int = 0) -> contract.Rows:
    """Give the people from one on; those before it are what a fault must not take off the lists."""
    return tuple(
        (f"c{number}", address(number), "Zoë", "gold" if number % 2 else "none") for number in range(first, SIZE)
    )


def held(first: int = 0) -> contract.Rows:
    return tuple((f"c{number}", "VIP") for number in range(first, VIPS))


@dataclass
class Scene:
    """A project that exports two segments of tables at `profiles` and `memberships`."""

    project: Project
    server: Sandbox
    profiles: str
    memberships: str = ""
    way: Between | None = None
    passed: list[str] = field(default_factory=list)

    def declare(self) -> None:
        tables: dict[str, Any] = {"profiles": {"path": self.profiles, "id": "id"}}
        if self.memberships:
            tables["memberships"] = {"path": self.memberships, "id": "id", "segment": "segment"}
        vip = {"source": "profiles", "member": "VIP"}
        self.project.declare(
            connection(url=self.server.url, fields=("Email", "FirstName")),
            document("Source", "profiles", {"type": "files", **tables}),
            document("Segment", "vip", vip) if self.memberships else segment("vip", "id IS NOT NULL"),
            segment("gold", "tier = 'gold'"),
            export("news", ["vip", "gold"], {"Email": "email", "FirstName": "first"}),
        )

    def run(self, *words: str) -> tuple[int, str]:
        result = CliRunner(env=self.project.environ).invoke(app, ["-C", str(self.project.root), *words])
        assert "Traceback" not in result.output
        assert "defect" not in result.output, result.output
        return result.exit_code, " ".join(result.output.split())

    def apply(self) -> tuple[int, str]:
        return self.run("apply", "--yes")

    def record(self) -> str:
        """Give what the newest run's record says."""
        runs = CliRunner(env=self.project.environ).invoke(app, ["-C", str(self.project.root), "history"]).output
        return self.run("show", runs.splitlines()[1].split()[0])[1]

    def lists(self) -> dict[str, set[str]]:
        account = self.server.account(KEY)
        return {title: account.members(title) for title in ("vip", "gold")}

    def blocked(self, line: str, before: Mapping[str, set[str]]) -> None:
        """Apply, and see that nobody was touched, and that one line says why."""
        self.server.forget_requests()
        code, said = self.apply()
        assert line in said, said
        assert code == 3, said
        assert self.lists() == before
        assert not [entry for entry in self.server.requests if entry.contacts]
        assert said.count("blocked: ") == 1, said
        for word in ("example.com", "http://", "_delta_log/0", ".snappy", str(self.project.root), *self.passed):
            assert word not in said, said


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with Sandbox(key=KEY, switches=Switches(rate=0)) as running:
        yield running


# Delta on this machine


@pytest.fixture
def local(tmp_path: Path, server: Sandbox) -> Scene:
    scene = Scene(Project(tmp_path, server.url, {"AUTOPILOT_API_KEY": KEY}), server, "people", "held")
    contract.delta(str(tmp_path / "people"), COLUMNS, people())
    contract.delta(str(tmp_path / "held"), contract.MEMBERSHIPS, held())
    scene.declare()
    assert scene.apply()[0] == 0
    assert scene.lists() == {"vip": set(map(address, VIP)), "gold": set(map(address, GOLD))}
    return scene


def log(table: Path) -> list[Path]:
    return sorted((table / "_delta_log").glob("*.json"))


def gap(table: Path) -> None:
    contract.delta_version(str(table), COLUMNS, ())
    log(table)[-2].unlink()


def headless(table: Path) -> None:
    log(table)[0].unlink()


def file_gone(table: Path) -> None:
    next(table.glob("*.parquet")).unlink()


def file_cut_short(table: Path) -> None:
    file = next(table.glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-200])


def file_garbled(table: Path) -> None:
    file = next(table.glob("*.parquet"))
    file.write_bytes(b"PAR1" + b"x" * 90 + file.read_bytes()[94:])


def file_empty(table: Path) -> None:
    next(table.glob("*.parquet")).write_bytes(b"")


def members_gone(table: Path) -> None:
    next((table.parent / "held").glob("*.parquet")).unlink()


def vector_gone(table: Path) -> None:
    vector = taken(table, [0, 2], "")
    assert vector is not None
    vector.unlink()


def column_gone(table: Path) -> None:
    fewer = {name: of for name, of in COLUMNS.items() if name != "first"}
    contract.delta_version(str(table), fewer, tuple((row[0], row[1], row[3]) for row in people(12)))


def column_renamed(table: Path) -> None:
    named = {"level" if name == "tier" else name: of for name, of in COLUMNS.items()}
    contract.delta_version(str(table), named, people(12))


def column_of_another_type(table: Path) -> None:
    contract.delta_version(str(table), COLUMNS | {"tier": "INTEGER"}, tuple((*row[:3], 1) for row in people(12)))


def log_gone(table: Path) -> None:
    shutil.rmtree(table / "_delta_log")
    contract.delta_version(str(table.parent / "others"), COLUMNS, people(12))
    (table / "_delta_log").mkdir()


def needs_more(table: Path) -> None:
    features = {"readerFeatures": ["reading-by-moonlight"], "writerFeatures": ["reading-by-moonlight"]}
    entry = {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}}
    (table / "_delta_log" / f"{len(log(table)):020}.json").write_text(json.dumps(entry))


NEWEST = "people: the newest version of this Delta table cannot be read"
THIS = "people: version 1 of this Delta table cannot be read"
SPOILED: dict[Callable[[Path], None], str] = {
    gap: f"{NEWEST}: its log has a gap",
    headless: NEWEST,
    log_gone: "people: there is no Delta table here",
    needs_more: f"{NEWEST}: it needs a feature of Delta that is not read",
    file_gone: f"{THIS}: one of its files is gone",
    file_cut_short: f"{THIS}: one of its files is damaged or cut short",
    file_garbled: f"{THIS}: one of its files is damaged or cut short",
    file_empty: f"{THIS}: one of its files is damaged or cut short",
    members_gone: "held: version 1 of this Delta table cannot be read: one of its files is gone",
    vector_gone: "people: version 2 of this Delta table cannot be read: one of its files is gone",
    column_gone: "people: there is no column 'first' for the match",
    column_renamed: "no column 'tier'",
    column_of_another_type: "segment gold: people: a column holds a value that cannot be cast as the predicate asks",
}


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__)
def test_a_delta_table_at_fault_removes_nobody_and_one_line_says_why(
    local: Scene, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    before = local.lists()
    spoil(tmp_path / "people")
    local.blocked(SPOILED[spoil], before)


def test_people_whom_a_deletion_vector_takes_leave_their_lists_and_nobody_else_does(
    local: Scene, tmp_path: Path
) -> None:
    taken(tmp_path / "people", [0, 2], "ab")  # of the second half: every other one, from the second on
    code, said = local.apply()
    assert code == 0, said
    gone = {address(1), address(5)}
    assert local.lists() == {"vip": set(map(address, VIP)) - gone, "gold": set(map(address, GOLD)) - gone}
    assert "version 2 of people" in local.record()


# A store


@pytest.fixture(scope="module")
def azure() -> Iterator[Served]:
    with azurite() as served:
        yield served


@pytest.fixture(scope="module")
def amazon() -> Iterator[Served]:
    with s3() as served:
        yield served


PARQUET, CSV, DELTA = "people.parquet", "people.csv", "people"


def stored(scene: Scene, served: Served, name: str, first: int = 0) -> None:
    """Put the people into a store, or write over them."""
    at, work = scene.profiles, scene.project.root / "work"
    if name == DELTA:
        words = {name: value for name, value in served.environ.items() if name.startswith(("AZURE_", "AWS_"))}
        contract.delta_version(at, COLUMNS, people(first), words)
        return
    if name == PARQUET:
        contract.parquet(work, COLUMNS, people(first))
    else:
        contract.table(work, list(COLUMNS), people(first))
    url, _, key = at.removeprefix("az://").removeprefix("s3://").partition("/")
    store = contract.bucket(f"{at.partition(':')[0]}://{url}", served.environ)
    obstore.put(store, key, work, use_multipart=False)


def remote(tmp_path: Path, server: Sandbox, way: Between, behind: Served, name: str) -> Scene:
    environ = {"AUTOPILOT_API_KEY": KEY, **way.served.environ}
    at = behind.fresh().removesuffix("of-project") + name
    scene = Scene(Project(tmp_path, server.url, environ), server, at, way=way)
    stored(scene, behind, name)
    scene.declare()
    assert scene.apply()[0] == 0
    assert len(scene.lists()["vip"]) == SIZE
    return scene


@pytest.fixture(params=[PARQUET, CSV, DELTA])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lake(tmp_path: Path, server: Sandbox, azure: Served, name: str) -> Iterator[Scene]:
    with between(azure) as way:
        yield remote(tmp_path, server, way, azure, name)


def is_data(method: str, path: str) -> bool:
    """Tell whether a request fetches rows."""
    return method == "GET" and path.partition("?")[0].endswith((".parquet", ".csv"))


REPLACED = "it was replaced or deleted while it was read; try again"
REFUSED = "the store refuses these credentials, or they lack a right of docs/lake.md"
FAULTS: dict[str, tuple[Refusal | Cut, str]] = {
    "forbidden": (Refusal(403, "AuthorizationFailure"), f"{REFUSED} (403 AuthorizationFailure)"),
    "expired": (Refusal(401, "InvalidAuthenticationInfo"), f"{REFUSED} (401 InvalidAuthenticationInfo)"),
    "throttled": (Refusal(503, "ServerBusy"), "the store cannot answer now (503 ServerBusy)"),
    "too many": (Refusal(429, "TooManyRequests"), "the store cannot answer now (429 TooManyRequests)"),
    "hangs up": (Cut(0.5), "the store does not answer"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_fails_once_the_table_is_found_removes_nobody(
    lake: Scene, azure: Served, name: str, fault: str
) -> None:
    before = lake.lists()
    stored(lake, azure, name, 12)
    assert lake.way is not None
    answer, line = FAULTS[fault]
    lake.way.fail(answer, is_data)
    lake.blocked(line, before)


@pytest.mark.parametrize("name", [DELTA], indirect=True)
@pytest.mark.parametrize("fault", ["forbidden", "throttled", "hangs up"])
def test_a_store_that_fails_at_once_removes_nobody(lake: Scene, azure: Served, name: str, fault: str) -> None:
    before = lake.lists()
    stored(lake, azure, name, 12)
    assert lake.way is not None
    answer, line = FAULTS[fault]
    lake.way.fail(answer)
    lake.blocked(f"{lake.profiles}: {line}", before)


@pytest.mark.parametrize("fault", ["throttled", "too many", "hangs up"])
def test_what_passes_is_waited_for(lake: Scene, azure: Served, name: str, fault: str) -> None:
    stored(lake, azure, name, 12)
    assert lake.way is not None
    once = iter([FAULTS[fault][0]] * 2)
    lake.way.rule = lambda method, path: next(once, None) if is_data(method, path) else None
    code, said = lake.apply()
    assert code == 0, said
    assert lake.lists()["vip"] == {address(number) for number in range(12, SIZE)}
    assert next(once, None) is None


@pytest.mark.parametrize("name", [DELTA], indirect=True)
def test_a_log_that_a_store_gives_by_half_removes_nobody(lake: Scene, azure: Served, name: str) -> None:
    before = lake.lists()
    stored(lake, azure, name, 12)
    assert lake.way is not None
    for answer, line in (FAULTS["throttled"], FAULTS["forbidden"], FAULTS["hangs up"]):
        lake.way.fail(answer, lambda _, path: path.endswith(".json"))
        lake.blocked(line, before)


def meanwhile(scene: Scene, act: Callable[[], object]) -> None:
    """Do something once, when the table has been found and its rows are asked for."""
    once = iter([act])

    def rule(method: str, path: str) -> None:
        if is_data(method, path):
            next(once, lambda: None)()

    assert scene.way is not None
    scene.way.rule = rule


@pytest.mark.parametrize("name", [DELTA], indirect=True)
@pytest.mark.usefixtures("name")
def test_a_version_that_comes_meanwhile_waits_for_the_next_run(lake: Scene, azure: Served, tmp_path: Path) -> None:
    made, store = lake.project.root / "made", contract.bucket("az://state", azure.environ)
    for first in (0, 4, 12):
        contract.delta_version(str(made), COLUMNS, people(first))
    newest = log(made)[-1].rename(tmp_path / "newest")
    lake.profiles += "-grown"
    key = lake.profiles.removeprefix("az://state/")
    contract.upload(made, store, key)
    lake.declare()
    meanwhile(lake, lambda: obstore.put(store, f"{key}/_delta_log/{2:020}.json", newest))
    code, said = lake.apply()
    assert code == 0, said
    assert lake.lists()["vip"] == {address(number) for number in range(4, SIZE)}
    assert f"version 1 of {lake.profiles} (20" in lake.record()
    assert lake.apply()[0] == 0
    assert lake.lists()["vip"] == {address(number) for number in range(12, SIZE)}
    assert f"version 2 of {lake.profiles} (20" in lake.record()


def test_data_that_is_deleted_meanwhile_removes_nobody(lake: Scene, azure: Served, name: str) -> None:
    before = lake.lists()
    store = contract.bucket("az://state", azure.environ)
    key = lake.profiles.removeprefix("az://state/")
    found = [entry["path"] for part in obstore.list(store, key) for entry in part if "_delta_log" not in entry["path"]]
    meanwhile(lake, lambda: obstore.delete(store, found or [key]))
    lake.blocked("one of its files is gone" if name == DELTA else REPLACED, before)


@pytest.mark.parametrize("name", [PARQUET, CSV], indirect=True)
def test_data_that_is_replaced_meanwhile_removes_nobody(lake: Scene, azure: Served, name: str) -> None:
    before = lake.lists()
    meanwhile(lake, lambda: stored(lake, azure, name, 12))
    lake.blocked(REPLACED, before)


def test_a_pass_to_a_container_that_has_expired_removes_nobody(
    tmp_path: Path, server: Sandbox, azure: Served, name: str
) -> None:
    with between(azure) as way:
        scene = remote(tmp_path, server, way, azure, name)
        before = scene.lists()
        stored(scene, azure, name, 12)
        del scene.project.environ["AZURE_STORAGE_ACCOUNT_KEY"]
        scene.project.environ["AZURE_STORAGE_SAS_TOKEN"] = azure_pass("state", "2001-01-01T00:00:00Z")
        scene.passed.append("sig=")
        scene.blocked(f"{scene.profiles}: {REFUSED} (403 ", before)
        scene.project.environ["AZURE_STORAGE_SAS_TOKEN"] = azure_pass("state", "2999-01-01T00:00:00Z")
        assert scene.apply()[0] == 0
        assert len(scene.lists()["vip"]) == 12


@pytest.mark.parametrize("name", [PARQUET, DELTA], indirect=True)
def test_a_session_at_amazon_that_expires_half_way_removes_nobody(
    tmp_path: Path, server: Sandbox, amazon: Served, name: str
) -> None:
    with between(amazon) as way:
        scene = remote(tmp_path, server, way, amazon, name)
        before = scene.lists()
        stored(scene, amazon, name, 12)
        scene.passed += [amazon.environ["AWS_SECRET_ACCESS_KEY"], amazon.environ["AWS_ACCESS_KEY_ID"]]
        for which in (is_data, every):
            way.fail(Refusal(400, "ExpiredToken"), which)
            scene.blocked("these credentials have expired; sign in again, or set new ones (400 ExpiredToken)", before)
        way.fail(Refusal(503, "SlowDown"), is_data)
        scene.blocked("the store cannot answer now (503 SlowDown)", before)


def test_the_two_ways_to_write_a_place_in_azure_are_the_same_people(lake: Scene) -> None:
    lake.server.forget_requests()
    lake.profiles = lake.profiles.replace("az://state/", "abfss://state@devstoreaccount1.dfs.core.windows.net/")
    lake.declare()
    del lake.project.environ["AZURE_STORAGE_ACCOUNT_NAME"]
    code, said = lake.apply()
    assert code == 0, said
    assert not [entry for entry in lake.server.requests if entry.contacts]
    assert lake.profiles in lake.record()
