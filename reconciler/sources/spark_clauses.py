"""Decides how each operator of a predicate is written for a cluster, so that it means what it means on one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sqlglot import exp

from reconciler.sources.spark_casts import alike, cast, double
from reconciler.sources.spark_types import DIGITS, Part, literal, outer, size
from reconciler.sources.terms import refused

if TYPE_CHECKING:
    from collections.abc import Callable


class Translates(Protocol):
    """Writes the parts of a node for the cluster; every method raises PredicateRefused."""

    def write(self, node: exp.Expr) -> Part:
        """Write a node and all below it."""
        ...

    def type(self, node: exp.Expr) -> str:
        """Give a node's type in the embedded engine."""
        ...

    def column(self, node: exp.Expr) -> Part:
        """Write a column of the profile."""
        ...


_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "({} = {})",
    exp.NEQ: "({} <> {})",
    exp.LT: "({} < {})",
    exp.LTE: "({} <= {})",
    exp.GT: "({} > {})",
    exp.GTE: "({} >= {})",
    exp.NullSafeEQ: "({} <=> {})",
    exp.NullSafeNEQ: "(NOT ({} <=> {}))",
}
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_WIDEST = 38


def _truth(sql: str) -> Part:
    return Part(sql, "BOOLEAN")


def _literal(writer: Translates, node: exp.Expr) -> Part:
    if node.args["is_string"]:
        return Part(literal(node.name), "VARCHAR", text=node.name, bare=True)
    of = writer.type(node)
    if of in DIGITS:
        return Part(node.name, of, bare=True)
    if of != "DOUBLE" and not of.startswith("DECIMAL"):
        raise refused(node, "the number is too large for a cluster")
    return Part(f"CAST('{node.name}' AS {of})", of, bare=True)


def _boolean(_: Translates, node: exp.Expr) -> Part:
    return _truth("TRUE" if node.this else "FALSE")


def _null(_: Translates, __: exp.Expr) -> Part:
    return Part("NULL", "NULL", bare=True)


def _paren(writer: Translates, node: exp.Expr) -> Part:
    return writer.write(node.this)


def _connector(writer: Translates, node: exp.Expr) -> Part:
    """Write a chain of ANDs, or of ORs, without recursion along it."""
    operands: list[exp.Expr] = []
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if type(part) is type(node):
            waiting += [part.expression, part.this]
        else:
            operands.append(part)
    word = " AND " if isinstance(node, exp.And) else " OR "
    return _truth(f"({word.join(condition(writer, operand) for operand in operands)})")


def condition(writer: Translates, node: exp.Expr) -> str:
    """Write what must be a condition for the cluster too."""
    part = writer.write(node)
    if part.of not in {"BOOLEAN", "NULL"}:
        raise refused(node, f"here stands {part.of}, not a condition; compare it")
    return part.sql


def _not(writer: Translates, node: exp.Expr) -> Part:
    return _truth(f"(NOT {condition(writer, node.this)})")


def _comparison(writer: Translates, node: exp.Expr) -> Part:
    left, right = alike(node, [writer.write(node.this), writer.write(node.expression)])
    return _truth(_COMPARISONS[type(node)].format(left.sql, right.sql))


def _arithmetic(writer: Translates, node: exp.Expr) -> Part:
    left, right, of = writer.write(node.this), writer.write(node.expression), writer.type(node)
    sign = _ARITHMETIC[type(node)]
    if left.of in {"DATE", "TIMESTAMP"}:
        return _moved(node, left, right, of)
    if of == "DOUBLE":
        return Part(f"({double(node, left)} {sign} {double(node, right)})", of)
    first, second = size(left.of), size(right.of)
    if of in DIGITS and first is not None and second is not None:
        return Part(f"CAST((CAST({left.sql} AS BIGINT) {sign} CAST({right.sql} AS BIGINT)) AS {outer(of)})", of)
    if first is None or second is None or not of.startswith("DECIMAL"):
        raise refused(node, f"{left.of} {sign} {right.of} has no exact equal on a cluster; write CAST(… AS DOUBLE)")
    digits = first[0] + second[0] if sign == "*" else max(first[0] - first[1], second[0] - second[1])
    if digits + 1 + (0 if sign == "*" else max(first[1], second[1])) > _WIDEST:
        raise refused(node, "the figure would have more than 38 digits on a cluster; write CAST(… AS DOUBLE)")
    return Part(f"CAST(({left.sql} {sign} {right.sql}) AS {of})", of)


def _moved(node: exp.Expr, left: Part, right: Part, of: str) -> Part:
    """Write a day, or a moment, some time later or earlier."""
    sign = _ARITHMETIC[type(node)]
    if right.of == "INTERVAL" and sign in "+-":
        return Part(f"(CAST({left.sql} AS TIMESTAMP_NTZ) {sign} {right.sql})", "TIMESTAMP")
    if left.of == right.of == "DATE" and sign == "-":
        return Part(f"CAST(DATEDIFF({left.sql}, {right.sql}) AS BIGINT)", of)
    if left.of == of == "DATE" and right.of in {"TINYINT", "SMALLINT", "INTEGER"}:
        return Part(f"{'DATE_ADD' if sign == '+' else 'DATE_SUB'}({left.sql}, {right.sql})", of)
    raise refused(node, f"{left.of} {sign} {right.of} has no exact equal on a cluster; write DATE_DIFF or an INTERVAL")


