from __future__ import annotations

import json
import os
import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import obstore
import pytest
from support import contract
from support.between import between
from support.project import Project, document
from support.servers import azurite, free_port
from support.vectors import commit, taken

from reconciler.core.errors import SourceError
from reconciler.core.model import Segment, Source
from reconciler.core.reads import Files, ProfileTable
from reconciler.sources.buckets import bucket_of
from reconciler.sources.files import FilesSource
from reconciler.sources.urls import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from support.servers import Served

ALL = [Segment("all", "world", where="id IS NOT NULL")]
COLUMNS = {"id": "BIGINT", "email": "VARCHAR"}
ROWS = tuple((number, f"p{number}@example.com") for number in range(100))


@pytest.fixture(scope="module")
def azure() -> Iterator[Served]:
    with azurite() as served:
        yield served


def source(
    folder: Path, path: str, environ: Mapping[str, str] | None = None, version: int | None = None
) -> FilesSource:
    reads = Files(ProfileTable(path, "id", version=version))
    return FilesSource(Source("world", reads), folder, threads=2, environ=environ or {})


def ids(made: FilesSource) -> set[str]:
    with closing(made):
        return {
            str(row[2]).removeprefix("p").partition("@")[0] for chunk in made.members(ALL, ["email"]) for row in chunk
        }


def count(made: FilesSource) -> int:
    with closing(made):
        return made.count(ALL)


def refusal(made: FilesSource) -> str:
    with closing(made), pytest.raises(SourceError) as refused:
        list(made.members(ALL, ["email"]))
    told = str(refused.value)
    assert told.isprintable()
    assert "@example" not in told
    return told


@pytest.mark.parametrize("folder", [None, "", "ab"], ids=["in the log", "in a file", "in a folder"])
def test_people_whom_a_deletion_vector_took_away_are_gone_and_are_there_in_the_version_before(
    tmp_path: Path, folder: str | None
) -> None:
    contract.delta(str(tmp_path / "people"), COLUMNS, ROWS)
    taken(tmp_path / "people", [0, 2], folder)
    assert count(source(tmp_path, "people", version=1)) == 100
    assert count(source(tmp_path, "people")) == 98
    assert {str(row[0]) for row in ROWS} - ids(source(tmp_path, "people")) == {"1", "5"}


def test_people_whom_a_deletion_vector_took_away_are_gone_in_a_store_too(tmp_path: Path, azure: Served) -> None:
    contract.delta(str(tmp_path / "people"), COLUMNS, ROWS)
    taken(tmp_path / "people", [0, 2], "ab")
    contract.upload(tmp_path / "people", contract.bucket("az://state", azure.environ), "taken")
    assert {str(row[0]) for row in ROWS} - ids(source(tmp_path, "az://state/taken", azure.environ)) == {"1", "5"}


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda held: held[:-12],
    "of another checksum": lambda held: held[:-4] + b"same",
    "of another size": lambda held: held[:4] + bytes([held[4] + 4]) + held[5:],
    "empty": lambda _: b"",
    "something else": lambda held: b"\1" + b"z" * len(held),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_deletion_vector_that_cannot_be_read_is_not_passed_over(tmp_path: Path, how: str) -> None:
    contract.delta(str(tmp_path / "people"), COLUMNS, ROWS)
    file = taken(tmp_path / "people", [0, 2], "")
    assert file is not None
    file.write_bytes(SPOILED[how](file.read_bytes()))
    told = refusal(source(tmp_path, "people"))
    assert told == "people: version 2 of this Delta table cannot be read: one of its files is damaged or cut short"


