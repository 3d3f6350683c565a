"""Predicates drawn at random over a table of people, and that table: every form that a cluster is given."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

COLUMNS = {
    "id": "VARCHAR",
    "name": "VARCHAR",
    "town": "VARCHAR",
    "digits": "VARCHAR",
    "age": "BIGINT",
    "small": "SMALLINT",
    "kids": "INTEGER",
    "born": "DATE",
    "seen": "TIMESTAMP",
    "ok": "BOOLEAN",
    "score": "DOUBLE",
    "spent": "DECIMAL(10,2)",
}
_NAMES = ["Ann", "ann", "Bob", None, "", "Élise", "O'Neil", "annabel", " Ann ", "NULL", "ΟΔΟΣ", "İstanbul", "Straße"]
_TOWNS = ["Oslo", "oslo", None, "", "A_b%c", "Åre\nby", "x" * 30, "%", "a\\b", "\u00a0Rome\u3000", "😀 a", "ﬁn", "~"]
_DIGITS = ["2", "2.0", "2.5", None, "-7", "010", "3000000000", "0.1", "12", "12345678901234567.25", " 4 ", "+5"]
_BORN = [dt.date(1990, 1, 31), dt.date(1989, 12, 31), None, dt.date(2000, 2, 29), dt.date(1970, 1, 1)]
_SEEN = [dt.datetime(2024, 2, 29, 23, 59, 59, 500000), None, dt.datetime(1969, 12, 31, 23), dt.datetime(2021, 1, 3)]  # noqa: DTZ001  # UTC, as the columns are
_SCORES = [0.0, -0.0, 1.5, None, 2.5, -2.5, float("nan"), float("inf"), 2.675, 1e300, -0.1]
_SPENT = [Decimal("0.00"), Decimal("12.50"), None, Decimal("-3.25"), Decimal("2.50"), Decimal("99999999.99")]


def _at(values: list[Any], number: int) -> Any:
    return values[number % len(values)]


PEOPLE: list[tuple[Any, ...]] = [
    (
        *(str(n), _at(_NAMES, n), _at(_TOWNS, n * 3), _at(_DIGITS, n)),
        *(_at([30, 31, None, 0, -7, 10, 2_000_000_000, 1], n), _at([1, None, -3, 100], n), _at([0, 2, None, 5, 3], n)),
        *(_at(_BORN, n), _at(_SEEN, n), _at([True, False, None], n), _at(_SCORES, n), _at(_SPENT, n)),
    )
    for n in range(80)
]


class Drawing:
    """Draws predicates from one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def _one(self, *of: str) -> str:
        return self._chance.choice(of)

    def predicate(self, depth: int = 2) -> str:
        """Draw a condition."""
        if depth and self._chance.random() < 0.4:
            first, second = self.predicate(depth - 1), self.predicate(depth - 1)
            return self._one(
                f"({first} AND {second})",
                f"({first} OR {second})",
                f"NOT ({first})",
                f"({first}) IS NULL",
                f"({first}) IS NOT TRUE",
                f"CASE WHEN {first} THEN {second} ELSE ok END",
            )
        return self._chance.choice([self._numeric, self._textual, self._dated, self._other])()

    def _numeric(self) -> str:
        return self._one(
            f"{self.number()} {self.sign()} {self.number()}",
            f"digits {self.sign()} {self._one('2', '2.5', '-7', '10', 'kids', 'age', 'spent')}",
            f"{self.number()} BETWEEN {self.number()} AND {self.number()}",
            f"{self._one('age', 'kids', 'spent', 'score', 'digits')} IN (2, 2.5, 10, NULL)",
            f"{self._one('age', 'kids', 'score', 'digits')} NOT IN (0, 30, 12.5)",
        )

    def sign(self) -> str:
        """Draw a comparison."""
        return self._one("=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")

    def number(self, depth: int = 2) -> str:
        """Draw a number."""
        if not depth or self._chance.random() < 0.4:
            return self._one("kids", "small", "age", "spent", "score", "2", "2.5", "-7", "1e1", "0")
        first, second = self.number(depth - 1), self.number(depth - 1)
        return self._one(
            f"({first} + {second})",
            f"({first} - {second})",
            f"(kids * {self._one('2', 'small', '1.5')})",
            f"({first} / {second})",
            f"(kids % {self._one('2', '3', 'small', '0')})",
            f"ABS({first})",
            f"FLOOR({first})",
            f"CEIL({first})",
            f"ROUND({first})",
            f"ROUND({first}, 1)",
            f"(- {first})",
            f"COALESCE({first}, {second})",
            f"NULLIF({first}, {second})",
            f"LENGTH({self.text()})",
            f"CAST({first} AS DOUBLE)",
            f"CAST({self._one('spent', 'kids', 'score')} AS {self._one('INTEGER', 'BIGINT', 'DOUBLE')})",
            f"TRY_CAST({self._one('digits', 'name')} AS {self._one('DOUBLE', 'DECIMAL(18,2)', 'INTEGER')})",
            f"EXTRACT({self._one('year', 'quarter', 'month', 'week', 'day')} FROM {self._one('born', 'seen')})",
            f"EXTRACT({self._one('hour', 'minute', 'second')} FROM {self._one('born', 'seen')})",
            f"DATE_DIFF('{self._one('year', 'quarter', 'month', 'week', 'day')}', {self.date()}, {self.date()})",
            f"CASE WHEN ok THEN {first} ELSE {second} END",
        )

    def text(self, depth: int = 2) -> str:
        """Draw a text."""
        if not depth or self._chance.random() < 0.4:
            return self._one("name", "town", "digits", "'Ann'", "'Élise'", "''", "'O''Neil'", "'a\\b'", "'%'")
        first, second = self.text(depth - 1), self.text(depth - 1)
        return self._one(
            f"LOWER({first})",
            f"UPPER({first})",
            f"TRIM({first})",
            f"LTRIM({first})",
            f"RTRIM({first}, 'ln')",
            f"REPLACE({first}, 'n', '')",
            f"SUBSTR({first}, {self._one('1', '2', '9')}, {self._one('0', '3')})",
            f"SUBSTRING({first}, 2)",
            f"LEFT({first}, {self._one('0', '2')})",
            f"RIGHT({first}, {self._one('0', '2')})",
            f"({first} || {second})",
            f"COALESCE({first}, {second})",
            f"CAST({self._one('kids', 'age', 'spent', 'born', 'seen', 'ok')} AS VARCHAR)",
        )

    def _textual(self) -> str:
        pattern = self._one("A%", "%n%", "_nn", "%", "", "%''%", "A\\_b%", "Åre_by", "%%b%", "___", "~%", "a\\%", "%_")
        regular = self._one("^A.*n$", "[a-c]n?", "(Ann|Bob)$", "o{2}|s", "^.$", "[^a-z]l")
        return self._one(
            f"{self.text()} {self.sign()} {self.text()}",
            f"{self.text()} LIKE '{pattern}'",
            f"{self.text()} NOT LIKE '{pattern}'",
            f"{self.text()} LIKE '%!%%!_b%' ESCAPE '!'",
            f"{self.text()} ILIKE '{self._one('A%', '%N%', '_nn', 'o_lo', '%i%')}'",
            f"STARTS_WITH({self.text()}, {self.text()})",
            f"ENDS_WITH({self.text()}, 'n')",
            f"CONTAINS({self.text()}, {self.text()})",
            f"REGEXP_MATCHES({self.text()}, '{regular}')",
            f"{self.text()} IN ('Ann', 'oslo', '', NULL)",
        )

    def date(self) -> str:
        """Draw a day or a moment."""
        return self._one(
            *("born", "seen", "DATE '1990-01-31'", "CURRENT_DATE", "TIMESTAMP '2024-02-29 12:00:00'"),
            *("CAST(seen AS DATE)", "CAST(born AS TIMESTAMP)", "STRPTIME('31/01/1990', '%d/%m/%Y')"),
            f"born {self._one('+', '-')} INTERVAL {self._one('1', '13')} {self._one('YEAR', 'MONTH', 'WEEK', 'DAY')}",
            f"DATE_ADD(seen, INTERVAL 7 {self._one('QUARTER', 'HOUR', 'MINUTE', 'SECOND', 'MONTH')})",
            f"(born + {self._one('1', 'kids')})",
        )

    def _dated(self) -> str:
        return self._one(
            f"{self.date()} {self.sign()} {self.date()}",
            f"born {self.sign()} '1990-01-31'",
            f"seen {self.sign()} '2021-01-03 00:00:00'",
            f"{self.date()} BETWEEN {self.date()} AND {self.date()}",
            f"YEAR({self._one('born', 'seen')}) {self.sign()} {self.number(1)}",
            f"TRY_STRPTIME({self._one('name', 'town')}, '%Y-%m-%d') IS NULL",
            f"TRY_CAST(name AS {self._one('DATE', 'TIMESTAMP', 'BOOLEAN')}) IS NULL",
        )

    def _other(self) -> str:
        return self._one(
            "ok", "NOT ok", "ok IS NULL", "ok = TRUE", "ok IS NOT FALSE", "name IS NULL", "seen IS NOT NULL"
        )
