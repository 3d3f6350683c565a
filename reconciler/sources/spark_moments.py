"""Decides how days and moments are reckoned on a cluster, and in which forms they are read there from text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from reconciler.sources.spark_calls import texts
from reconciler.sources.spark_casts import either
from reconciler.sources.spark_types import Part, literal
from reconciler.sources.terms import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.sources.spark_clauses import Translates

_PARTS = {
    "YEAR": "YEAR({})",
    "QUARTER": "QUARTER({})",
    "MONTH": "MONTH({})",
    "WEEK": "WEEKOFYEAR({})",
    "DAY": "DAY({})",
    "HOUR": "HOUR(CAST({} AS TIMESTAMP_NTZ))",
    "MINUTE": "MINUTE(CAST({} AS TIMESTAMP_NTZ))",
    "SECOND": "SECOND(CAST({} AS TIMESTAMP_NTZ))",
}
_SINCE = {
    "YEAR": "YEAR({})",
    "QUARTER": "(YEAR({0}) * 4 + QUARTER({0}))",
    "MONTH": "(YEAR({0}) * 12 + MONTH({0}))",
    "DAY": "DATEDIFF({}, DATE'1970-01-01')",
    "WEEK": "CAST(FLOOR((DATEDIFF({}, DATE'1970-01-01') + 3) / 7) AS INT)",
}
_STEPS = {"QUARTER": (3, "MONTH"), "WEEK": (7, "DAY")}
_SHAPES = {"Y": "([0-9]{4})", "m": "([0-9]{2})", "d": "([0-9]{2})", "H": "([0-9]{2})", "M": "([0-9]{2})"}
_MARKED = re.compile(r"%([YmdHMS])|([-/.: T])")


def _moment(writer: Translates, node: exp.Expr, within: exp.Expr) -> Part:
    part = writer.write(node)
    if part.of not in {"DATE", "TIMESTAMP"}:
        raise refused(within, f"on a cluster this takes a date, not {part.of}; write CAST(… AS DATE)")
    return part


def _dated(writer: Translates, node: exp.Expr) -> Part:
    return _part(writer, node, type(node).__name__.upper(), node.this)


def _extract(writer: Translates, node: exp.Expr) -> Part:
    return _part(writer, node, node.this.name.upper(), node.expression)


def _part(writer: Translates, node: exp.Expr, unit: str, of: exp.Expr) -> Part:
    return Part(f"CAST({_PARTS[unit].format(_moment(writer, of, node).sql)} AS BIGINT)", "BIGINT")


def _difference(writer: Translates, node: exp.Expr) -> Part:
    unit = node.args["unit"].name.upper()
    if unit not in _SINCE:
        raise refused(node, f"DATE_DIFF in {unit} has no exact equal on a cluster; write DAY or longer")
    start, end = (_moment(writer, part, node) for part in (node.expression, node.this))
    since = _SINCE[unit]
    return Part(f"CAST(({since.format(end.sql)} - {since.format(start.sql)}) AS BIGINT)", "BIGINT")


def _later(writer: Translates, node: exp.Expr) -> Part:
    part = _moment(writer, node.this, node)
    return Part(f"(CAST({part.sql} AS TIMESTAMP_NTZ) + {writer.write(node.expression).sql})", "TIMESTAMP")


def _interval(_: Translates, node: exp.Expr) -> Part:
    times, unit = _STEPS.get(node.args["unit"].name.upper(), (1, node.args["unit"].name.upper()))
    return Part(f"INTERVAL '{int(node.this.name) * times}' {unit}", "INTERVAL", bare=True)


def _today(_: Translates, __: exp.Expr) -> Part:
    return Part("CURRENT_DATE()", "DATE", bare=True)


def _strptime(writer: Translates, node: exp.Expr) -> Part:
    (text,) = texts(writer, node, "this")
    form, order = _shape(node, node.args["format"].name)
    found = f"REGEXP_REPLACE(REGEXP_EXTRACT({text}, {form}, 0), {form}, {order})"
    return Part(f"CAST({found} AS TIMESTAMP_NTZ)", "TIMESTAMP")


def _named(writer: Translates, node: exp.Expr) -> Part:
    """Write the functions that the parser has no class for."""
    called, arguments = str(node.this).upper(), node.expressions
    if called == "DATE_PART":
        return _part(writer, node, arguments[0].name.upper(), arguments[1])
    part = writer.write(arguments[0])
    if part.of not in {"VARCHAR", "NULL"}:
        raise refused(node, "TRY_STRPTIME takes text on a cluster")
    form, order = _shape(node, arguments[1].name)
    found = f"TRY_CAST(REGEXP_REPLACE({part.sql}, {form}, {order}) AS TIMESTAMP_NTZ)"
    return Part(either(part.sql, form, found, literal("[0-9]")), "TIMESTAMP")


def _shape(node: exp.Expr, wanted: str) -> tuple[str, str]:
    """Give a pattern of what a format reads, and the groups of it in the order of ISO 8601."""
    seen: list[str] = []
    form, at = "^", 0
    while at < len(wanted) and (found := _MARKED.match(wanted, at)) is not None:
        at = found.end()
        if found[1]:
            seen.append(found[1])
            form += _SHAPES.get(found[1], "([0-9]{2})")
        else:
            form += f"[{found[2]}]"
    times: Sequence[str] = "HMS"[: len(seen) - 3]
    if at < len(wanted) or sorted(seen) != sorted([*"Ymd", *times]) or len(seen) in {4, 5}:
        raise refused(node, "on a cluster a format has %Y, %m and %d, then perhaps %H, %M and %S, and - / . : between")
    day = "-".join(f"${seen.index(mark) + 1}" for mark in "Ymd")
    time = ":".join(f"${seen.index(mark) + 1}" for mark in times)
    return literal(f"{form}\\z"), literal(f"{day} {time}".strip())


MOMENTS: dict[type[exp.Expr], Callable[[Translates, exp.Expr], Part]] = {
    **dict.fromkeys((exp.Year, exp.Quarter, exp.Month, exp.Day), _dated),
    exp.StrToTime: _strptime,
    exp.Extract: _extract,
    exp.DateDiff: _difference,
    exp.DateAdd: _later,
    exp.Interval: _interval,
    exp.CurrentDate: _today,
    exp.Anonymous: _named,
}
"""The functions of days and moments that are written for a cluster."""
