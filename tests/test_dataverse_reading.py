"""How tables of Dataverse are read: every value as it is, the names of segments exactly, and no further than asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from support import dataverse
from support.command import PROGRAM
from support.dataverse import Table, World, segment, serving
from support.hasty import HastyClock
from support.project import KEY, Project, connection, document, export

from reconciler.core.errors import SourceError
from reconciler.core.model import EnvSecret, Segment
from reconciler.core.reads import Insights
from reconciler.sources import odata
from reconciler.sources.service import Service
from reconciler.sources.tokens import Signing, Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROFILES, HELD = "msdynci_customerprofiles", "msdynci_segmentmemberships"
EVERYBODY = Segment("everybody", "world", where="TRUE")
TEXTS = (
    *(None, "", " ", ",", '"', '""', 'a"b', "\n", "\r", "\r\n", "a\r\nb", "\\", '\\"', "NULL", "null", "'", "é", "😀"),
    *("\u2028", "\x00", "a\x00b", "\ufeff", ".", ",.\n", ";", "\t", "x" * 100_000, "#", "-", "1", "true"),
)


def held(*listed: str | None) -> Table:
    """Give memberships: the n-th text is of the profile n."""
    rows = [{"msdynci_customerid": str(number), "msdynci_segments": text} for number, text in enumerate(listed)]
    return Table("held", {"msdynci_customerid": ("String", None), "msdynci_segments": ("Memo", None)}, rows)


def profiles(size: int, **columns: tuple[str, Any, Any]) -> Table:
    """Give profiles that are all alike: type, detail and value of each column."""
    attributes: dataverse.Attributes = {name: (kind, detail) for name, (kind, detail, _) in columns.items()}
    values = {name: value for name, (_, _, value) in columns.items()}
    rows = [{"msdynci_customerid": str(number), **values} for number in range(size)]
    return Table("profile", {"msdynci_customerid": ("String", None), **attributes}, rows)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving(World({PROFILES: profiles(8), HELD: held()}), tmp_path) as served:
        yield served


def read(world: World, folder: Path, *segments: Segment, columns: tuple[str, ...] = (), **more: Any) -> list[Any]:
    with closing(dataverse.opened(world, folder, clock=HastyClock(), **more)) as source:
        return sorted(row for chunk in source.members(segments or (EVERYBODY,), columns) for row in chunk)


def ids(world: World, folder: Path, name: str, **more: Any) -> list[int]:
    return [int(row[0]) for row in read(world, folder, Segment("kept", "world", member=name), **more)]


@pytest.mark.parametrize("cap", [1, 5_000])
def test_every_text_comes_as_it_is(world: World, tmp_path: Path, cap: int) -> None:
    world.cap = cap
    world.tables[PROFILES] = profiles(len(TEXTS), msdynci_text=("Memo", None, None))
    for row, text in zip(world.tables[PROFILES].rows, TEXTS, strict=True):
        row["msdynci_text"] = text
    found = {int(row[0]): row[2] for row in read(world, tmp_path, columns=("text",))}
    assert [found[number] for number in range(len(TEXTS))] == list(TEXTS)


@pytest.mark.parametrize(
    ("kind", "detail", "value", "expected"),
    [
        ("BigInt", None, 2**63 - 1, 2**63 - 1),
        ("Integer", None, -(2**31), -(2**31)),
        ("Picklist", None, 100_000_001, 100_000_001),
        ("Double", None, 0.1, 0.1),
        ("Double", None, 3, 3.0),
        ("Decimal", 10, 99_999_999_999.25, Decimal("99999999999.2500000000")),
        ("Money", 4, -5, Decimal("-5.0000")),
        ("Boolean", None, False, False),
        ("Uniqueidentifier", None, "ce759201-f786-d590-bf21-34bff576c369", "ce759201-f786-d590-bf21-34bff576c369"),
    ],
)
def test_every_type_has_its_values(
    world: World, tmp_path: Path, kind: str, detail: object, value: object, expected: object
) -> None:
    world.tables[PROFILES] = profiles(2, msdynci_v=(kind, detail, value))
    world.tables[PROFILES].rows[1]["msdynci_v"] = None
    assert [row[2] for row in read(world, tmp_path, columns=("v",))] == [expected, None]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Integer", 2**31),
        ("Integer", 1.5),
        ("Integer", True),
        ("Integer", "7"),
        ("BigInt", 2**63),
        ("Double", "1"),
        ("Decimal", 1e30),
        ("Boolean", 1),
        ("String", ["a"]),
        ("DateTime", "2026-11-02"),
        ("DateTime", "yesterday"),
        ("DateTime", "2026-02-30T00:00:00Z"),
    ],
)
def test_a_value_of_another_type_fails_the_read(world: World, tmp_path: Path, kind: str, value: object) -> None:
    world.tables[PROFILES] = profiles(2, msdynci_v=(kind, None, value))
    with pytest.raises(SourceError, match=PROFILES) as refused:
        read(world, tmp_path, columns=("v",))
    assert str(refused.value).isprintable()


def test_half_a_pair_is_no_text(world: World, tmp_path: Path) -> None:
    world.tables[PROFILES] = profiles(1, msdynci_v=("String", None, "\ud800"))
    with pytest.raises(SourceError, match="holds a text that is not Unicode"):
        read(world, tmp_path, columns=("v",))


def test_columns_are_named_without_the_prefix_and_without_what_is_no_column(world: World, tmp_path: Path) -> None:
    world.tables[PROFILES] = profiles(
        1,
        msdynci_name=("String", None, "unified"),
        name=("String", None, "of the row"),
        createdon=("DateTime", {"Value": "UserLocal"}, None),
        ownerid=("Owner", None, None),
        msdynci_photo=("Image", None, None),
    )
    with closing(dataverse.opened(world, tmp_path)) as source:
        assert source.columns() == {"createdon": "TIMESTAMP", "customerid": "VARCHAR", "name": "VARCHAR"}
    for spelt in ("name", "NAME", "msdynci_name", "MSDYNCI_Name"):
        assert read(world, tmp_path, columns=(spelt,))[0][2] == "unified"


def test_a_name_is_matched_whole_and_to_the_letter(world: World, tmp_path: Path) -> None:
    world.tables[HELD] = held('"VIP"', '"VIP_Lapsed"', '"vip"', '["VIP", "A_B"]', '"AxB"', None, "", "\"O'Neil's\"")
    world.cap = 3
    assert ids(world, tmp_path, "VIP") == [0, 3]
    assert ids(world, tmp_path, "A_B") == [3]
    assert ids(world, tmp_path, "VIP_Lapsed") == [1]
    assert ids(world, tmp_path, "O'Neil's") == [7]


def test_names_that_the_service_would_misread_are_looked_for_here(world: World, tmp_path: Path) -> None:
    world.tables[HELD] = held('"[a]"', '"a"')
    assert ids(world, tmp_path, "[a]") == [0]
    many = [Segment(f"s{number}", "world", member=f"s{number}") for number in range(11)]
    read(world, tmp_path, Segment("a", "world", member="a"), *many)
    assert world.count("contains(") == 0


def test_one_scan_of_the_memberships_serves_all_segments(world: World, tmp_path: Path) -> None:
    world.tables[HELD] = held('"a","b"', '"b"', '"c"')
    kept = [Segment(name, "world", member=name) for name in "abc"]
    assert [row[:2] for row in read(world, tmp_path, *kept)] == [("0", 3), ("1", 2), ("2", 4)]
    assert world.count(f"/{HELD}?") == 1


def test_another_quote_is_a_setting_and_the_wrong_one_is_told(world: World, tmp_path: Path) -> None:
    world.tables[HELD] = held('\\"VIP\\",\\"B\\"', '\\"B\\"')
    assert ids(world, tmp_path, "VIP", quote='\\"') == [0]
    with pytest.raises(SourceError, match=r"does not list names between \"; memberships.quote says"):
        read(world, tmp_path, *(Segment(f"s{n}", "world", member=f"s{n}") for n in range(11)), quote='"')


def test_a_page_without_rows_is_not_the_end(world: World, tmp_path: Path) -> None:
    world.cap, world.empties = 3, {(PROFILES, 1), (PROFILES, 2), (PROFILES, 4)}
    assert len(read(world, tmp_path)) == 8
    assert world.count(f"/{PROFILES}?") == 6


def test_a_server_that_has_no_end_is_left(world: World, tmp_path: Path) -> None:
    world.empties = {(PROFILES, number) for number in range(1, 2_000)}
    with pytest.raises(SourceError, match=r"after page 1,000 127\.0\.0\.1 leads back to one that was read before"):
        read(world, tmp_path)


def test_nothing_to_read_is_read_to_its_end(world: World, tmp_path: Path) -> None:
    world.tables[PROFILES] = profiles(0)
    assert read(world, tmp_path) == []


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed(world: World, tmp_path: Path, status: int) -> None:
    world.statuses[PROFILES, 1] = [status] * 9
    with pytest.raises(SourceError, match=f"refuses to give it .{status}."):
        read(world, tmp_path)


def test_a_table_that_is_not_there_is_named(world: World, tmp_path: Path) -> None:
    del world.tables[HELD]
    assert len(read(world, tmp_path)) == 8
    with pytest.raises(SourceError, match=f"{HELD}: 127.0.0.1 has no such table"):
        ids(world, tmp_path, "VIP")
    del world.tables[PROFILES]
    with pytest.raises(SourceError, match=f"{PROFILES}: 127.0.0.1 has no such table"):
        read(world, tmp_path)


def test_no_more_than_52_are_asked_at_a_time(world: World, tmp_path: Path) -> None:
    full = threading.Event()

    def page(path: str, _: int) -> None:
        if path == PROFILES:
            if world.at_once >= dataverse.AT_A_TIME:
                full.set()
            full.wait(5)

    world.page = page
    around = dataverse.surroundings(world, tmp_path, HastyClock())
    with closing(Tokens(Signing("world", dataverse.declared(world), around).credential, "world")) as tokens:
        service = Service(f"{world.base}{dataverse.ROOT}", f"{world.base}/.default", tokens, around, odata.HEADERS)
        with closing(service), ThreadPoolExecutor(70) as crowd:
            query = "?$select=msdynci_customerid"
            told = list(crowd.map(lambda _: service.get("rows", f"/{PROFILES}", query), range(140)))
    assert len(told) == 140
    assert world.most_at_once == dataverse.AT_A_TIME


def test_scans_of_several_threads_count_their_own_rows(world: World, tmp_path: Path) -> None:
    world.tables[HELD] = held('"a","b"', '"b"', '"b"')
    world.segments = [segment("a", 1), segment("b", 3)]
    world.refreshed()
    reads = dataverse.declared(world, insights=watched(world))
    with closing(dataverse.opened(world, tmp_path, reads, HastyClock())) as source, ThreadPoolExecutor(4) as crowd:
        source.columns()
        kept = [Segment(name, "world", member=name) for name in "abababab"]
        assert list(crowd.map(lambda each: source.count([each]), kept)) == [1, 3] * 4


def watched(world: World) -> Insights:
    return Insights(f"{world.base}/v1", dataverse.INSTANCE, EnvSecret("SUBSCRIPTION"))


def test_a_mark_is_that_of_the_refresh_and_of_the_segments(world: World, tmp_path: Path) -> None:
    kept = Segment("kept", "world", member="a")

    def mark(*segments: Segment, known: bool = True) -> str | None:
        reads = dataverse.declared(world, insights=watched(world) if known else None)
        with closing(dataverse.opened(world, tmp_path, reads)) as source:
            return source.mark(segments)

    world.segments = [segment("a", 0)]
    world.refreshed()
    ruled, listed = mark(EVERYBODY), mark(kept)
    assert ruled is not None
    assert listed is not None
    assert (mark(EVERYBODY), mark(kept)) == (ruled, listed)
    world.segments = [segment("a", 1)]
    assert mark(EVERYBODY) == ruled
    assert mark(kept) != listed
    world.refreshed(ended="2026-11-03T06:10:00Z")
    assert mark(EVERYBODY) != ruled
    world.refreshed("Running", "")
    assert mark(EVERYBODY) is None
    assert mark(EVERYBODY, known=False) is None
    assert world.count(f"/{PROFILES}?") == 0


def test_what_the_api_says_in_other_words_is_not_taken_for_good_news(world: World, tmp_path: Path) -> None:
    reads = dataverse.declared(world, insights=watched(world))
    world.segments = [segment("a", 0)]

    def fault() -> str:
        with closing(dataverse.opened(world, tmp_path, reads)) as source, pytest.raises(SourceError) as refused:
            source.count([Segment("kept", "world", member="a")])
        return str(refused.value)

    assert "tells of no refresh" in fault()
    world.refreshed("Someone@example.com is at it")
    assert fault() == "Customer Insights is being refreshed; its tables are read when that is over"
    world.jobs.clear()
    world.refreshed()
    world.segments = [segment("a", 0, status="<b>")]
    assert "(in words that nobody knows)" in fault()
    world.segments = [segment(f"s{number}", 0) for number in range(100)]
    assert "has no segment 'a' among the 100 that its API lists" in fault()
    world.segments = [segment("a", 0)]
    world.segments[0]["evaluationStatus"]["entityCount"] = "0"
    assert "has an unknown number of members" in fault()


def test_a_signal_ends_it_while_the_server_keeps_silent(world: World, tmp_path: Path) -> None:
    asked, over = threading.Event(), threading.Event()

    def page(path: str, number: int) -> None:
        if (path, number) == (PROFILES, 2):
            asked.set()
            over.wait(60)

    world.cap, world.page = 3, page
    world.tables[PROFILES] = profiles(8, msdynci_email=("String", None, "person@example.com"))
    root = tmp_path / "project"
    root.mkdir()
    who = {"tenant": dataverse.TENANT, "client": dataverse.CLIENT, "secret": {"env": "DATAVERSE_SECRET"}}
    spec = {"type": "dataverse", "url": world.base, "authority": world.base, "credentials": {"clientSecret": who}}
    Project(root, "").declare(
        connection(url="http://127.0.0.1:9/v1"),
        document("Source", "insights", spec),
        document("Segment", "all", {"source": "insights", "where": "TRUE"}),
        export("news", ["all"], source="insights"),
    )
    environ = {**os.environ, "DATAVERSE_SECRET": dataverse.SECRET, "AUTOPILOT_API_KEY": KEY}
    words = [sys.executable, "-c", PROGRAM, "-C", str(root), "plan"]
    running = subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert asked.wait(60)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    finally:
        over.set()
        running.kill()
    assert running.returncode == 130
    assert "Traceback" not in said
