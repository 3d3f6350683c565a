"""One world, and how each kind of source is given it: a row in LOADERS makes a source keep the contract."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

import duckdb
import obstore
import obstore.store
import pytest
from arro3.core import RecordBatchReader
from deltalake import write_deltalake
from support import dataverse
from support.cluster import around
from support.servers import azurite, s3

from reconciler.core.model import Segment, Source
from reconciler.core.reads import Files, MembershipTable, ProfileTable, Spark, SparkMemberships, SparkTable
from reconciler.sources.files import FilesSource
from reconciler.sources.spark import SparkSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from reconciler.core import ports

COLUMNS = {
    "id": "VARCHAR",
    "email": "VARCHAR",
    "first": "VARCHAR",
    "last": "VARCHAR",
    "income": "INTEGER",
    "score": "DOUBLE",
    "spent": "DECIMAL(12,2)",
    "agreed": "BOOLEAN",
    "born": "DATE",
    "seen": "TIMESTAMP",
}
"""The profiles' columns, with their types in the embedded engine."""

MEMBERSHIPS = {"id": "VARCHAR", "segment": "VARCHAR"}

Rows = tuple[tuple[object, ...], ...]


def _profile(number: int) -> tuple[object, ...]:
    """Make up a profile: of every kind that is left out there are some, and of every type there are missing values."""
    email: str | None = f"Person.{number}@example.com"
    match number % 20:
        case 1:
            email = None
        case 2:
            email = "not an address"
        case 3:
            email = f" PERSON.{number + 1}@Example.com "  # as the next one
        case 5:
            email = "person.0@example.com"
    first = ("Zoë", "Nguyễn", 'Al "Big" O,Neil', None)[number % 4]
    last = ("Straße", "Hill", "Hill")[number % 3]
    income = None if number % 7 == 0 else 10_000 + number * 379 % 90_000
    score = None if number % 11 == 0 else number / 8
    spent = None if number % 5 == 0 else Decimal(number * 101 % 10_000) / 100
    agreed = (True, False, None, True, True)[number % 5]
    born = None if number % 13 == 0 else dt.date(1950, 1, 1) + dt.timedelta(days=number * 97 % 20_000)
    seen = None if number % 6 == 0 else dt.datetime(2026, 1, 1, 12, 30) + dt.timedelta(hours=number)  # noqa: DTZ001  # UTC
    return (f"{number:05}", email, first, last, income, score, spent, agreed, born, seen)


PROFILES: Rows = tuple(map(_profile, range(400)))
HELD: Rows = tuple(
    (f"{number:05}", name)
    for number in range(0, 450, 4)  # some are no profiles any more
    for name in ("VIP", "VIP_Lapsed", "Café 'friends'")[: 1 + number % 3]
)

SEGMENTS = (
    Segment("earners", "world", where="income >= 50000 AND agreed IS NOT FALSE"),
    Segment("young", "world", where="born >= DATE '1980-01-01' OR score > 40.5"),
    Segment("hills", "world", where="last = 'Hill' AND spent BETWEEN 10 AND 75.5"),
    Segment("vip", "world", member="VIP"),
    Segment("friends", "world", member="Café 'friends'"),
)


class Loader(Protocol):
    """Puts the world where a source reads it."""

    def __call__(self, folder: Path, request: pytest.FixtureRequest) -> AbstractContextManager[ports.Source]:
        """Give the source while the block runs; `folder` is empty. Skips where what it needs is not to be had."""
        ...


def parquet(path: Path, columns: Mapping[str, str], rows: Rows) -> None:
    """Write rows as one Parquet file."""
    with closing(duckdb.connect(":memory:")) as db:
        db.execute(f"CREATE TABLE t ({', '.join(f'{name} {of}' for name, of in columns.items())})")
        db.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(columns))})", [list(row) for row in rows])
        db.execute(f"COPY t TO '{path}' (FORMAT parquet)")


def table(path: Path, columns: Sequence[str], rows: Rows) -> None:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([columns, *rows])