def test_a_column_that_has_another_name_in_the_files_is_read_by_its_own(tmp_path: Path) -> None:
    (tmp_path / "people").mkdir()
    contract.parquet(tmp_path / "people" / "f.parquet", {"col_1": "BIGINT", "col_2": "VARCHAR"}, ROWS)
    named = [
        {
            "name": name,
            "type": of,
            "nullable": True,
            "metadata": {"delta.columnMapping.id": n, "delta.columnMapping.physicalName": f"col_{n}"},
        }
        for n, (name, of) in enumerate((("id", "long"), ("email", "string")), 1)
    ]
    commit(
        tmp_path / "people",
        0,
        {"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}},
        {
            "metaData": {
                "id": "1",
                "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps({"type": "struct", "fields": named}),
                "partitionColumns": [],
                "configuration": {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "2"},
            }
        },
        {
            "add": {
                "path": "f.parquet",
                "partitionValues": {},
                "size": (tmp_path / "people" / "f.parquet").stat().st_size,
                "modificationTime": 1,
                "dataChange": True,
            }
        },
    )
    assert ids(source(tmp_path, "people")) == {str(row[0]) for row in ROWS}


def test_a_version_stays_the_one_that_was_opened_and_is_told(tmp_path: Path) -> None:
    contract.delta(str(tmp_path / "people"), COLUMNS, ROWS)
    made = source(tmp_path, "people")
    with closing(made):
        before = made.mark(ALL)
        contract.delta(str(tmp_path / "people"), COLUMNS, ROWS)
        assert made.count(ALL) == 100
        assert made.snapshot(ALL).startswith("version 1 of people (20")
        assert made.mark(ALL) == before
    with closing(source(tmp_path, "people")) as later:
        assert later.snapshot(ALL).startswith("version 3 of people (20")
        assert later.mark(ALL) != before


def test_a_version_that_is_not_there_or_was_cleaned_away_is_told(tmp_path: Path) -> None:
    contract.delta(str(tmp_path / "people"), COLUMNS, ROWS)
    assert "version 9 of this Delta table cannot be read; it may have been cleaned away" in refusal(
        source(tmp_path, "people", version=9)
    )
    for file in (tmp_path / "people").glob("*.parquet"):
        file.unlink()
    assert "version 1 of this Delta table cannot be read: one of its files is gone" in refusal(
        source(tmp_path, "people")
    )


def test_a_log_that_is_damaged_is_told(tmp_path: Path) -> None:
    contract.delta(str(tmp_path / "people"), COLUMNS, ROWS)
    with (tmp_path / "people" / "_delta_log" / f"{1:020}.json").open("a") as log:
        log.write('\n{"add":')
    assert "people: the newest version of this Delta table cannot be read" in refusal(source(tmp_path, "people"))


def test_a_table_that_names_files_elsewhere_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "project"
    contract.delta(str(project / "people"), COLUMNS, ROWS)
    file = next((project / "people").glob("*.parquet"))
    shutil.move(file, tmp_path / "out.parquet")
    file.symlink_to(tmp_path / "out.parquet")
    assert "its log names files outside the table" in refusal(source(project, "people"))
    assert "version is for a Delta table" in refusal(source(tmp_path, "out.parquet", version=1))


@pytest.mark.parametrize("name", ["people.parquet", "people.csv"])
def test_an_object_that_is_replaced_midway_fails_the_read(tmp_path: Path, azure: Served, name: str) -> None:
    write = contract.parquet if name.endswith("parquet") else lambda p, c, r: contract.table(p, list(c), r)
    write(tmp_path / "people", COLUMNS, ROWS)
    store = contract.bucket("az://state", azure.environ)
    obstore.put(store, f"midway/{name}", tmp_path / "people")
    with closing(source(tmp_path, f"az://state/midway/{name}", azure.environ)) as made:
        before = made.mark(ALL)
        assert made.count(ALL) == 100
        write(tmp_path / "people", COLUMNS, ROWS[:50])
        obstore.put(store, f"midway/{name}", tmp_path / "people")
        with pytest.raises(SourceError) as refused:
            made.count(ALL)
        line = "cannot be read: it was replaced or deleted while it was read; try again"
        assert str(refused.value) in {f"az://state/midway/{name}: {how}{line}" for how in ("", f"{name} ")}
    with closing(source(tmp_path, f"az://state/midway/{name}", azure.environ)) as made:
        assert made.mark(ALL) != before
        assert made.count(ALL) == 50


def test_a_store_that_refuses_is_told_without_a_secret(tmp_path: Path, azure: Served) -> None:
    wrong = {**azure.environ, "AZURE_STORAGE_ACCOUNT_KEY": "d3Jvbmc="}
    told = refusal(source(tmp_path, "az://state/people.csv", wrong))
    assert "refuses these credentials, or they lack a right of docs/lake.md" in told
    assert "d3Jvbmc" not in told
    assert "there is no CSV, Parquet or Delta here" in refusal(source(tmp_path, "az://state/none", azure.environ))
    assert "no such container" in refusal(source(tmp_path, "az://elsewhere/none", azure.environ))


def test_a_store_that_is_down_is_told(tmp_path: Path) -> None:
    environ = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "eu-central-1",
    }
    assert refusal(source(tmp_path, "s3://people/p.parquet", environ)) == (
        "s3://people/p.parquet: the store does not answer"
    )
    plain = environ | {"AWS_ENDPOINT_URL": "http://store.example.com"}
    assert "http:// is for loopback alone" in refusal(source(tmp_path, "s3://people/p.parquet", plain))


