"""Decides how functions of texts and numbers are written for a cluster, and which form has no exact equal there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from reconciler.sources.spark_letters import lowered, raised
from reconciler.sources.spark_patterns import like, regular
from reconciler.sources.spark_types import DIGITS, Part, literal, outer
from reconciler.sources.terms import refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.sources.spark_clauses import Translates

_BLANKS = "".join(map(chr, [0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]))
_TRIMS = {"": "BOTH", "BOTH": "BOTH", "LEADING": "LEADING", "TRAILING": "TRAILING"}
_TESTS: dict[type[exp.Expr], str] = {
    exp.StartsWith: "STARTSWITH",
    exp.EndsWith: "ENDSWITH",
    exp.Contains: "CONTAINS",
}
_FURTHEST = 15  # places of ROUND: powers of ten up to this, and what they divide, are exact
_LIMIT = 1_000_000_000  # of positions in a text


def texts(writer: Translates, node: exp.Expr, *keys: str) -> list[str]:
    """Write arguments that are texts, and refuse others."""
    parts = [writer.write(node.args[key]) for key in keys if node.args.get(key) is not None]
    if not {part.of for part in parts} <= {"VARCHAR", "NULL"}:
        raise refused(node, "this function takes text on a cluster; write CAST(… AS VARCHAR)")
    return [part.sql for part in parts]


def _whole(node: exp.Expr | None, within: exp.Expr, least: int = 0) -> int:
    """Give a figure that must be written out: from others the engines do not count alike."""
    digits = str(node.name) if isinstance(node, exp.Literal) and not node.args["is_string"] else ""
    if not digits.isdecimal() or not least <= int(digits) <= _LIMIT:
        raise refused(within, f"on a cluster a position or length is a figure written out, from {least}")
    return int(digits)


def _lower(writer: Translates, node: exp.Expr) -> Part:
    return Part(lowered(texts(writer, node, "this")[0]), "VARCHAR")


def _upper(writer: Translates, node: exp.Expr) -> Part:
    return Part(raised(texts(writer, node, "this")[0]), "VARCHAR")


def _length(writer: Translates, node: exp.Expr) -> Part:
    return Part(f"CAST(LENGTH({texts(writer, node, 'this')[0]}) AS BIGINT)", "BIGINT")


def _substring(writer: Translates, node: exp.Expr) -> Part:
    parts = [*texts(writer, node, "this"), str(_whole(node.args.get("start"), node, 1))]
    if node.args.get("length") is not None:
        parts.append(str(_whole(node.args["length"], node)))
    return Part(f"SUBSTRING({', '.join(parts)})", "VARCHAR")


def _end(writer: Translates, node: exp.Expr) -> Part:
    called = "LEFT" if isinstance(node, exp.Left) else "RIGHT"
    return Part(f"{called}({texts(writer, node, 'this')[0]}, {_whole(node.expression, node)})", "VARCHAR")


def _tested(writer: Translates, node: exp.Expr) -> Part:
    return Part(f"{_TESTS[type(node)]}({', '.join(texts(writer, node, 'this', 'expression'))})", "BOOLEAN")


def _trim(writer: Translates, node: exp.Expr) -> Part:
    where = _TRIMS[str(node.args.get("position") or "")]
    text, *what = texts(writer, node, "this", "expression")
    return Part(f"TRIM({where} {what[0] if what else literal(_BLANKS)} FROM {text})", "VARCHAR")


def _replace(writer: Translates, node: exp.Expr) -> Part:
    return Part(f"REPLACE({', '.join(texts(writer, node, 'this', 'expression', 'replacement'))})", "VARCHAR")


def _figure(writer: Translates, node: exp.Expr) -> Part:
    part = writer.write(node.this)
    if part.of not in DIGITS and part.of != "DOUBLE" and not part.of.startswith("DECIMAL"):
        raise refused(node, f"this function has no exact equal for {part.of} on a cluster; write CAST(… AS DOUBLE)")
    return part


def _absolute(writer: Translates, node: exp.Expr) -> Part:
    part = _figure(writer, node)
    return Part(f"ABS({part.sql})", part.of)


def _round(writer: Translates, node: exp.Expr) -> Part:
    part, of = _figure(writer, node), writer.type(node)
    places = 0 if node.args.get("decimals") is None else _whole(node.args["decimals"], node)
    if part.of in DIGITS and of == part.of:
        return part
    if part.of == of == "DOUBLE" and places <= _FURTHEST:
        power = f"CAST('1e{places}' AS DOUBLE)"
        return Part(f"(ROUND({part.sql} * {power}, 0) / {power})" if places else f"ROUND({part.sql}, 0)", of)
    if part.of.startswith("DECIMAL") and of.startswith("DECIMAL"):
        return Part(f"CAST(ROUND({part.sql}, {places}) AS {of})", of)
    raise refused(node, f"ROUND of {part.of} has no exact equal on a cluster in this form")


def _step(writer: Translates, node: exp.Expr) -> Part:
    part, of = _figure(writer, node), writer.type(node)
    called = "FLOOR" if isinstance(node, exp.Floor) else "CEIL"
    if part.of in DIGITS:
        return Part(f"CAST({part.sql} AS {outer(of)})", of)
    if part.of != "DOUBLE":
        return Part(f"CAST({called}({part.sql}) AS {of})", of)
    whole = f"ABS({part.sql}) < CAST('1e15' AS DOUBLE)"  # beyond it, every double is whole
    return Part(f"(CASE WHEN {whole} THEN CAST({called}({part.sql}) AS DOUBLE) ELSE {part.sql} END)", of)


def _like(writer: Translates, node: exp.Expr, escape: str = "") -> Part:
    (tested,), pattern = texts(writer, node, "this"), str(node.expression.name)
    folded = isinstance(node, exp.ILike)
    if folded and not pattern.isascii():
        raise refused(node, "on a cluster the pattern of ILIKE is plain ASCII; write LOWER(…) LIKE")
    sql = like(lowered(tested) if folded else tested, pattern.lower() if folded else pattern, escape)
    return Part(f"(NOT {sql})" if node.args.get("negate") else sql, "BOOLEAN")


def _escape(writer: Translates, node: exp.Expr) -> Part:
    if isinstance(node.this, exp.ILike):
        raise refused(node, "ILIKE … ESCAPE has no exact equal on a cluster; write LOWER(…) LIKE … ESCAPE")
    return _like(writer, node.this, str(node.expression.name))


def _regexp(writer: Translates, node: exp.Expr) -> Part:
    if node.args.get("flag") is not None and node.args["flag"].name.strip("c"):
        raise refused(node, "REGEXP_MATCHES has no options on a cluster; write LOWER(…) for 'i'")
    (tested,) = texts(writer, node, "this")
    return Part(f"({tested} RLIKE {literal(regular(node, node.expression.name))})", "BOOLEAN")


CALLS: dict[type[exp.Expr], Callable[[Translates, exp.Expr], Part]] = {
    **dict.fromkeys(_TESTS, _tested),
    exp.Lower: _lower,
    exp.Upper: _upper,
    exp.Length: _length,
    exp.Substring: _substring,
    exp.Left: _end,
    exp.Right: _end,
    exp.Trim: _trim,
    exp.Replace: _replace,
    exp.Abs: _absolute,
    exp.Round: _round,
    exp.Floor: _step,
    exp.Ceil: _step,
    exp.Like: _like,
    exp.ILike: _like,
    exp.Escape: _escape,
    exp.RegexpLike: _regexp,
}
"""The functions that are written for a cluster, besides those of `spark_moments`."""
