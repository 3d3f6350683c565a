"""Decides which operators may stand in a predicate, and writes each inside brackets: precedence is the tree's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from reconciler.sources import kinds
from reconciler.sources.kinds import Kind
from reconciler.sources.terms import Term, alike, common, exactly, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.sources.terms import Writes

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_NUMERAL = re.compile(r"\d{1,38}(\.\d{0,38})?([eE][+-]?\d{1,3})?|\.\d{1,38}")
_CASTS = {"INT": "INTEGER", "INT128": "HUGEINT", "TEXT": "VARCHAR", "TIMESTAMPNTZ": "TIMESTAMP"}  # the parser's names

CONDITIONS = (*_COMPARISONS, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike, exp.Escape)
"""Nodes whose order among each other differs between dialects; as operands they need brackets."""


def _literal(_: Writes, node: exp.Expr) -> Term:
    if node.args["is_string"]:
        return Term(kinds.literal(node.name), Kind.TEXT)
    if _NUMERAL.fullmatch(node.name) is None:
        raise refused(node, "a number is written as 12, 1.5 or 1e6")
    return Term(node.name, Kind.NUMBER)


def _boolean(_: Writes, node: exp.Expr) -> Term:
    return Term("TRUE" if node.this else "FALSE", Kind.TRUTH)


def _null(_: Writes, __: exp.Expr) -> Term:
    return Term("NULL", Kind.NULL)


def _paren(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this")
    return writer.write(node.this)


def _connector(writer: Writes, node: exp.Expr) -> Term:
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
    return Term(f"({word.join(writer.truth(operand).sql for operand in operands)})", Kind.TRUTH)


def _not(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this")
    return Term(f"(NOT {writer.truth(node.this).sql})", Kind.TRUTH)


def _comparison(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expression")
    left, right = alike([writer.operand(node.this), writer.operand(node.expression)])
    return Term(f"({left} {_COMPARISONS[type(node)]} {right})", Kind.TRUTH)


def _arithmetic(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expression")
    left, right = _figure(writer, node.this), _figure(writer, node.expression)
    dates = Kind.OTHER in {left.kind, right.kind}
    return Term(f"({left.sql} {_ARITHMETIC[type(node)]} {right.sql})", Kind.OTHER if dates else Kind.NUMBER)


def _negative(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this")
    return Term(f"(- {_figure(writer, node.this).sql})", Kind.NUMBER)


def _figure(writer: Writes, node: exp.Expr) -> Term:
    term = writer.operand(node)
    if term.kind in {Kind.TEXT, Kind.TRUTH}:
        raise refused(node, f"here stands {term.kind.value}, not a number; write CAST(… AS DOUBLE)")
    return term


def _joined(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expression")
    return Term(f"({writer.operand(node.this).sql} || {writer.operand(node.expression).sql})", Kind.TEXT)


def _is(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expression")
    inner = writer.operand(node.this)
    if isinstance(node.expression, exp.Boolean):
        word = "TRUE" if node.expression.this else "FALSE"
        if inner.kind in {Kind.TEXT, Kind.NUMBER}:
            raise refused(node, f"before IS {word} stands {inner.kind.value}, not a condition; compare it with =")
        return Term(f"({inner.sql} IS {word})", Kind.TRUTH)
    if not isinstance(node.expression, exp.Null):
        raise refused(node, "IS is followed by NULL, TRUE or FALSE")
    return Term(f"({inner.sql} IS NULL)", Kind.TRUTH)


def _in(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expressions")
    values = node.expressions
    if not values or not all(_constant(value) for value in values):
        raise refused(node, "IN is followed by values in brackets, as in Gender IN ('F', 'M')")
    tested, *listed = alike([writer.operand(node.this), *(writer.write(value) for value in values)])
    return Term(f"({tested} IN ({', '.join(listed)}))", Kind.TRUTH)


def _constant(node: exp.Expr) -> bool:
    """Tell whether a node is a value written out: a text, a number with its sign, TRUE, NULL or DATE '…'."""
    if isinstance(node, (exp.Neg, exp.Cast)):
        return isinstance(node.this, exp.Literal)
    return isinstance(node, (exp.Literal, exp.Boolean, exp.Null))


def _between(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "low", "high")
    tested, low, high = alike([writer.operand(node.args[key]) for key in ("this", "low", "high")])
    return Term(f"({tested} BETWEEN {low} AND {high})", Kind.TRUTH)


def _case(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "ifs", "default")
    branches = node.args["ifs"]
    for branch in branches:
        exactly(branch, "this", "true")
    if node.this is None:
        head, tests = "", [writer.truth(branch.this).sql for branch in branches]
    else:
        head, *tests = alike([writer.operand(part) for part in (node.this, *(branch.this for branch in branches))])
    results = [writer.write(branch.args["true"]) for branch in branches]
    default = node.args.get("default")
    last = Term("NULL", Kind.NULL) if default is None else writer.write(default)
    arms = " ".join(f"WHEN {test} THEN {result.sql}" for test, result in zip(tests, results, strict=True))
    return Term(f"(CASE {head} {arms} ELSE {last.sql} END)", common([*results, last]))


def _coalesce(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expressions")
    terms = [writer.write(part) for part in (node.this, *node.expressions)]
    return Term(f"COALESCE({', '.join(term.sql for term in terms)})", common(terms))


def _nullif(writer: Writes, node: exp.Expr) -> Term:
    """NULLIF compares as `=` does, so it is written as the CASE that it stands for."""
    exactly(node, "this", "expression")
    value, other = writer.operand(node.this), writer.operand(node.expression)
    left, right = alike([value, other])
    return Term(f"(CASE WHEN ({left} = {right}) THEN NULL ELSE {value.sql} END)", value.kind)


def _cast(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "to")
    form = node.args["to"]
    called = _CASTS.get(form.this.value, form.this.value) if isinstance(form.this, exp.DType) else ""
    sizes = ",".join(size.name for size in form.expressions)
    plain = not any(form.args.get(part) for part in ("nested", "values", "kind", "nullable"))
    to = kinds.scalar(f"{called}({sizes})" if form.expressions else called) if plain else None
    if to is None:
        raise refused(node, f"a cast is to one of {', '.join(sorted(kinds.SCALARS))} or DECIMAL(18,2)")
    word = "TRY_CAST" if isinstance(node, exp.TryCast) else "CAST"
    return Term(f"{word}({writer.write(node.this).sql} AS {to})", kinds.kind(to))


def _column(writer: Writes, node: exp.Expr) -> Term:
    return writer.column(node)


CLAUSES: dict[type[exp.Expr], Callable[[Writes, exp.Expr], Term]] = {
    **dict.fromkeys(_COMPARISONS, _comparison),
    **dict.fromkeys(_ARITHMETIC, _arithmetic),
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
"""What may stand in a predicate besides the functions of `calls`."""
