"""What a column's value is in JSON, or that it is of the wrong type."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model import FieldKind
from reconciler.core.values import SAFE, WrongType, converter

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT, WHOLE, FRACTION, TRUTH, DAY = (converter(kind) for kind in FieldKind)
BLANKS = st.text(" \t\r\n\u00a0\u3000", max_size=3)

anything = st.one_of(
    st.text(),
    st.text("0123456789.,+-eE "),
    st.integers(),
    st.integers(10**300, 10**400),
    st.floats(),
    st.decimals().filter(lambda number: not number.is_snan()),  # no engine has one, and it cannot even be hashed
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.binary(max_size=3),
)


def refused(convert: Callable[[object], str], value: object) -> bool:
    try:
        convert(value)
    except WrongType:
        return True
    return False


@given(anything)
def test_whatever_comes_is_json_of_the_declared_type_or_of_the_wrong_type(value: object) -> None:
    shapes = {FieldKind.STRING: str, FieldKind.INTEGER: int, FieldKind.FLOAT: float, FieldKind.BOOLEAN: bool}
    for kind in FieldKind:
        try:
            written = converter(kind)(value)
        except WrongType:
            continue
        told = json.loads(written, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert type(told) is shapes.get(kind, str)
        if kind is FieldKind.DATE:
            assert dt.date.fromisoformat(str(told)).isoformat() == told


@given(anything)
def test_a_value_is_written_alike_whatever_was_written_before(value: object) -> None:
    for kind in FieldKind:
        used, fresh = converter(kind), converter(kind)
        for other in (0, 0.0, 1, 1.0, True, "1", Decimal(1), Decimal("-0")):
            refused(used, other)
        assert refused(used, value) == refused(fresh, value)
        assert refused(fresh, value) or used(value) == fresh(value)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_goes_out_as_it_stands(value: str) -> None:
    assert json.loads(TEXT(value)) == value


@given(st.integers(-SAFE, SAFE), BLANKS, BLANKS)
def test_whole_numbers_may_have_blanks_and_thousands_separators(number: int, before: str, after: str) -> None:
    for form in (f"{number}", f"{number:,}", f"{number:+,}"):
        assert WHOLE(f"{before}{form}{after}") == str(number)
    assert WHOLE(number) == WHOLE(Decimal(number)) == str(number)


def test_the_income_of_the_sample_data_is_a_number() -> None:
    assert WHOLE("60,000 ") == "60000"
    assert FRACTION("60,000 ") == "60000.0"
    assert TEXT("60,000 ") == '"60,000 "'


@pytest.mark.parametrize(
    "value",
    ["6,00", "60,00", "1,0000", ",100", "60,000,", "6 000", "6_000", "0x10", "1e3", "1.0", "ten", "--1", "+", ",",
     "1" * 40, SAFE + 1, -SAFE - 1, str(SAFE + 1), 1e300, pytest.param(10**400, id="huge"), 1.5, math.nan, math.inf,
     Decimal("NaN"), Decimal("1.5"), Decimal("Infinity"), True, False, dt.date(2026, 1, 1), None, b"1"],
)  # fmt: skip
def test_what_is_no_whole_number_is_never_guessed(value: object) -> None:
    assert refused(WHOLE, value)


@pytest.mark.parametrize(
    "value",
    ["nan", "inf", "-Infinity", "1e999", "1,00.5", "", ".", "e5", "1.2.3", "1_0.5", "9" * 60, math.nan,
     -math.inf, Decimal("NaN"), Decimal("1e999"), pytest.param(10**400, id="huge"), True, dt.date(2026, 1, 1), None],
)  # fmt: skip
def test_what_is_no_finite_number_is_never_sent_as_one(value: object) -> None:
    assert refused(FRACTION, value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_fractions_keep_every_bit_but_the_sign_of_zero(number: float) -> None:
    assert FRACTION(number) == repr(number + 0.0)
    if "e" not in repr(number):
        assert FRACTION(f" {number!r}\n") == FRACTION(number)


@pytest.mark.parametrize("word", ["true", "T", " Yes ", "y", "1", True, 1])
def test_words_for_true(word: object) -> None:
    assert TRUTH(word) == "true"


@pytest.mark.parametrize("word", ["FALSE", "f", "no\t", "N", "0", False, 0])
def test_words_for_false(word: object) -> None:
    assert TRUTH(word) == "false"


@pytest.mark.parametrize("word", ["", "oui", "on", "2", "-1", 2, -1, 1.0, Decimal(1), None, dt.date(2026, 1, 1)])
def test_what_is_neither_is_never_taken_for_one(word: object) -> None:
    assert refused(TRUTH, word)


def test_one_and_true_are_equal_and_not_the_same() -> None:
    convert = converter(FieldKind.INTEGER)
    for value, wrong in ((1, False), (True, True), (1, False), (1.0, False), (1.5, True)):
        assert refused(convert, value) is wrong


@given(st.dates(), st.times())
def test_days_are_written_in_iso_8601(day: dt.date, time: dt.time) -> None:
    assert DAY(day) == DAY(dt.datetime.combine(day, time)) == DAY(f" {day.isoformat()} ") == f'"{day.isoformat()}"'


@given(st.dates(dt.date(1900, 1, 1)), st.sampled_from(["%d/%m/%Y", "%Y%m%d", "%d.%m.%Y %H:%M", "%B %d, %Y"]))
def test_days_are_read_in_the_first_declared_format_that_fits(day: dt.date, pattern: str) -> None:
    convert = converter(FieldKind.DATE, ("%m-%d-%Y", pattern))
    assert convert(day.strftime(pattern)) == f'"{day.isoformat()}"'
    assert convert(day.strftime("%m-%d-%Y")) == f'"{day.isoformat()}"'


def test_the_order_of_the_formats_decides() -> None:
    assert converter(FieldKind.DATE, ("%d/%m/%Y", "%m/%d/%Y"))("02/03/2026") == '"2026-03-02"'
    assert converter(FieldKind.DATE, ("%m/%d/%Y", "%d/%m/%Y"))("02/03/2026") == '"2026-02-03"'
    assert converter(FieldKind.DATE, ("%d/%m/%Y", "%m/%d/%Y"))("02/13/2026") == '"2026-02-13"'


def test_with_formats_nothing_else_is_a_day() -> None:
    convert = converter(FieldKind.DATE, ("%d/%m/%Y",))
    assert refused(convert, "2026-03-02")
    assert convert(dt.date(2026, 3, 2)) == '"2026-03-02"'


@pytest.mark.parametrize("value", ["", "2026-02-30", "02/03/2026", "yesterday", "2026", 20260302, 1.5, True, None])
def test_what_is_no_day_is_never_guessed(value: object) -> None:
    assert refused(DAY, value)


@pytest.mark.parametrize(
    ("value", "sent"),
    [(7, "7"), (True, "true"), (False, "false"), (1.5, "1.5"), (Decimal("1.50"), "1.50"),
     (dt.date(2026, 3, 2), "2026-03-02"),
     (dt.datetime(2026, 3, 2, 4, 5, 6, tzinfo=dt.UTC), "2026-03-02T04:05:06+00:00")],
)  # fmt: skip
def test_values_of_other_types_become_text(value: object, sent: str) -> None:
    assert json.loads(TEXT(value)) == sent
    assert json.loads(converter(None)(value)) == sent


@pytest.mark.parametrize("value", [math.nan, math.inf, Decimal("NaN"), Decimal("Infinity"), b"1", None, dt.time(1, 2)])
def test_what_has_no_text_is_of_the_wrong_type(value: object) -> None:
    assert refused(TEXT, value)