def _division(writer: Translates, node: exp.Expr) -> Part:
    """Write a division of doubles; by nothing it gives infinity, where the cluster would give up."""
    above, below = writer.write(node.this), writer.write(node.expression)
    if writer.type(node) != "DOUBLE":
        raise refused(node, f"{above.of} / {below.of} has no exact equal on a cluster; write CAST(… AS DOUBLE)")
    top, bottom = double(node, above), double(node, below)
    nothing = f"CASE WHEN CAST({bottom} AS STRING) = '-0.0' THEN -1 ELSE 1 END * CAST('Infinity' AS DOUBLE)"
    return Part(f"(CASE WHEN {bottom} = 0 THEN {top} * ({nothing}) ELSE {top} / {bottom} END)", "DOUBLE")


def _remainder(writer: Translates, node: exp.Expr) -> Part:
    left, right, of = writer.write(node.this), writer.write(node.expression), writer.type(node)
    if not {left.of, right.of, of} <= set(DIGITS):
        raise refused(node, "% is taken of whole numbers on a cluster; write CAST(… AS BIGINT)")
    return Part(f"CAST((CAST({left.sql} AS BIGINT) % NULLIF(CAST({right.sql} AS BIGINT), 0)) AS {outer(of)})", of)


def _negative(writer: Translates, node: exp.Expr) -> Part:
    inner, of = writer.write(node.this), writer.type(node)
    if size(inner.of) is None and inner.of != "DOUBLE":
        raise refused(node, f"- before {inner.of} has no exact equal on a cluster; write CAST(… AS DOUBLE)")
    return Part(f"CAST((- {inner.sql}) AS {outer(of)})", of, bare=inner.bare)


def _joined(writer: Translates, node: exp.Expr) -> Part:
    left, right = writer.write(node.this), writer.write(node.expression)
    if not {left.of, right.of} <= {"VARCHAR", "NULL"}:
        raise refused(node, "|| joins texts on a cluster; write CAST(… AS VARCHAR)")
    return Part(f"({left.sql} || {right.sql})", "VARCHAR")


def _is(writer: Translates, node: exp.Expr) -> Part:
    if isinstance(node.expression, exp.Boolean):
        return _truth(f"({condition(writer, node.this)} IS {'TRUE' if node.expression.this else 'FALSE'})")
    return _truth(f"({writer.write(node.this).sql} IS NULL)")


def _in(writer: Translates, node: exp.Expr) -> Part:
    tested, *listed = alike(node, [writer.write(part) for part in (node.this, *node.expressions)])
    if tested.of == "DOUBLE":  # the cluster keeps a long list as a set, in which 0.0 and -0.0 differ
        return _truth(f"({' OR '.join(f'({tested.sql} = {each.sql})' for each in listed)})")
    return _truth(f"({tested.sql} IN ({', '.join(each.sql for each in listed)}))")


def _between(writer: Translates, node: exp.Expr) -> Part:
    tested, low, high = alike(node, [writer.write(node.args[key]) for key in ("this", "low", "high")])
    return _truth(f"({tested.sql} BETWEEN {low.sql} AND {high.sql})")


def _case(writer: Translates, node: exp.Expr) -> Part:
    branches, of = node.args["ifs"], writer.type(node)
    if node.this is None:
        head, tests = "", [condition(writer, branch.this) for branch in branches]
    else:
        compared = alike(node, [writer.write(part) for part in (node.this, *(branch.this for branch in branches))])
        head, *tests = (part.sql for part in compared)
    results = [cast(node, writer.write(branch.args["true"]), of).sql for branch in branches]
    default = node.args.get("default")
    last = "NULL" if default is None else cast(node, writer.write(default), of).sql
    arms = " ".join(f"WHEN {test} THEN {result}" for test, result in zip(tests, results, strict=True))
    return Part(f"(CASE {head} {arms} ELSE {last} END)", of)


def _coalesce(writer: Translates, node: exp.Expr) -> Part:
    of = writer.type(node)
    parts = [cast(node, writer.write(part), of).sql for part in (node.this, *node.expressions)]
    return Part(f"COALESCE({', '.join(parts)})", of)


def _nullif(writer: Translates, node: exp.Expr) -> Part:
    value, other = writer.write(node.this), writer.write(node.expression)
    left, right = alike(node, [value, other])
    return Part(f"(CASE WHEN ({left.sql} = {right.sql}) THEN NULL ELSE {value.sql} END)", value.of)


def _cast(writer: Translates, node: exp.Expr) -> Part:
    return cast(node, writer.write(node.this), writer.type(node), tried=isinstance(node, exp.TryCast))


def _column(writer: Translates, node: exp.Expr) -> Part:
    return writer.column(node)


CLAUSES: dict[type[exp.Expr], Callable[[Translates, exp.Expr], Part]] = {
    **dict.fromkeys(_COMPARISONS, _comparison),
    **dict.fromkeys(_ARITHMETIC, _arithmetic),
    exp.Div: _division,
    exp.Mod: _remainder,
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: _boolean,
    exp.Null: _null,
    exp.Paren: _paren,
    exp.And: _connector,
    exp.Or: _connector,
    exp.Not: _not,
    exp.Neg: _negative,
    exp.DPipe: _joined,
    exp.Is: _is,
    exp.In: _in,
    exp.Between: _between,
    exp.Case: _case,
    exp.Coalesce: _coalesce,
    exp.Nullif: _nullif,
    exp.Cast: _cast,
    exp.TryCast: _cast,
}
"""What is written for a cluster besides the functions of `spark_calls`."""