@contextmanager
def from_parquet(folder: Path, request: pytest.FixtureRequest) -> Iterator[ports.Source]:  # noqa: ARG001  # a Loader
    """Read Parquet below a folder."""
    parquet(folder / "people.parquet", COLUMNS, PROFILES)
    parquet(folder / "held.parquet", MEMBERSHIPS, HELD)
    reads = Files(ProfileTable("people.parquet", "id"), MembershipTable("held.parquet", "id", "segment"))
    with closing(FilesSource(Source("world", reads), folder, threads=2)) as source:
        yield source


TYPES = {
    "income": "integer",
    "score": "double",
    "spent": "decimal(12,2)",
    "agreed": "boolean",
    "born": "date",
    "seen": "timestamp",
}


@contextmanager
def from_csv(folder: Path, request: pytest.FixtureRequest) -> Iterator[ports.Source]:  # noqa: ARG001  # a Loader
    """Read CSV below a folder."""
    table(folder / "people.csv", list(COLUMNS), PROFILES)
    table(folder / "held.csv", list(MEMBERSHIPS), HELD)
    profiles = ProfileTable("people.csv", "id", types=TYPES)
    reads = Files(profiles, MembershipTable("held.csv", "id", "segment"))
    with closing(FilesSource(Source("world", reads), folder, threads=2)) as source:
        yield source


def exported(folder: Path, table_: str, at: str, columns: Mapping[str, str], rows: Rows, parts: int = 3) -> None:
    """Write a table below a folder as Customer Insights exports it, and its model.json."""
    home = folder / table_ / at
    home.mkdir(parents=True, exist_ok=True)
    partitions = []
    for part in range(parts):
        name = f"{table_}_{part + 1}.csv"
        with (home / name).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows[part::parts])
        location = f"https://contoso.blob.core.windows.net/insights/Export%201/{table_}/{at}/{name}"
        settings = {"$type": "CsvFormatSettings", "columnHeaders": False, "delimiter": ",", "encoding": "UTF-8"}
        partitions.append({"name": f"{part + 1}", "location": location, "fileFormatSettings": settings})
    attributes = [{"name": name, "dataType": MODELLED.get(of, "string")} for name, of in columns.items()]
    entity = {"$type": "LocalEntity", "name": table_, "attributes": attributes, "partitions": partitions}
    path = folder / "model.json"
    model: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"name": "export", "entities": []}
    model["entities"] = [*(one for one in model["entities"] if one["name"] != table_), entity]
    path.write_text(json.dumps(model))


MODELLED = {"INTEGER": "int64", "DOUBLE": "double", "BOOLEAN": "boolean", "DATE": "date", "TIMESTAMP": "dateTime"}
"""The types of a model.json, by the engine's."""


@contextmanager
def from_export(folder: Path, request: pytest.FixtureRequest) -> Iterator[ports.Source]:  # noqa: ARG001  # a Loader
    """Read folders that Customer Insights writes."""
    exported(folder, "Customer", "2026/11/02/0600", COLUMNS, PROFILES)
    exported(folder, "Memberships", "2026/11/02/0600", MEMBERSHIPS, HELD)
    profiles = ProfileTable("Customer", "id", types={"spent": "decimal(12,2)"})
    reads = Files(profiles, MembershipTable("Memberships", "id", "segment"))
    with closing(FilesSource(Source("world", reads), folder, threads=2)) as source:
        yield source


@contextmanager
def from_dataverse(folder: Path, request: pytest.FixtureRequest) -> Iterator[ports.Source]:  # noqa: ARG001  # a Loader
    """Read a stand-in for Dataverse, in pages of 90 rows."""
    profiles = dataverse.Table("msdynci_customerprofile", {f"msdynci_{name}": of for name, of in ATTRIBUTES.items()})
    profiles.rows += [
        {f"msdynci_{name}": _sent(value) for name, value in zip(COLUMNS, row, strict=True)} for row in PROFILES
    ]
    world = dataverse.World({"msdynci_customerprofiles": profiles, "msdynci_segmentmemberships": _listed()}, cap=90)
    with dataverse.serving(world, folder), closing(dataverse.opened(world, folder, id="ID")) as source:
        yield source


