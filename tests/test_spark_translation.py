"""What a predicate means on a cluster: what it means on one machine, for every row; or it is refused."""

from __future__ import annotations

import random
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.errors import PySparkException
from support.contract import parquet
from support.predicates import COLUMNS, PEOPLE, Drawing

from reconciler.core.errors import PredicateRefused
from reconciler.core.reads import Spark, SparkTable
from reconciler.sources import spark_session
from reconciler.sources.engine import Engine, Limits
from reconciler.sources.predicate import compile_predicate
from reconciler.sources.spark_faults import translate
from reconciler.sources.spark_sql import translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from support.cluster import Cluster

Answers = dict[str, list[Any]]


class Engines:
    """Both engines over one table of people."""

    def __init__(self, path: Path, columns: Mapping[str, str], session: Any) -> None:
        self._columns, self._session = columns, session
        self.own = Engine([str(path)], [], Limits(1))
        self._here = f"FROM read_parquet('{path}') p ORDER BY id"
        self._there = f"FROM parquet.`{path}` p ORDER BY id"

    def here(self, where: str) -> list[Any]:
        """Give the truth of a predicate for each row. Raises duckdb.Error."""
        sql = f"SELECT ({compile_predicate(where, self._columns)}) {self._here}"
        return [row[0] for chunk in self.own.rows(sql) for row in chunk]

    def there(self, wheres: Sequence[str]) -> Answers:
        """Give the same of a cluster, many at a time; without those that a value in the data breaks there."""
        if not wheres:
            return {}
        written = [translated(where, self._columns, self.own).sql for where in wheres]
        try:
            rows = self._session.sql(f"SELECT {', '.join(written)} {self._there}").collect()
        except PySparkException as error:
            if len(wheres) > 1:
                half = len(wheres) // 2
                return self.there(wheres[:half]) | self.there(wheres[half:])
            if not isinstance(translate(error, "people"), PredicateRefused):
                raise
            return {}
        return {where: [row[place] for row in rows] for place, where in enumerate(wheres)}


@pytest.fixture(scope="module")
def engines(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    path = tmp_path_factory.mktemp("people") / "people.parquet"
    parquet(path, COLUMNS, tuple(PEOPLE))
    session = spark_session.connect(Spark(cluster.connect, SparkTable("id")), lambda _: "")
    yield Engines(path, COLUMNS, session)
    session.stop()


def drawn(engines: Engines, drawing: Drawing, many: int) -> Answers:
    """Draw predicates that both take, with the truth of each here."""
    found: Answers = {}
    while len(found) < many:
        where = drawing.predicate()
        try:
            translated(where, COLUMNS, engines.own)
            found[where] = engines.here(where)
        except (PredicateRefused, duckdb.Error):
            continue  # refused, or broken by a value here: nobody is a member
    return found


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32))
def test_both_engines_find_the_same_truth_for_every_row(engines: Engines, seed: int) -> None:
    expected = drawn(engines, Drawing(random.Random(seed)), 80)
    found = {
        where: truth
        for at in range(0, len(expected), 40)
        for where, truth in engines.there([*expected][at : at + 40]).items()
    }
    assert {where: (expected[where], truth) for where, truth in found.items() if expected[where] != truth} == {}
    assert len(found) > len(expected) * 0.8


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_letters_are_lowered_and_raised_alike(cluster: Cluster, tmp_path: Path) -> None:
    newest = {0x19B, 0x264, 0x1C89, 0x1C8A, *range(0xA7C0, 0xA7E0), 0xFEFF}  # of Unicode since 2024, by age of the Java
    points = [point for point in range(1, 0x10000) if not 0xD800 <= point < 0xE000 and point not in newest]
    rows = tuple((f"{at:05}", "".join(map(chr, points[at : at + 50]))) for at in range(0, len(points), 50))
    columns = {"id": "VARCHAR", "text": "VARCHAR"}
    parquet(tmp_path / "letters.parquet", columns, (*rows, ("z", "ΟΔΟΣ ΣΑΣ"), ("zz", "İSTANBUL")))
    session = spark_session.connect(Spark(cluster.connect, SparkTable("id")), lambda _: "")
    own = Engine([str(tmp_path / "letters.parquet")], [], Limits(1))
    for called in ("LOWER", "UPPER"):
        sql = translated(f"{called}(text) || '' <> ''", columns, own).sql.removesuffix(" <> '')").removeprefix("(")
        there = session.sql(f"SELECT {sql} FROM parquet.`{tmp_path}/letters.parquet` p ORDER BY id").collect()
        here = [
            row[0]
            for chunk in own.rows(f"SELECT {called}(text) FROM read_parquet('{tmp_path}/letters.parquet') ORDER BY id")
            for row in chunk
        ]
        assert [row[0] for row in there] == here
    session.stop()
    own.close()


@pytest.mark.parametrize(
    ("where", "says", "offset"),
    [
        ("ok AND CAST(score AS VARCHAR) = '1'", "a cast from DOUBLE to VARCHAR has no exact equal on a cluster", None),
        ("ok AND SUBSTR(name, -2) = 'nn'", "a position or length is a figure written out, from 1", None),
        ("REGEXP_MATCHES(name, '(a+)+$')", "on a cluster a regular expression has plain characters", 0),
        ("REGEXP_MATCHES(name, 'a', 'i')", "has no options on a cluster", None),
        ("DATE_DIFF('hour', seen, seen) = 1", "DATE_DIFF in HOUR has no exact equal", None),
        ("TRY_STRPTIME(name, '%b %d') IS NULL", "on a cluster a format has %Y, %m and %d", None),
        ("ROUND(spent, kids) = 1", "", None),
        ("CAST(age AS HUGEINT) = 1", "a cast from BIGINT to HUGEINT has no exact equal", None),
        ("name ILIKE 'é%'", "the pattern of ILIKE is plain ASCII", None),
        ("nmae = 'x'", "no column 'nmae'; did you mean name?", 0),
        ("age", "a number, not a condition", None),
    ],
)
def test_what_has_no_exact_equal_is_refused_with_the_part(where: str, says: str, offset: int | None) -> None:
    with closing(Engine([], [], Limits(1))) as own, pytest.raises((PredicateRefused, duckdb.Error)) as refused:
        translated(where, COLUMNS, own)
    assert re.search(re.escape(says), str(refused.value))
    if offset is not None and isinstance(refused.value, PredicateRefused):
        assert refused.value.offset == offset


def test_no_text_of_the_user_reaches_the_cluster_as_it_stands() -> None:
    with closing(Engine([], [], Limits(1))) as own:
        sql = translated("NAME = 'a\\' OR name  LIKE '\\%~'", COLUMNS, own).sql
    assert "\\" not in sql
    assert sql.count("'") == 2 * (sql.count("X'") + sql.count("'~'"))
