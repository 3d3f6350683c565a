from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.project import Project, connection, document, export, segment, source

from reconciler.core.digest import Digests
from reconciler.core.model import Export, FieldMatch, SegmentUse
from reconciler.core.people import Judge
from reconciler.core.scans import TOGETHER, Fan, Wanted, batches
from reconciler.flow.check import check
from reconciler.manifest import documents
from reconciler.sources.selection import WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from reconciler.core import model
    from reconciler.core.ports import Row, Source
    from reconciler.wiring import Workshop

DIGESTS = Digests(b"k" * 32)
NAMES = [f"s{number}" for number in range(5)]
COLUMNS = ["email", "name", "tier", "consent"]
wanted = st.lists(
    st.builds(
        Wanted,
        st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple),
        st.lists(st.sampled_from(COLUMNS), min_size=1, unique=True).map(tuple),
    ),
    min_size=1,
    max_size=6,
)


class Taker:
    """Takes rows, until it has as many as it wants."""

    def __init__(self, most: int) -> None:
        self.most, self.rows, self.told = most, list[object](), 0

    def feed(self, chunk: Sequence[Row]) -> bool:
        assert self.told == 0, "told no, and asked again"
        self.rows += chunk
        self.told += len(self.rows) > self.most
        return not self.told


@given(wanted, st.data())
def test_each_export_gets_the_rows_that_it_would_read_alone(exports: list[Wanted], data: st.DataObject) -> None:
    """Hand out random rows, and hold what each gets against reading its segments and columns alone."""
    takers = [Taker(data.draw(st.integers(0, 12))) for _ in exports]
    fan = Fan(exports, [taker.feed for taker in takers])
    people = data.draw(st.lists(st.sets(st.sampled_from(fan.segments), min_size=1), max_size=20))
    table = [{name: f"{name} {number}" for name in COLUMNS} for number in range(len(people))]
    alone: list[list[tuple[object, ...]]] = [[] for _ in exports]
    for at in range(0, len(people), 3):
        chunk: list[Row] = []
        for number in range(at, min(at + 3, len(people))):
            mask = sum(1 << bit for bit, name in enumerate(fan.segments) if name in people[number])
            chunk.append((str(number), mask, *(table[number][name] for name in fan.columns)))
            for own, each in zip(alone, exports, strict=True):
                bits = sum(1 << bit for bit, name in enumerate(each.segments) if name in people[number])
                if bits:
                    own.append((str(number), bits, *(table[number][name] for name in each.columns)))
        if not fan.feed(chunk):
            break
    for own, taker in zip(alone, takers, strict=True):
        assert taker.rows == own[: len(taker.rows)]
        assert len(taker.rows) == len(own) or taker.told


@given(st.lists(st.lists(st.integers(0, 300).map(str), min_size=1, max_size=90, unique=True).map(tuple), max_size=40))
def test_every_export_is_in_one_scan_and_no_scan_has_too_many_segments(segments: list[tuple[str, ...]]) -> None:
    found = batches([Wanted(each, ("email",)) for each in segments])
    assert sorted(position for batch in found for position in batch) == list(range(len(segments)))
    for batch in found:
        together = {name for position in batch for name in segments[position]}
        assert len(together) <= TOGETHER or len(batch) == 1


def test_a_scan_fits_one_mask_of_the_engine() -> None:
    assert TOGETHER <= WIDTH


def test_many_exports_of_few_segments_take_one_scan() -> None:
    assert len(batches([Wanted((f"s{number % TOGETHER}",), ("email",)) for number in range(2_000)])) == 1