ATTRIBUTES: dataverse.Attributes = {
    "id": ("String", None),
    "email": ("String", None),
    "first": ("String", None),
    "last": ("Memo", None),
    "income": ("Integer", None),
    "score": ("Double", None),
    "spent": ("Decimal", 2),
    "agreed": ("Boolean", None),
    "born": ("DateTime", {"Value": "DateOnly"}),
    "seen": ("DateTime", {"Value": "UserLocal"}),
}


def _sent(value: object) -> object:
    """Give a value as JSON has it."""
    match value:
        case dt.datetime():
            return f"{value.isoformat()}Z"
        case dt.date():
            return value.isoformat()
        case Decimal():
            return float(value)
    return value


def _listed() -> dataverse.Table:
    """Put the names that an id is held under into one text, as Customer Insights does."""
    names: dict[object, list[str]] = {}
    for number, name in HELD:
        names.setdefault(number, []).append(f'"{name}"')
    rows = [{"msdynci_customerid": number, "msdynci_segments": ",".join(of)} for number, of in names.items()]
    attributes: dataverse.Attributes = {"msdynci_customerid": ("String", None), "msdynci_segments": ("Memo", None)}
    return dataverse.Table("msdynci_segmentmembership", attributes, rows)


def delta(at: str, columns: Mapping[str, str], rows: Rows, environ: Mapping[str, str] | None = None) -> None:
    """Write rows as a Delta table, in two versions, of which the first holds half."""
    for part in (rows[::2], rows[1::2]):
        delta_version(at, columns, part, environ, "append")


def delta_version(
    at: str,
    columns: Mapping[str, str],
    rows: Rows,
    environ: Mapping[str, str] | None = None,
    mode: Literal["append", "overwrite"] = "overwrite",
) -> None:
    """Write rows as the next version of a Delta table, its columns included where it is written over."""
    where = None if environ is None else {**environ, "allow_http": "true", "aws_conditional_put": "etag"}
    with closing(duckdb.connect(":memory:")) as db:
        db.execute(f"CREATE TABLE t ({', '.join(f'{name} {of}' for name, of in columns.items())})")
        if rows:
            db.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(columns))})", [list(row) for row in rows])
        write_deltalake(
            at,
            RecordBatchReader.from_stream(db.sql("FROM t")),
            mode=mode,
            schema_mode="overwrite" if mode == "overwrite" else None,
            storage_options=where,
        )


@contextmanager
def from_delta(folder: Path, request: pytest.FixtureRequest) -> Iterator[ports.Source]:  # noqa: ARG001  # a Loader
    """Read Delta below a folder."""
    delta(str(folder / "people"), COLUMNS, PROFILES)
    delta(str(folder / "held"), MEMBERSHIPS, HELD)
    reads = Files(ProfileTable("people", "id"), MembershipTable("held", "id", "segment"))
    with closing(FilesSource(Source("world", reads), folder, threads=2)) as source:
        yield source


@contextmanager
def from_delta_on_azure(folder: Path, request: pytest.FixtureRequest) -> Iterator[ports.Source]:  # noqa: ARG001
    """Read Delta in a container."""
    with azurite() as served:
        words = {name: value for name, value in served.environ.items() if name.startswith("AZURE_")}
        delta("az://state/people", COLUMNS, PROFILES, words)
        delta("az://state/held", MEMBERSHIPS, HELD, words)
        reads = Files(ProfileTable("az://state/people", "id"), MembershipTable("az://state/held", "id", "segment"))
        with closing(FilesSource(Source("world", reads), folder, threads=2, environ=served.environ)) as source:
            yield source


@contextmanager
def from_csv_on_azure(folder: Path, request: pytest.FixtureRequest) -> Iterator[ports.Source]:  # noqa: ARG001
    """Read CSV in a container, half of it compressed."""
    table(folder / "people.csv", list(COLUMNS), PROFILES)
    table(folder / "held.csv", list(MEMBERSHIPS), HELD)
    with azurite() as served:
        store = bucket("az://state", served.environ)
        obstore.put(store, "people.csv", folder / "people.csv")
        obstore.put(store, "held/1.csv.gz", gzip.compress((folder / "held.csv").read_bytes()))
        profiles = ProfileTable("az://state/people.csv", "id", types=TYPES)
        reads = Files(profiles, MembershipTable("az://state/held", "id", "segment"))
        with closing(FilesSource(Source("world", reads), folder, threads=2, environ=served.environ)) as source:
            yield source


