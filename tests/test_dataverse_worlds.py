"""What can go wrong in Customer Insights while an export reads it: nobody is removed, and one line says why."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from support import dataverse
from support.dataverse import World, segment, serving
from support.hasty import HastyClock
from support.project import KEY, Project, connection, document, export
from typer.testing import CliRunner

from reconciler import wiring
from reconciler.cli.main import app
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches
from reconciler.sources import streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROFILES, HELD = "msdynci_customerprofiles", "msdynci_segmentmemberships"
SIZE = 24
VIPS = 16


def address(number: int) -> str:
    return f"person{number:03}@example.com"


class Scene:
    """A project that exports two segments of a stand-in: `vip`, which it keeps, and `gold`, which is ruled by SQL."""

    def __init__(self, world: World, project: Project, server: Sandbox) -> None:
        self.world, self.project, self.server = world, project, server
        self.profiles, self.held = world.tables[PROFILES], world.tables[HELD]
        self.declare()

    def declare(self, **spec: Any) -> None:
        who = {"tenant": dataverse.TENANT, "client": dataverse.CLIENT, "secret": {"env": "DATAVERSE_SECRET"}}
        whole = {
            "type": "dataverse",
            "url": self.world.base,
            "authority": self.world.base,
            "credentials": {"clientSecret": who},
            "customerInsights": {
                "url": f"{self.world.base}/v1",
                "instance": dataverse.INSTANCE,
                "subscriptionKey": {"env": "SUBSCRIPTION"},
            },
        }
        self.project.declare(
            connection(url=self.server.url, fields=("Email", "FirstName")),
            document("Source", "insights", {key: value for key, value in (whole | spec).items() if value is not None}),
        )
        self.rule()

    def rule(self, vip: str = "", gold: str = "Tier = 'gold'", **spec: Any) -> None:
        """Let the segments be these."""
        match = {"Email": "EmailAddress", "FirstName": "firstname"}
        self.project.declare(
            document("Segment", "vip", {"source": "insights"} | ({"where": vip} if vip else {"member": "VIP"})),
            document("Segment", "gold", {"source": "insights", "where": gold}),
            export("news", ["vip", "gold"], match, source="insights", **spec),
            file="segments.yaml",
        )

    def run(self, *words: str) -> tuple[int, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wiring, "SystemClock", lambda: self.project.clock)
            result = CliRunner(env=self.project.environ).invoke(app, ["-C", str(self.project.root), *words])
        assert "Traceback" not in result.output
        assert "defect" not in result.output, result.output
        return result.exit_code, result.output

    def apply(self) -> tuple[int, str]:
        return self.run("apply", "--yes")

    def lists(self) -> dict[str, set[str]]:
        account = self.server.account(KEY)
        return {title: account.members(title) for title in ("vip", "gold")}

    def shrink(self) -> None:
        """Let half of the people be in neither segment any more, as a refresh that is cut off leaves it."""
        del self.held.rows[VIPS // 2 :]
        for row in self.profiles.rows[: SIZE // 2]:
            row["msdynci_tier"] = "none"


def people() -> dict[str, dataverse.Table]:
    columns: dataverse.Attributes = {
        "msdynci_customerid": ("String", None),
        "msdynci_emailaddress": ("String", None),
        "msdynci_firstname": ("String", None),
        "msdynci_tier": ("String", None),
        "msdynci_phone": ("String", None),
        "ownerid": ("Owner", None),
    }
    listing: dataverse.Attributes = {"msdynci_customerid": ("String", None), "msdynci_segments": ("Memo", None)}
    rows = [
        {
            "msdynci_customerid": f"c{number}",
            "msdynci_emailaddress": address(number),
            "msdynci_firstname": "Zoë",
            "msdynci_tier": "gold" if number % 2 else "none",
            "msdynci_phone": "555-0100",
        }
        for number in range(SIZE)
    ]
    held = [{"msdynci_customerid": f"c{n}", "msdynci_segments": '"VIP","VIP_Lapsed"'} for n in range(VIPS)]
    held.append({"msdynci_customerid": f"c{SIZE - 1}", "msdynci_segments": '"VIP_Lapsed"'})
    return {
        PROFILES: dataverse.Table("msdynci_customerprofile", columns, rows),
        HELD: dataverse.Table("msdynci_segmentmembership", listing, held),
    }


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    world = World(people(), [segment("VIP", VIPS), segment("VIP_Lapsed", VIPS + 1)], cap=5)
    world.refreshed()
    with serving(world, tmp_path), Sandbox(key=KEY, switches=Switches(rate=0)) as server:
        environ = {
            "AUTOPILOT_API_KEY": KEY,
            "DATAVERSE_SECRET": dataverse.SECRET,
            "SUBSCRIPTION": dataverse.SUBSCRIPTION,
        }
        (tmp_path / "project").mkdir()
        yield Scene(world, Project(tmp_path / "project", server.url, environ, HastyClock()), server)


def test_a_sound_world_is_exported_and_then_nothing_is_sent(scene: Scene) -> None:
    code, said = scene.apply()
    assert code == 0, said
    vips = {address(number) for number in range(VIPS)}
    assert scene.lists() == {"vip": vips, "gold": {address(number) for number in range(1, SIZE, 2)}}
    code, said = scene.run("plan", "--exit-code")
    assert code == 0, said
    code, said = scene.run("show", scene.run("history")[1].splitlines()[1].split()[0])
    assert code == 0, said
    assert f"{PROFILES} at 127.0.0.1: {SIZE} rows read, refresh of 2026-11-02 06:10" in said


def test_only_what_is_mapped_or_ruled_is_asked_for(scene: Scene) -> None:
    scene.apply()
    read = [path for _, path, _ in scene.world.asked if f"/{PROFILES}?" in path or f"/{HELD}?" in path]
    assert read
    assert not any("phone" in path for path in read)
    assert all(
        headers["Prefer"] == "odata.maxpagesize=5000" for _, path, headers in scene.world.asked if "$select" in path
    )
    first = next(path for path in read if f"/{HELD}?" in path)
    assert "$filter=contains(msdynci_segments,'\"VIP\"')" in first


def inactive(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS, state="Inactive")


def failed(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2, status="Failed")


def running(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2, status="Running")


def unknown(scene: Scene) -> None:
    del scene.world.segments[0]


def miscounted(scene: Scene) -> None:
    assert scene.world.segments[0]["evaluationStatus"]["entityCount"] == VIPS


def refreshing(scene: Scene) -> None:
    scene.world.refreshed("Running", "")


def ruined(scene: Scene) -> None:
    scene.world.refreshed("Failed", "2026-11-02T07:00:00Z")


def at(scene: Scene, table: str, number: int, act: Callable[[], None]) -> None:
    """Do something once, before a page is given."""
    done: list[int] = []

    def page(path: str, asked: int) -> None:
        if (path, asked) == (table, number) and not done:
            done.append(asked)
            act()

    scene.world.page = page


def refreshed_meanwhile(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2)
    at(scene, PROFILES, 3, lambda: scene.world.refreshed(ended="2026-11-02T08:00:00Z"))


def begun_meanwhile(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2)
    at(scene, PROFILES, 3, lambda: scene.world.refreshed("Running", ""))


def evaluated_meanwhile(scene: Scene) -> None:
    at(scene, PROFILES, 3, lambda: scene.world.segments.__setitem__(0, segment("VIP", VIPS // 2)))


def missing(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2)
    scene.world.statuses[PROFILES, 2] = [404]


def broken(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2)
    scene.world.statuses[HELD, 2] = [500] * 9


def cut(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2)
    scene.world.cuts[PROFILES, 3] = 9


def circular(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2)
    scene.world.repeats.add((PROFILES, 2))


def elsewhere(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2)
    scene.world.links[PROFILES, 1] = "https://127.0.0.2/api/data/v9.2/msdynci_customerprofiles?$skiptoken=x"


def vanished(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2)
    del scene.profiles.attributes["msdynci_firstname"]


def vanished_meanwhile(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2)

    def drop() -> None:
        for row in scene.profiles.rows:
            del row["msdynci_tier"]

    at(scene, PROFILES, 2, drop)


def turned(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2)
    scene.profiles.rows[-1]["msdynci_tier"] = 7


def no_new_token(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2)

    def revoke() -> None:
        scene.world.expire()
        scene.world.grants = 0
        scene.world.refusal = "AADSTS7000222"

    at(scene, PROFILES, 3, revoke)


def forbidden(scene: Scene) -> None:
    scene.world.forbidden.add(HELD)


def unquoted(scene: Scene) -> None:
    scene.world.segments[0] = segment("VIP", VIPS // 2)
    scene.held.rows[0]["msdynci_segments"] = '["VIP" and "VIP_Lapsed"]'


def unknown_secret(scene: Scene) -> None:
    del scene.project.environ["DATAVERSE_SECRET"]


FAULTS: dict[Callable[[Scene], None], str] = {
    inactive: "segment 'VIP' is not active in Customer Insights (Inactive)",
    failed: "the last evaluation of segment 'VIP' failed in Customer Insights",
    running: "segment 'VIP' is not evaluated to its end in Customer Insights (Running)",
    unknown: "Customer Insights has no segment 'VIP'",
    miscounted: "segment 'VIP' has 16 members in Customer Insights and 8 in Dataverse, which is half updated",
    refreshing: "Customer Insights is being refreshed; its tables are read when that is over",
    ruined: "the last refresh of Customer Insights failed, so that its tables may be half updated",
    refreshed_meanwhile: "Customer Insights was refreshed while its tables were read, so they were read by half",
    begun_meanwhile: "Customer Insights is being refreshed; its tables are read when that is over",
    evaluated_meanwhile: "segment 'VIP' was evaluated anew while it was read, so it was read by half",
    missing: f"{PROFILES}: page 2: 127.0.0.1 does not have it, or not any more (404)",
    broken: f"{HELD}: page 2: GET /{HELD} at 127.0.0.1: 500 Internal Server Error (tried 6 times)",
    cut: f"{PROFILES}: page 3: GET /{PROFILES} at 127.0.0.1: the connection broke off (tried 6 times)",
    circular: f"{PROFILES}: after page 3 127.0.0.1 leads back to one that was read before",
    elsewhere: f"{PROFILES}: 127.0.0.1 names a next page in another place, which is not asked for",
    vanished: f"{PROFILES}: there is no column 'firstname' for the match",
    vanished_meanwhile: f"{PROFILES}: column 'tier' is gone since the read began, so it was read by half",
    turned: f"{PROFILES}: column 'tier' holds a value that is not of its type VARCHAR",
    no_new_token: "insights: no token is given to this identity: the client secret has expired",
    unknown_secret: "the environment variable DATAVERSE_SECRET is not set; set it to the secret of the source insights",
    forbidden: f"{HELD}: 127.0.0.1 does not let this identity read it (403)",
    unquoted: f'{HELD}: msdynci_segments does not list names between "',
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_nobody_is_removed_and_one_line_says_why(scene: Scene, fault: Callable[[Scene], None]) -> None:
    assert scene.apply()[0] == 0
    before = scene.lists()
    scene.shrink()
    fault(scene)
    code, said = scene.apply()
    assert FAULTS[fault] in " ".join(said.split()), said
    assert code == 3, said
    assert scene.lists() == before
    for word in ("example.com", dataverse.SECRET, dataverse.SUBSCRIPTION, "skiptoken", *scene.world.issued):
        assert word not in said


def test_a_token_that_expires_half_way_is_renewed_and_the_page_asked_again(scene: Scene) -> None:
    at(scene, PROFILES, 3, scene.world.expire)
    code, said = scene.apply()
    assert code == 0, said
    assert len(scene.lists()["vip"]) == VIPS
    assert len({token for token in scene.world.issued if not token.startswith("https://api.ci")}) == 2


def test_what_passes_is_waited_for(scene: Scene) -> None:
    clock = scene.project.clock
    assert isinstance(clock, HastyClock)
    scene.world.throttled = [(dataverse.TOO_MANY, 250), (dataverse.TOO_LONG, 1), (dataverse.TOO_BUSY, 1)]
    scene.world.statuses[PROFILES, 2] = [503, 502]
    scene.world.cuts[HELD, 1] = 1
    began = clock.monotonic()
    code, said = scene.apply()
    assert code == 0, said
    assert clock.monotonic() - began >= 250
    assert len(scene.lists()["vip"]) == VIPS
    assert scene.world.most_at_once <= 2


def test_nothing_is_sent_when_a_file_becomes_dataverse(scene: Scene) -> None:
    columns = ("CustomerId", "EmailAddress", "FirstName", "Tier")
    kept = ("msdynci_customerid", "msdynci_emailaddress", "msdynci_firstname", "msdynci_tier")
    scene.project.people(columns, [[row[name] for name in kept] for row in scene.profiles.rows])
    scene.project.people(("id", "segment"), [(f"c{number}", "VIP") for number in range(VIPS)], "held.csv")
    tables = {
        "profiles": {"path": "people.csv", "id": "CustomerId"},
        "memberships": {"path": "held.csv", "id": "id", "segment": "segment"},
    }
    nothing = dict.fromkeys(("url", "authority", "credentials", "customerInsights"))
    scene.declare(type="files", **tables, **nothing)
    assert scene.apply()[0] == 0
    scene.server.forget_requests()
    scene.declare()
    code, said = scene.apply()
    assert code == 0, said
    assert "no changes" in said or "nothing to do" in said.lower(), said
    assert not [entry for entry in scene.server.requests if entry.contacts]


def test_without_the_api_it_is_said_that_completeness_is_not_known(scene: Scene) -> None:
    scene.declare(customerInsights=None)
    code, said = scene.apply()
    assert code == 0, said
    said = scene.run("show", scene.run("history")[1].splitlines()[1].split()[0])[1]
    assert "of which refresh is not known without customerInsights" in " ".join(said.split())
    assert scene.world.count("/v1/") == 0


def test_a_segment_that_is_empty_by_all_accounts_is_known(scene: Scene) -> None:
    scene.apply()
    scene.held.rows.clear()
    scene.world.segments[0] = segment("VIP", 0)
    code, said = scene.apply()
    assert code == 3
    assert "VIP" in said or "vip" in said
    assert "empty" in said or "no members" in said, said
    assert len(scene.lists()["vip"]) == VIPS


@pytest.mark.parametrize("where", ["1 = 0", "Tier = 'gold' AND Tier = 'lead'", "Tier = NULL", "Tier IN ('lead')"])
def test_a_predicate_that_nobody_meets_is_an_empty_segment_and_not_one_read_by_half(scene: Scene, where: str) -> None:
    """The engine need not look at a row to know that of most of these."""
    scene.apply()
    before = scene.lists()
    scene.rule(gold=where)
    began = time.monotonic()
    code, said = scene.apply()
    assert time.monotonic() - began < streams.PATIENCE
    assert code == 3, said
    assert "gold has no members" in " ".join(said.split()), said
    assert scene.lists() == before
    scene.rule(gold=where, allowEmpty=True)
    code, said = scene.apply()
    assert code == 0, said
    assert scene.lists() == before | {"gold": set()}


def test_a_predicate_that_nobody_can_meet_asks_for_no_page(scene: Scene) -> None:
    scene.rule(vip="1 = 0", gold="Tier = NULL", allowEmpty=True)
    assert scene.apply()[0] == 0
    assert scene.world.count(f"/{PROFILES}?") == scene.world.count(f"/{HELD}?") == 0


def test_a_kept_segment_that_is_read_empty_and_is_not_is_half_updated(scene: Scene) -> None:
    scene.apply()
    before = scene.lists()
    scene.held.rows.clear()
    scene.rule(allowEmpty=True)
    code, said = scene.apply()
    assert (code, scene.lists()) == (3, before)
    assert "segment 'VIP' has 16 members in Customer Insights and 0 in Dataverse" in " ".join(said.split())


MANY = 8


def scans(scene: Scene, table: str = PROFILES) -> int:
    """Count the scans of a table: the requests for its first page, tries included."""
    return sum(f"/{table}?" in path and "skiptoken" not in path for _, path, _ in scene.world.asked)


def many(scene: Scene, **segments: dict[str, str]) -> None:
    """Declare many exports that are read together, of which some have these segments of their own."""
    plain = {f"e{n}": {"where": f"Tier = 'gold' AND firstname <> '{n}'"} for n in range(MANY)}
    match = {"Email": "EmailAddress", "FirstName": "firstname"}
    scene.project.declare(
        *(document("Segment", f"s-{name}", {"source": "insights", **of}) for name, of in (plain | segments).items()),
        *(export(name, [f"s-{name}"], match, source="insights") for name in plain | segments),
        file="segments.yaml",
    )


def off(scene: Scene) -> None:
    scene.world.statuses[PROFILES, 2] = [500] * 99


def cut_off(scene: Scene) -> None:
    scene.world.cuts[PROFILES, 3] = 99


def gone(scene: Scene) -> None:
    scene.world.statuses[PROFILES, 2] = [404] * 99


def held_off(scene: Scene) -> None:
    scene.world.statuses[HELD, 2] = [503] * 99


@pytest.mark.parametrize("fault", [off, cut_off, gone, held_off, no_new_token, refreshed_meanwhile, ruined])
def test_a_source_that_breaks_is_scanned_once_whatever_hangs_on_it(
    scene: Scene, fault: Callable[[Scene], None]
) -> None:
    many(scene, kept={"member": "VIP"})
    fault(scene)
    code, said = scene.run("plan", "--output", "json")
    assert code == 3, said
    blocked = [e["name"] for e in json.loads(said)["exports"] if e["action"] == "blocked"]
    assert len(blocked) == MANY + 1
    assert scans(scene) <= 1
    assert scans(scene, HELD) <= 1


def shrunk(scene: Scene) -> None:
    del scene.held.rows[0]


PARTS: dict[str, tuple[dict[str, str], Callable[[Scene], None], str, int]] = {
    "cast": ({"where": "CAST(Tier AS INTEGER) = 1"}, lambda _: None, "segment s-bad: ", 2),
    "inactive": ({"member": "VIP"}, inactive, "is not active in Customer Insights", 1),
    "miscounted": ({"member": "VIP"}, shrunk, "which is half updated", 1),
    "forbidden": ({"member": "VIP"}, forbidden, "does not let this identity read it (403)", 2),
    "unquoted": ({"member": "VIP"}, unquoted, "does not list names between", 2),
    "turned": ({"where": "Phone = '1'"}, lambda scene: scene.profiles.rows[-1].update(msdynci_phone=7), "'phone'", 2),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_segment_that_breaks_costs_at_most_one_more_scan_and_stops_its_own_export_alone(
    scene: Scene, name: str
) -> None:
    spec, fault, says, most = PARTS[name]
    many(scene, bad=spec)
    fault(scene)
    code, said = scene.run("plan", "--output", "json")
    assert code == 3, said
    found = {e["name"]: e for e in json.loads(said)["exports"]}
    assert [name for name, e in found.items() if e["action"] == "blocked"] == ["bad"]
    assert says in found["bad"]["reasons"][0]
    assert {found[f"e{n}"]["profiles"]["desired"] for n in range(MANY)} == {SIZE // 2}
    assert scans(scene) <= most


def test_a_slow_server_does_not_keep_ctrl_c(scene: Scene) -> None:
    over: list[float] = []
    scene.world.page = lambda _, number: time.sleep(3) if number == 2 else None
    source = dataverse.opened(scene.world, scene.project.root, stop=lambda: bool(over), id="customerid")
    rows = source.members([next(iter(scene.project.shop().declarations().segments.values()))], ["firstname"])
    began = time.monotonic()
    over.append(began)
    with pytest.raises(Exception, match="stopped"):
        list(rows)
    assert time.monotonic() - began < 2.5
    source.close()
