"""A predicate comes from a pull request: nothing gets past the check, and nothing past the engine's locks if it did."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import duckdb
import pytest

from reconciler.core.errors import PredicateRefused
from reconciler.core.model import Segment, Source
from reconciler.core.reads import Files, ProfileTable
from reconciler.sources.engine import Engine, Limits
from reconciler.sources.files import FilesSource
from reconciler.sources.predicate import compile_predicate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS = {"id": "VARCHAR", "name": "VARCHAR", "age": "INTEGER", "born": "DATE"}

HOSTILE = (
    # other tables, files and queries
    "id IN (SELECT content FROM read_text('/etc/passwd'))",
    "EXISTS (SELECT 1 FROM read_csv('secret.csv'))",
    "(SELECT count(*) FROM glob('*')) > 0",
    "id = ANY (SELECT id FROM 'secret.csv')",
    "id = ALL (SELECT 1)",
    "id IN (FROM 'secret.parquet')",
    "id IN other",
    "id IN (TABLE p)",
    "(VALUES (TRUE))",
    "(FROM p SELECT TRUE)",
    "TRUE UNION SELECT TRUE",
    "TRUE) OR (SELECT TRUE",
    "name = 'x' FROM read_text('secret')",
    "(WITH x AS (SELECT 1) SELECT TRUE FROM x)",
    "p.name = 'x'",
    "main.p.name = 'x'",
    "rowid > 0",
    "filename = 'x'",
    "duckdb_settings() IS NULL",
    # statements
    "TRUE; DROP TABLE p",
    ";",
    "ATTACH 'x.db'",
    "COPY p TO 'x'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "PRAGMA database_list",
    "SELECT TRUE",
    "CREATE TABLE t (x INT)",
    "CALL pragma_version()",
    "EXPORT DATABASE 'x'",
    "DESCRIBE p",
    # functions
    "getenv('HOME') = 'x'",
    "read_text('secret.txt') IS NULL",
    "read_blob('secret.txt') = 'x'",
    "random() > 0.5",
    "setseed(0.5) IS NULL",
    "uuid() = 'x'",
    "gen_random_uuid() = 'x'",
    "nextval('s') > 0",
    "current_setting('threads') = '1'",
    "current_user = 'x'",
    "version() = 'x'",
    "now() > born",
    "current_timestamp > born",
    "error('x') IS NULL",
    "sleep_ms(1000) IS NULL",
    "write_log('x') IS NULL",
    "query('select 1') IS NULL",
    "query_table('p') IS NULL",
    "pg_sleep(1) IS NULL",
    "system.main.getenv('HOME') = 'x'",
    "name.upper() = 'X'",
    "getvariable('x') = 1",
    "json_serialize_sql('select 1') IS NULL",
    # blow-ups
    "repeat(name, 1000000000) = 'x'",
    "lpad(name, 1000000000, 'x') = 'x'",
    "rpad(name, 1000000000, 'x') = 'x'",
    "REPLACE(name, 'a', 'aaaaaaaaaa') = 'x'",
    "REPLACE(name, '', 'x') = 'x'",
    "REPLACE(name, id, name) = 'x'",
    "length(range(1000000000)) > 1",
    "generate_series(1, 1000000000) IS NULL",
    "list_transform([1], x -> x) IS NULL",
    "list_transform([1], lambda x: x) IS NULL",
    "[x FOR x IN [1]] IS NULL",
    "2 ** 1000000 > 1",
    "age << 60 > 1",
    "factorial(20) > 1",
    "format('{:1000000000}', age) = 'x'",
    "printf('%1000000000d', age) = 'x'",
    "bar(age, 0, 1, 1000000000) = 'x'",
    "name LIKE id",
    "name ILIKE '%' || id",
    "regexp_matches(name, id)",
    "regexp_replace(name, 'a', 'aa', 'g') = 'x'",
    "name SIMILAR TO '(a*)*'",
    "name GLOB '*'",
    # what is not one condition over the columns
    "sum(age) > 1",
    "count(*) > 0",
    "row_number() OVER () < 10",
    "lag(age) OVER (ORDER BY id) > 1",
    "lower(DISTINCT name) = 'x'",
    "lower(name ORDER BY id) = 'x'",
    "lower(name) FILTER (WHERE TRUE) = 'x'",
    "lower(x := name) = 'x'",
    "*",
    "COLUMNS(*) = 1",
    "p.* IS NULL",
    "#1 = 'x'",
    "? = name",
    "$1 = name",
    ":x = name",
    "@x = name",
    "name AS x",
    "name = 'x' AS y",
    "{'a': 1} IS NULL",
    "[1, 2] IS NULL",
    "MAP {1: 2} IS NULL",
    "(1, 2) = (1, 2)",
    "row(1) IS NULL",
    "name[1] = 'x'",
    "name[1:2] = 'x'",
    "name -> '$.a' = 'x'",
    "name ->> '$.a' = 'x'",
    "name COLLATE nocase = 'x'",
    "born AT TIME ZONE 'UTC' > born",
    "CAST(name AS INTEGER[]) IS NULL",
    "CAST(name AS STRUCT(a INTEGER)) IS NULL",
    "CAST(name AS JSON) IS NULL",
    "CAST(name AS BLOB) IS NULL",
    "name::regclass IS NULL",
    "INTERVAL (age) YEAR > INTERVAL 1 YEAR",
    "INTERVAL '1 year 2 months' > INTERVAL 1 YEAR",
    "EXTRACT(epoch FROM born) > 1",
    "E'\\x41' = name",
    "$$x$$ = name",
    "x'41' = name",
    "b'1' = name",
    "'a' 'b' = name",
    # what hides
    "TRUE -- AND name = 'x'",
    "TRUE /* AND name = 'x' */",
    "/* x */ TRUE",
    "name = 'x' --\n OR TRUE",
    "name = 'x\u202e'",
    "name = 'x\0'",
    "name\u2066 = 'x'",
    "name = '\ud800'",
    "name = 'x",
    'name = "x',
    "name = 'x' /*",
    "",
    " \n ",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(PredicateRefused) as refused:
        compile_predicate(text, COLUMNS)
    assert "\n" not in str(refused.value)
    assert refused.value.offset is None or 0 <= refused.value.offset <= len(text)


def test_there_are_many() -> None:
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize(
    "text",
    [
        "(" * 50_000 + "TRUE" + ")" * 50_000,
        "(" * 4_000 + "TRUE" + ")" * 4_000,
        "(" * 9_999,
        "NOT " * 2_400 + "TRUE",
        "- " * 4_900 + "1 = 1",
        "CASE WHEN " * 900,
        "LOWER(" * 1_400 + "name" + ")" * 1_400 + " = 'x'",
        "name IN (" * 1_000,
        "[" * 5_000,
        "{'a':" * 1_900,
        "EXISTS (" * 1_200,
        "INTERVAL " * 1_000,
        "1 + " * 2_400 + "1 = 1",
        "name" + "::VARCHAR" * 1_000 + " = 'x'",
        "name || " * 1_200 + "name = 'x'",
        "name -> " * 1_200 + "name",
        "a" * 10_001,
        "age = 1 OR " * 100_000 + "TRUE",
        "age IN (" + "1," * 4_900 + "1)",
    ],
    ids=lambda text: f"{text[:12]}… {len(text)}",
)
def test_what_is_too_deep_or_too_long_is_refused_and_no_recursion_error(text: str) -> None:
    with pytest.raises(PredicateRefused):
        compile_predicate(text, COLUMNS)


def test_a_long_chain_is_not_deep(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,name\n1,x\n2,name499\n")
    chain = " OR ".join(f"name = 'name{number}'" for number in range(500))
    source = FilesSource(Source("s", Files(ProfileTable("p.csv", "id"))), tmp_path)
    assert source.count([Segment("many", "s", where=chain)]) == 1
    source.close()


@pytest.mark.parametrize("depth", [1, 12, 24])
def test_what_is_within_the_limit_passes_also_from_deep_inside_a_program(depth: int) -> None:
    def deep(frames: int) -> str:
        return compile_predicate("(" * depth + "age > 1" + ")" * depth, COLUMNS) if frames == 0 else deep(frames - 1)

    assert deep(60) == '(p."age" > 1)'


@pytest.mark.parametrize("name", ['x"y', "it's", "sp ace", "é", "select", "p", 'a"."b', "x;--"])
def test_a_column_is_a_column_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    quoted = name.replace('"', '""')
    (tmp_path / "p.csv").write_text(f'id,"{quoted}"\n1,yes\n2,no\n', encoding="utf-8")
    source = FilesSource(Source("s", Files(ProfileTable("p.csv", "id"))), tmp_path)
    rows = [
        row for chunk in source.members([Segment("a", "s", where=f"\"{quoted}\" = 'yes'")], [name]) for row in chunk
    ]
    assert rows == [("1", 1, "yes")]
    source.close()


@pytest.mark.parametrize("value", ["it''s", "'' OR TRUE --", "\\'' OR TRUE", '"', "$1", "x'') OR (''1''=''1"])
def test_a_text_is_a_text_whatever_it_holds(tmp_path: Path, value: str) -> None:
    (tmp_path / "p.csv").write_text("id,name\n1,other\n2,another\n")
    source = FilesSource(Source("s", Files(ProfileTable("p.csv", "id"))), tmp_path)
    assert source.count([Segment("a", "s", where=f"name = '{value}'")]) == 0
    assert source.count([Segment("b", "s", where=f"name LIKE '_{value}'")]) == 0
    source.close()


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[Engine, Path]]:
    data, secret = tmp_path / "data.csv", tmp_path / "secret.csv"
    data.write_text("id,name\n1,x\n")
    secret.write_text("id,name\n1,secret\n")
    engine = Engine([str(data)], [], Limits(threads=1))
    yield engine, tmp_path
    engine.close()


LOCKED_OUT = (
    "SELECT content FROM read_text('{folder}/secret.csv')",
    "SELECT content FROM read_blob('{folder}/secret.csv')",
    "SELECT * FROM read_csv('{folder}/secret.csv')",
    "SELECT * FROM read_csv('{folder}/*.csv')",
    "SELECT * FROM read_csv('{folder}/x/../secret.csv')",
    "SELECT * FROM read_csv('{folder}/data.csv/../secret.csv')",
    "SELECT * FROM '{folder}/secret.csv'",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM read_parquet('{folder}/secret.csv')",
    "SELECT * FROM parquet_metadata('{folder}/secret.csv')",
    "SELECT * FROM sniff_csv('{folder}/secret.csv')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT * FROM read_text('/dev/stdin')",
    "SELECT * FROM read_csv('https://example.com/x.csv')",
    "SELECT * FROM read_csv('s3://bucket/x.csv')",
    "SELECT getenv('HOME')",
    "SELECT * FROM python_variable",
    "SELECT * FROM query('SELECT content FROM read_text(''{folder}/secret.csv'')')",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/data.csv'",
    "COPY (SELECT 1) TO '{folder}/data.csv' (USE_TMP_FILE false)",
    "ATTACH '{folder}/x.db'",
    "ATTACH ':memory:' AS other",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}/out'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET threads = 4",
    "SET memory_limit = '100GB'",
    "SET temp_directory = '{folder}'",
    "SET python_enable_replacements = true",
    "RESET lock_configuration",
    "PRAGMA threads = 4",
    "CREATE TABLE t (x INTEGER)",
    "CREATE SECRET s (TYPE S3)",
    "SET VARIABLE x = 1",
    "CALL enable_logging()",
    "BEGIN",
    "CHECKPOINT",
    "SELECT 1; SELECT 2",
    "EXPLAIN ANALYZE SELECT 1",
    "",
)


@pytest.mark.parametrize("sql", LOCKED_OUT)
def test_the_engine_alone_lets_nothing_out(locked: tuple[Engine, Path], sql: str) -> None:
    engine, folder = locked
    python_variable = {"x": ["secret"]}
    with pytest.raises(duckdb.Error):
        list(engine.rows(sql.format(folder=folder)))
    assert {entry.name for entry in folder.iterdir()} == {"data.csv", "secret.csv"}
    assert (folder / "data.csv").read_text() == "id,name\n1,x\n"
    assert python_variable


SETTINGS = ("SELECT *", "SELECT c", "SET e", "SET t", "SET m", "SET p", "RESET", "PRAGMA", "INSTALL", "LOAD")


@pytest.mark.parametrize("sql", [sql for sql in LOCKED_OUT if sql.startswith(SETTINGS)])
def test_the_locks_hold_without_the_rule_of_one_select(locked: tuple[Engine, Path], sql: str) -> None:
    engine, folder = locked
    with pytest.raises(duckdb.Error):
        engine._connection.execute(sql.format(folder=folder))


def test_the_engine_reads_what_it_is_given(locked: tuple[Engine, Path]) -> None:
    engine, folder = locked
    assert list(engine.rows(f"SELECT * FROM read_csv('{folder}/data.csv', all_varchar=true)")) == [[("1", "x")]]


def test_memory_is_bounded_and_nothing_is_spilled() -> None:
    engine = Engine([], [], Limits(threads=1, memory="20MB"))
    with pytest.raises(duckdb.OutOfMemoryException):
        list(engine.rows("SELECT count(*) FROM (SELECT DISTINCT md5(range::VARCHAR) FROM range(5000000))"))
    engine.close()


def test_a_statement_that_runs_too_long_is_interrupted() -> None:
    engine = Engine([], [], Limits(threads=1, timeout=0.2))
    with pytest.raises(duckdb.InterruptException):
        list(engine.rows("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = -1"))
    engine.close()


def test_an_interrupt_from_the_keyboard_is_one() -> None:
    engine = Engine([], [], Limits(threads=1))
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        list(engine.rows("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = -1"))
    timer.join()
    engine.close()
