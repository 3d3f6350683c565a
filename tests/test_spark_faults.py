"""A cluster that goes away, a table that is gone, a value that is wrong: one line each, and nobody removed."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import duckdb
import pytest
from support.cluster import around
from support.spark_world import world

from reconciler.core.errors import PartUnread, PredicateRefused, SourceError
from reconciler.core.model import Segment, Source
from reconciler.core.reads import Spark, SparkTable
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


def test_a_cluster_that_never_answers_is_one_line_when_its_time_is_up(tmp_path: Path) -> None:
    with world(tmp_path, None) as made:
        made.front.silent = True
        made.declare({"all": "n < 30"}, {"news": ["all"]}, timeoutSeconds=1)
        code, said = made.apply()
        assert code == 3, said
        assert "the cluster was not done after 1 s (timeoutSeconds); has it workers that are free?" in said
        assert made.front.seen


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
