"""A cluster that goes away, a table that is gone, a value that is wrong: one line each, and nobody removed."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import duckdb
import pytest
from support.cluster import around, connect_server
from support.command import reconciler
from support.project import KEY, Project, connection, document, export, segment

from reconciler.core.errors import PartUnread, PredicateRefused, SourceError
from reconciler.core.model import Segment, Source
from reconciler.core.reads import Spark, SparkTable
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches
from reconciler.sources.spark import SparkSource

if TYPE_CHECKING:
    from pathlib import Path

    from support.cluster import Cluster

pytestmark = pytest.mark.timeout(900)
ALL = Segment("all", "world", where="n >= 0")


def table(path: Path, rows: int) -> None:
    with closing(duckdb.connect(":memory:")) as db:
        people = f"SELECT i::VARCHAR AS id, i AS n, 'p' || i || '@example.com' AS email FROM range({rows}) t(i)"
        db.execute(f"COPY ({people}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 20000)")


def source(folder: Path, url: str, path: str = "people.parquet") -> SparkSource:
    return SparkSource(Source("world", Spark(url, SparkTable("id", path=str(folder / path)))), around(folder))


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with closing(source(tmp_path, "sc://127.0.0.1:9")) as made, pytest.raises(SourceError) as refused:
        made.columns()
    assert str(refused.value) == "the cluster at 127.0.0.1:9 cannot be reached: Connection refused; is it running?"


@pytest.mark.slow
def test_a_table_that_is_not_there_is_one_line(tmp_path: Path, cluster: Cluster) -> None:
    with closing(source(tmp_path, cluster.connect, "gone")) as made, pytest.raises(SourceError) as refused:
        made.columns()
    assert str(refused.value).endswith(
        "the cluster has no such table, or the token may not read it; grant SELECT on it"
    )


@pytest.mark.slow
def test_a_value_that_breaks_the_predicate_fails_the_scan_without_the_value(tmp_path: Path, cluster: Cluster) -> None:
    table(tmp_path / "people.parquet", 100)
    with closing(source(tmp_path, cluster.connect)) as made:
        with pytest.raises(PredicateRefused) as refused:
            made.count([Segment("broken", "world", where="CAST(email AS INTEGER) = 1")])
        assert made.count([ALL]) == 100
        asked = {"cast": "CAST(email AS INTEGER) = 1", "few": "n < 9", "sum": "n + 9223372036854775807 > 1"}
        with pytest.raises(PartUnread) as several:
            list(made.members([ALL, *(Segment(name, "world", where=asked[name]) for name in asked)], ["email"]))
        assert sorted(several.value.segments) == ["cast", "sum"]
    assert "segment broken" in str(refused.value)
    assert "@example" not in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.slow
def test_a_server_that_is_killed_half_way_removes_nobody(tmp_path: Path, cluster: Cluster) -> None:
    assert cluster  # so that it is skipped where there is no Java
    server, url = connect_server(tmp_path, "local[1]")
    try:
        table(tmp_path / "people.parquet", 1_000_000)
        with closing(source(tmp_path, url)) as made:
            chunks = made.members([ALL], ["email"])
            assert next(iter(chunks))
            server.killed()
            with pytest.raises(SourceError) as refused:
                for _ in chunks:
                    pass
        assert "went away before the query was done" in str(refused.value)
        assert str(refused.value).isprintable()
    finally:
        server.stop()


@pytest.mark.slow
def test_an_export_over_a_cluster_that_died_is_blocked_and_nobody_leaves(tmp_path: Path, cluster: Cluster) -> None:
    assert cluster
    server, url = connect_server(tmp_path, "local[1]")
    try:
        table(tmp_path / "people.parquet", 50)
        with Sandbox(key=KEY, switches=Switches(rate=0)) as world:
            project = Project(tmp_path, world.url)
            spec = {"type": "spark", "url": url, "profiles": {"path": str(tmp_path / "people.parquet"), "id": "id"}}
            declared = document("Source", "profiles", spec), segment("all", "n >= 0"), export("news", ["all"])
            project.declare(connection(url=world.url), *declared)
            first = reconciler(tmp_path, "apply", "--yes", environ=project.environ, timeout=300)
            assert first.returncode == 0, first.stdout + first.stderr
            before = [*world.world.members("all")]
            server.killed()
            second = reconciler(tmp_path, "apply", "--yes", environ=project.environ, timeout=300)
            assert second.returncode == 3, second.stdout + second.stderr
            assert "cannot be reached" in second.stdout + second.stderr
            assert "Traceback" not in second.stdout + second.stderr
            assert [*world.world.members("all")] == before
    finally:
        server.stop()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the driver's own pipe, left open
def test_a_driver_of_our_own_reads_the_same(tmp_path: Path, cluster: Cluster) -> None:
    table(tmp_path / "people.parquet", 1_000)
    found = []
    for url in (cluster.connect, "local[1]"):
        with closing(source(tmp_path, url)) as made:
            found.append(sorted(row for chunk in made.members([ALL], ["email", "n"]) for row in chunk))
    assert found[0] == found[1]
    assert len(found[0]) == 1_000
