"""A predicate of any text: refused, or executed by the locked engine in its time, as a condition and nothing else."""

from __future__ import annotations

import json
import logging
import os
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from fuzz.sentences import told

from reconciler.core.errors import PredicateRefused, SourceError
from reconciler.core.model import Segment, Source
from reconciler.core.reads import Files, ProfileTable
from reconciler.sources.files import FilesSource
from reconciler.sources.predicate import compile_predicate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TYPES = {
    "age": "INTEGER", "income": "DOUBLE", "score": "DECIMAL(10,2)", "born": "DATE", "seen": "TIMESTAMP",
    "agreed": "BOOLEAN",
}  # fmt: skip
PEOPLE = (
    "id,name,home,children,age,income,score,born,seen,agreed,Größe x\n"
    "1,Ann,Y,2,30,1000.5,1.25,1990-02-28,2024-05-01 10:00:00,true,a\n"
    "2,bob,N,0,41,,-3.50,2000-12-31,,false,B%\n"
    "3,,y,10,,-7,0.00,,1999-01-01 00:00:00,,_\n"
    "4,Çelik,Y,3,0,1e300,99999999.99,1970-01-01,2038-01-19 03:14:07,true,\n"
    "5,x'y,,007,-5,0,,2024-02-29,2024-02-29 23:59:59,,ß\n"
)
EVERYBODY = {"1", "2", "3", "4", "5"}
SECRET = "nobody may read this"
SECONDS = 1.0
LIFE = 1_000
"""Predicates that one source is asked: it remembers each."""

MAY_CALL = {
    "lower", "upper", "length", "substring", "left", "right", "starts_with", "prefix", "ends_with", "suffix",
    "contains", "abs", "round", "floor", "ceil", "year", "quarter", "month", "day", "trim", "ltrim", "rtrim",
    "replace", "regexp_full_match", "regexp_matches", "strptime", "try_strptime", "date_part", "date_diff",
    "current_date", "get_current_date", "today", "list_transform", "list_value", "array_extract", "list_extract",
    "unpack", "concat", "to_years", "to_months", "to_weeks", "to_days", "to_hours", "to_minutes", "to_seconds",
    "||", "+", "-", "*", "/", "%", "~~", "!~~", "hour", "minute", "second", "week", "trunc",
}  # fmt: skip
"""What the engine may be asked for, as it calls it itself."""

MAY_BE = {
    "FUNCTION", "COLUMN_REF", "CONSTANT", "CAST", "CASE", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN", "LAMBDA",
}  # fmt: skip
UNQUALIFIED = (["text_"], ["CURRENT_DATE"])
"""What the engine's parser takes for a column and is none of the profile's: the parameter of a lambda, and today."""


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Give the target; `folder` is its own."""
    (folder / "people.csv").write_text(PEOPLE, encoding="utf-8")
    (folder / "secret.csv").write_text(f"id\n{SECRET}\n", encoding="utf-8")
    before = Path.cwd()
    os.chdir(folder)  # where a path in a predicate would lead
    desk, heard = Desk(folder), Heard()
    logging.getLogger().addHandler(heard)

    def one(data: bytes) -> None:
        desk.ask(data)
        assert not heard.lines, "a library repeats the predicate"

    try:
        yield one
    finally:
        logging.getLogger().removeHandler(heard)
        desk.close()
        os.chdir(before)


class Heard(logging.Handler):
    """Keeps what would be written to stderr."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


class Desk:
    """A source that is asked one predicate after the other, and an engine without locks that only parses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._there = sorted(folder.iterdir())
        self._asked = 0
        self._source = self._fresh()
        self._parser = duckdb.connect(":memory:")

    def close(self) -> None:
        self._source.close()
        self._parser.close()

    def ask(self, data: bytes) -> None:
        """Put one predicate to the check, and what it lets through to the engine."""
        text = data.decode("utf-8", "replace")
        if (found := self._members(text)) is None:
            return
        self._harmless(text)
        parts = [found, self._members(f"NOT ({text})"), self._members(f"({text}) IS NULL")]
        told_all = [part for part in parts if part is not None]
        if len(told_all) == len(parts):
            split = sorted(one for part in told_all for one in part)
            assert split == sorted(EVERYBODY), "a person is in none, or in two, of true, false and unknown"
        assert sorted(self._folder.iterdir()) == self._there, "a predicate left a file"

    def _members(self, text: str) -> list[str] | None:
        """Give the ids that a predicate selects; None when it is refused, or a value breaks it."""
        segment = Segment("s", "s", where=text)
        self._renew()
        try:
            self._source.check(segment)
        except PredicateRefused as refused:
            self._placed(refused, text)
            return None
        try:
            rows = [row for chunk in self._source.members([segment], ["age"]) for row in chunk]
        except PredicateRefused as refused:
            told(refused, SECRET)
            return None
        except SourceError as fault:
            raise AssertionError(f"the predicate broke the reading of the file: {fault}") from fault
        assert all(row[1] == 1 for row in rows)
        return [str(row[0]) for row in rows]

    @staticmethod
    def _placed(refused: PredicateRefused, text: str) -> None:
        """Hold a refusal to one line, and to a place in the text."""
        told(refused, SECRET)
        assert refused.offset is None or 0 <= refused.offset <= len(text)

    def _harmless(self, text: str) -> None:
        """Let the engine's own parser say what it was given: one expression over p, and known functions alone."""
        sql = compile_predicate(text, self._source.columns())
        (told_by_engine,) = self._parser.execute("SELECT json_serialize_sql(?)", [f"SELECT {sql}"]).fetchone() or ("",)
        tree = json.loads(told_by_engine)
        assert not tree["error"], "the engine cannot parse what was written for it"
        (statement,) = tree["statements"]
        select = statement["node"]
        assert select["type"] == "SELECT_NODE"
        assert select["from_table"]["type"] == "EMPTY"
        assert len(select["select_list"]) == 1
        for node in nodes(select["select_list"][0]):
            assert node["class"] in MAY_BE, node["class"]
            if node["class"] == "FUNCTION":
                assert node["function_name"] in MAY_CALL, node["function_name"]
                assert node["schema"] in {"", "main"}, "a function of a schema"
            if node["class"] == "COLUMN_REF":
                names = node["column_names"]
                assert names in UNQUALIFIED or (len(names) == 2 and names[0] == "p"), names

    def _fresh(self) -> FilesSource:
        profiles = ProfileTable("people.csv", id="id", types=TYPES)
        return FilesSource(Source("s", Files(profiles)), self._folder, threads=1, memory="256MB", timeout=SECONDS)

    def _renew(self) -> None:
        self._asked += 1
        if self._asked % LIFE == 0:
            with closing(self._source):
                self._source = self._fresh()


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Give every expression in what the engine's parser made."""
    waiting = [tree]
    while waiting:
        match waiting.pop():
            case dict() as found:
                if "class" in found:
                    yield found
                waiting.extend(found.values())
            case list() as several:
                waiting.extend(several)