def test_a_judge_that_is_fed_by_halves_says_the_same() -> None:
    declared = Export("e", "s", "c", (FieldMatch("Email", "email"),), (SegmentUse("one", "one"),))
    rows: list[Row] = [(str(n), 1, f"{n % 7}@example.com") for n in range(20)]

    def judge() -> Judge:
        return Judge(
            declared,
            path=lambda match: (match.field,),
            addresses=lambda raw: raw,
            digests=DIGESTS,
            suppressed=frozenset(),
            limit=100,
            keep=True,
        )

    fed = judge()
    assert fed.feed(rows[:9])
    assert fed.feed(rows[9:])
    assert fed.finish() == judge().gather([rows])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three connections of four exports over one table, and a segment that no row can be judged by."""
    made = Counted(tmp_path, "http://127.0.0.1:9/v1")
    made.people(["id", "email", "n", "name"], [[n, f"{n}@example.com", n, f"N{n}"] for n in range(40)])
    made.declare(
        *(connection(f"c{c}", made.url, fields=["Email", "FirstName"]) for c in range(3)),
        source(),
        *(segment(f"s{n}", f"CAST(n AS INTEGER) < {10 * n + 10}") for n in range(4)),
        *(
            export(
                f"e{c}{n}",
                [f"s{n}"],
                {"Email": "email"} if n % 2 else {"Email": "email", "FirstName": "name"},
                connection=f"c{c}",
            )
            for c in range(3)
            for n in range(4)
        ),
    )
    return made


class Counted(Project):
    """A project that counts the scans of its sources."""

    scans = 0

    def shop(self) -> Workshop:
        shop = super().shop()
        opened: Callable[..., Source] = shop.source

        def counted(declared: model.Source, declarations: model.Declarations) -> Source:
            made = opened(declared, declarations)
            read = made.members

            def members(
                segments: Sequence[model.Segment], columns: Sequence[str], *, apart: bool = False
            ) -> Iterator[Sequence[Row]]:
                self.scans += 1
                return read(segments, columns, apart=apart)

            made.members = members  # type: ignore[method-assign]
            return made

        shop.source = counted  # type: ignore[method-assign,assignment]
        return shop


def desired(project: Project) -> dict[str, int]:
    return {e.name: e.profiles.desired for e in project.plan().exports}


def test_twelve_exports_take_one_scan(project: Counted) -> None:
    assert desired(project) == {f"e{c}{n}": 10 * n + 10 for c in range(3) for n in range(4)}
    assert project.scans == 1


def test_a_segment_that_breaks_blocks_its_own_export_alone(project: Counted) -> None:
    project.declare(
        segment("broken", "CAST(name AS INTEGER) > 1"), export("worse", ["broken"], connection="c1"), file="broken.yaml"
    )
    plan = project.plan()
    assert [e.name for e in plan.blocked] == ["worse"]
    assert "broken" in plan.blocked[0].reasons[0].message
    assert project.scans == 2
    alone = {e.name: e.profiles.desired for e in plan.exports if e.name != "worse"}
    assert alone == {f"e{c}{n}": 10 * n + 10 for c in range(3) for n in range(4)}


def failures(project: Project) -> dict[str, str]:
    return {export.name: export.reasons[0].message for export in project.plan().blocked}


def test_many_segments_that_break_cost_one_more_scan_together(project: Counted) -> None:
    broken = {"cast": "CAST(name AS INTEGER) > 1", "format": "STRPTIME(name, '%Y') IS NULL", "sound": "n = '7'"}
    project.declare(
        *(segment(f"s-{name}", where) for name, where in broken.items()),
        *(export(f"e-{name}", [f"s-{name}"], connection="c1") for name in broken),
        file="broken.yaml",
    )
    found = failures(project)
    assert sorted(found) == ["e-cast", "e-format"]
    assert all(f"segment s-{name}: " in found[f"e-{name}"] for name in ("cast", "format"))
    assert project.scans == 2
    assert desired(project)["e-sound"] == 1


def test_a_value_that_is_not_of_its_type_stops_those_alone_who_read_its_column(project: Counted) -> None:
    project.declare(source(types={"name": "integer"}), file="source.yaml")
    project.declare(*(d for d in declared(project) if d["kind"] != "Source"))
    found = failures(project)
    assert sorted(found) == [f"e{c}{n}" for c in range(3) for n in (0, 2)], "those that match the name"
    assert "column 'name' holds a value that is not of its type INTEGER" in found["e00"]
    assert project.scans == 2


def test_a_column_that_is_missing_stops_its_own_export_alone_and_costs_no_scan(project: Counted) -> None:
    for n in range(3):
        match = {"Email": "email", "FirstName": f"nome{n}"}
        project.declare(
            connection(f"w{n}", project.url, fields=["Email", "FirstName"]),
            export(f"wrong{n}", ["s0"], match, connection=f"w{n}"),
            file=f"wrong{n}.yaml",
        )
    found = failures(project)
    assert sorted(found) == ["wrong0", "wrong1", "wrong2"]
    assert all(f"there is no column 'nome{n}'" in found[f"wrong{n}"] for n in range(3))
    assert project.scans == 2, "of which the first read nothing"


def test_a_profile_without_an_id_stops_the_segments_alone_that_it_is_in(project: Counted) -> None:
    rows = [["" if n == 35 else n, f"{n}@example.com", n, f"N{n}"] for n in range(40)]
    project.people(["id", "email", "n", "name"], rows)
    found = failures(project)
    assert sorted(found) == ["e03", "e13", "e23"], "n < 40; the others are n < 30 and less"
    assert "a profile has no id" in found["e03"]
    assert project.scans == 1


@pytest.mark.parametrize("held", ["id,segment\n1,VIP\n2\n", 'id,segment\n1,"VIP\n'])
def test_memberships_that_are_cut_short_stop_those_alone_who_need_them(project: Counted, held: str) -> None:
    (project.root / "held.csv").write_text(held)
    memberships = {"path": "held.csv", "id": "id", "segment": "segment"}
    made = source()
    made["spec"]["memberships"] = memberships
    project.declare(made, file="source.yaml")
    project.declare(*(d for d in declared(project) if d["kind"] != "Source"))
    project.declare(
        document("Segment", "vip", {"source": "profiles", "member": "VIP"}),
        export("kept", ["vip"], connection="c1"),
        file="kept.yaml",
    )
    found = failures(project)
    assert sorted(found) == ["kept"]
    assert "held.csv" in found["kept"]
    assert project.scans == 2


def test_a_table_that_is_cut_short_is_read_once(project: Counted) -> None:
    with (project.root / "people.csv").open("a") as table:
        table.write('41,"41@exa')
    found = failures(project)
    assert len(found) == 12
    assert "people.csv: the row at line" in found["e00"]
    assert project.scans == 1


def declared(project: Project) -> list[dict[str, Any]]:
    text = (project.root / "exports" / "all.yaml").read_text()
    return [json.loads(document) for document in text.split("\n---\n")]


def test_an_export_over_the_cap_stops_alone(project: Counted) -> None:
    project.declare(
        connection("tight", project.url, limits={"profiles": 15}),
        export("over", ["s3"], connection="tight"),
        file="tight.yaml",
    )
    plan = project.plan()
    assert [(e.name, e.reasons[0].rule) for e in plan.blocked] == [("over", "cap")]
    assert {e.name: e.profiles.desired for e in plan.exports}["e23"] == 40
    assert project.scans == 1


def test_a_source_that_is_gone_is_not_tried_once_for_each_export(project: Counted) -> None:
    (project.root / "people.csv").unlink()
    assert len(project.plan().blocked) == 12
    assert project.scans == 1


def test_validate_reads_every_file_once(project: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        project.declare(segment(f"more{number}", "n > '1'"), file=f"more{number}.yaml")
    files = list[str]()
    read = documents.read

    def noted(file: str, data: bytes) -> documents.Read:
        files.append(file)
        return read(file, data)

    monkeypatch.setattr("reconciler.manifest.load.read", noted)
    declared, faults, notes = check(project.shop())
    assert declared is not None, faults
    assert not notes
    assert len(files) == len(set(files)) == 21