def test_only_what_is_asked_for_is_fetched(tmp_path: Path, azure: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"id": "BIGINT", "email": "VARCHAR", "bulk": "VARCHAR"}
    rows = tuple((number, f"p{number}@example.com", os.urandom(500).hex()) for number in range(3_000))
    contract.parquet(tmp_path / "people.parquet", columns, rows)
    size = (tmp_path / "people.parquet").stat().st_size
    obstore.put(contract.bucket("az://state", azure.environ), "wide.parquet", tmp_path / "people.parquet")
    fetched: list[int] = []
    get = obstore.get

    def watched(store: object, key: str, options: Mapping[str, tuple[int, int]]) -> object:
        fetched.append(options["range"][1] - options["range"][0])
        return get(store, key, options=options)  # type: ignore[arg-type]

    monkeypatch.setattr(obstore, "get", watched)
    assert count(source(tmp_path, "az://state/wide.parquet", azure.environ)) == 3_000
    assert 0 < sum(fetched) < size / 5


def test_the_columns_of_a_delta_table_are_known_without_a_row(tmp_path: Path, azure: Served) -> None:
    contract.delta(str(tmp_path / "people"), COLUMNS, ROWS)
    contract.upload(tmp_path / "people", contract.bucket("az://state", azure.environ), "known")
    with between(azure) as way, closing(source(tmp_path, "az://state/known", way.served.environ)) as made:
        assert dict(made.columns()) == COLUMNS
        assert not [path for _, path in way.asked if path.endswith(".parquet")]
        assert made.count(ALL) == 100


def test_the_newest_whole_folder_of_an_export_is_read_and_one_that_is_not_whole_is_told(
    tmp_path: Path, azure: Served
) -> None:
    contract.exported(tmp_path, "Customer", "2026/11/02/0600", COLUMNS, ROWS)
    store = contract.bucket("az://state", azure.environ)
    contract.upload(tmp_path, store, "insights")
    obstore.put(store, "insights/Customer/2026/11/03/0600/Customer_1.csv", b"1,somebody@example.com\n")
    made = source(tmp_path, "az://state/insights/Customer", azure.environ)
    with closing(made):
        assert made.count(ALL) == 100
        told = made.snapshot(ALL)
    assert told.startswith("az://state/insights/Customer/2026/11/02/0600 (3 files, ")
    assert told.endswith(", 2026/11/03/0600 passed over: not whole yet")
    obstore.delete(store, "insights/Customer/2026/11/02/0600/Customer_2.csv")
    assert "vouches for none of its dated folders" in refusal(
        source(tmp_path, "az://state/insights/Customer", azure.environ)
    )


def test_a_lakehouse_of_fabric_is_declared_by_its_url_and_is_asked_at_fabric(tmp_path: Path) -> None:
    at = "abfss://Marketing@onelake.dfs.fabric.microsoft.com/customers.Lakehouse/Tables/profiles"
    project = Project(tmp_path, "")
    project.declare(document("Source", "world", {"type": "files", "profiles": {"path": at, "id": "id"}}))
    assert project.shop().declarations().sources
    opened = bucket_of(parsed(at), {"AZURE_STORAGE_TOKEN": "a token", "AZURE_STORAGE_ACCOUNT_NAME": "another"})
    assert opened.url.plain == "az://Marketing/customers.Lakehouse/Tables/profiles"
    assert opened.options["azure_storage_account_name"] == "onelake"
    assert opened.options["azure_use_fabric_endpoint"] == "true"
    assert opened.store.config["use_fabric_endpoint"] == "true"