@contextmanager
def from_export_on_azure(folder: Path, request: pytest.FixtureRequest) -> Iterator[ports.Source]:  # noqa: ARG001
    """Read folders that Customer Insights writes, in a container."""
    exported(folder, "Customer", "2026/11/02/0600", COLUMNS, PROFILES)
    exported(folder, "Memberships", "2026/11/02/0600", MEMBERSHIPS, HELD)
    with azurite() as served:
        upload(folder, bucket("az://state", served.environ), "export")
        profiles = ProfileTable("az://state/export/Customer", "id", types={"spent": "decimal(12,2)"})
        reads = Files(profiles, MembershipTable("az://state/export/Memberships", "id", "segment"))
        with closing(FilesSource(Source("world", reads), folder, threads=2, environ=served.environ)) as source:
            yield source


def upload(folder: Path, store: Any, prefix: str) -> None:
    """Put the files of a folder into a store."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            obstore.put(store, f"{prefix}/{path.relative_to(folder).as_posix()}", path)


@contextmanager
def from_parquet_on_s3(folder: Path, request: pytest.FixtureRequest) -> Iterator[ports.Source]:  # noqa: ARG001
    """Read Parquet in a bucket: a glob, and an object."""
    parquet(folder / "1.parquet", COLUMNS, PROFILES[:200])
    parquet(folder / "2.parquet", COLUMNS, PROFILES[200:])
    parquet(folder / "held.parquet", MEMBERSHIPS, HELD)
    with s3() as served:
        store = bucket("s3://state", served.environ)
        for name in ("1", "2", "held"):
            key = f"{name}.parquet" if name == "held" else f"people/part={name}/{name}.parquet"
            obstore.put(store, key, folder / f"{name}.parquet", use_multipart=False)
        reads = Files(
            ProfileTable("s3://state/people/*/*.parquet", "id"),
            MembershipTable("s3://state/held.parquet", "id", "segment"),
        )
        with closing(FilesSource(Source("world", reads), folder, threads=2, environ=served.environ)) as source:
            yield source


def bucket(url: str, environ: Mapping[str, str]) -> Any:
    """Open what a server of the tests holds."""
    names = ("AZURE_", "AWS_")
    config: Any = {name.lower(): value for name, value in environ.items() if name.startswith(names)}
    return obstore.store.from_url(url, config=config, client_options={"allow_http": True})


@contextmanager
def from_spark(folder: Path, request: pytest.FixtureRequest) -> Iterator[ports.Source]:
    """Have a cluster read the Parquet of `from_parquet`."""
    with clustered(folder, request.getfixturevalue("cluster").connect) as source:
        yield source


@contextmanager
def from_master(folder: Path, request: pytest.FixtureRequest) -> Iterator[ports.Source]:
    """Have a driver of our own read the same, by the workers of the cluster's master."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        with clustered(folder, request.getfixturevalue("cluster").master) as source:
            yield source


@contextmanager
def clustered(folder: Path, url: str) -> Iterator[ports.Source]:
    """Write the Parquet of `from_parquet` for a cluster, and have it read at `url`."""
    parquet(folder / "people.parquet", COLUMNS, PROFILES)
    parquet(folder / "held.parquet", MEMBERSHIPS, HELD)
    profiles = SparkTable("ID", path=str(folder / "people.parquet"))
    reads = Spark(url, profiles, SparkMemberships("id", "Segment", path=str(folder / "held.parquet")))
    with closing(SparkSource(Source("world", reads), around(folder))) as source:
        yield source


LOADERS: dict[str, Loader] = {
    "csv": from_csv,
    "parquet": from_parquet,
    "export": from_export,
    "dataverse": from_dataverse,
    "delta": from_delta,
    "delta on azure": from_delta_on_azure,
    "csv on azure": from_csv_on_azure,
    "export on azure": from_export_on_azure,
    "parquet on s3": from_parquet_on_s3,
    "spark": from_spark,
    "spark by a master": from_master,
}
