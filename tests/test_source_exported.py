"""Folders that Customer Insights writes: the newest that is whole is read, and one that is not removes nobody."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.contract import MEMBERSHIPS, exported
from support.project import Project, connection, document, export, segment

from reconciler.core.errors import SourceError
from reconciler.core.model import Segment, Source
from reconciler.core.plan import Action
from reconciler.core.reads import Files, ProfileTable
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches
from reconciler.sources.files import FilesSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MORNING, NOON, LATE = "2026/11/02/0600", "2026/11/02/1200", "2026/11/10/0600"
COLUMNS = {"id": "VARCHAR", "email": "VARCHAR", "age": "INTEGER"}
EVERYBODY = Segment("everybody", "s", where="age > 0")


def people(count: int) -> tuple[tuple[object, ...], ...]:
    return tuple((f"{n}", f"person{n}@example.com", 20 + n) for n in range(count))


def read(folder: Path, path: str = "Customer") -> tuple[int, str]:
    with closing(FilesSource(Source("s", Files(ProfileTable(path, "id"))), folder, threads=1)) as made:
        rows = [row for chunk in made.members([EVERYBODY], ["email"]) for row in chunk]
        return len(rows), made.snapshot([EVERYBODY])


def test_the_newest_folder_is_read_and_named(tmp_path: Path) -> None:
    exported(tmp_path, "Customer", MORNING, COLUMNS, people(4))
    exported(tmp_path, "Customer", LATE, COLUMNS, people(7))
    count, told = read(tmp_path)
    assert count == 7
    assert told.startswith(f"Customer/{LATE} (3 files, ")


def test_a_folder_that_the_model_does_not_name_yet_is_passed_over_and_told(tmp_path: Path) -> None:
    exported(tmp_path, "Customer", MORNING, COLUMNS, people(4))
    (tmp_path / "Customer" / NOON).mkdir(parents=True)
    (tmp_path / "Customer" / NOON / "Customer_1.csv").write_text("0,person0@example.com,20\n")
    count, told = read(tmp_path)
    assert count == 4
    assert told.endswith(f", {NOON} passed over: not whole yet")


def test_a_model_beside_the_files_is_believed_before_the_one_above(tmp_path: Path) -> None:
    exported(tmp_path, "Customer", MORNING, COLUMNS, people(4))
    above = (tmp_path / "model.json").read_text()
    exported(tmp_path, "Customer", NOON, COLUMNS, people(6))
    (tmp_path / "Customer" / NOON / "model.json").write_text((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(above)
    assert read(tmp_path)[0] == 6


def test_files_with_a_header_and_another_delimiter_are_read_as_the_model_says(tmp_path: Path) -> None:
    exported(tmp_path, "Customer", MORNING, COLUMNS, people(3), parts=1)
    model = json.loads((tmp_path / "model.json").read_text())
    settings = model["entities"][0]["partitions"][0]["fileFormatSettings"]
    settings |= {"columnHeaders": True, "delimiter": ";"}
    (tmp_path / "model.json").write_text(json.dumps(model))
    text = "id;email;age\n" + "".join(f"{i};{email};{age}\n" for i, email, age in people(3))
    (tmp_path / "Customer" / MORNING / "Customer_1.csv").write_text(text)
    assert read(tmp_path)[0] == 3


def gone(folder: Path) -> None:
    (folder / "Customer" / LATE / "Customer_2.csv").unlink()


def more(folder: Path) -> None:
    (folder / "Customer" / LATE / "Customer_9.csv").write_text("9,person9@example.com,29\n")


def half_a_model(folder: Path) -> None:
    path = folder / "model.json"
    path.write_text(path.read_text()[:-40])


def no_model(folder: Path) -> None:
    (folder / "model.json").unlink()


def no_table(folder: Path) -> None:
    path = folder / "model.json"
    path.write_text(path.read_text().replace('"Customer"', '"Client"'))


def a_column_less(folder: Path) -> None:
    path = folder / "model.json"
    path.write_text(path.read_text().replace('{"name": "age", "dataType": "int64"}', '{"name": "older"}'))


def another_type(folder: Path) -> None:
    (folder / "Customer" / LATE / "Customer_2.csv").write_text("1,person1@example.com,many\n")


SPOILED = [
    (gone, "vouches for none of its dated folders; try again when one is whole"),
    (more, "vouches for none of its dated folders; try again when one is whole"),
    (half_a_model, "model.json is no model of tables, or is being written; try again"),
    (no_model, "there is no model.json beside it, so nobody can tell whether it is whole"),
    (no_table, "model.json knows no table 'Customer'; the path is that of one table's folder"),
    (a_column_less, "the profiles have no column 'age'"),
    (another_type, "column 'age' holds a value that is not of its type BIGINT"),
]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.mark.parametrize(("spoil", "line"), SPOILED, ids=lambda each: getattr(each, "__name__", ""))
def test_what_is_not_whole_blocks_the_export_and_removes_nobody(
    tmp_path: Path, sandbox: Sandbox, spoil: Callable[[Path], None], line: str
) -> None:
    project = Project(tmp_path, sandbox.url)
    exported(tmp_path, "Customer", LATE, COLUMNS, people(9))
    project.declare(
        connection(url=sandbox.url),
        document("Source", "profiles", {"type": "files", "profiles": {"path": "Customer", "id": "id"}}),
        segment("everybody", "age > 0"),
        export("news", ["everybody"]),
    )
    project.apply()
    before = sandbox.world.members("everybody")
    assert len(before) == 9
    spoil(tmp_path)
    plan, _ = project.apply()
    assert [one.action for one in plan.exports] == [Action.BLOCKED]
    assert line in plan.exports[0].reasons[0].message
    assert sandbox.world.members("everybody") == before


def test_a_folder_of_several_tables_is_not_taken_for_one(tmp_path: Path) -> None:
    exported(tmp_path, "Customer", MORNING, COLUMNS, people(4))
    exported(tmp_path, "Memberships", MORNING, MEMBERSHIPS, (("1", "VIP"),))
    with pytest.raises(SourceError, match="there is no CSV or Parquet file here"):
        read(tmp_path, ".")
