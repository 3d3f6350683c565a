"""Decides which functions may stand in a predicate: none that reads, that is random, that can blow a value up or hang.

Patterns are constants, so that their cost is known before a row is read: the engine cannot be interrupted in the
middle of a row, and its own LIKE takes exponential time for `_` and for ILIKE.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from reconciler.sources import kinds
from reconciler.sources.kinds import Kind
from reconciler.sources.terms import Term, exactly, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.sources.terms import Writes

_PLAIN: dict[type[exp.Expr], tuple[str, tuple[str, ...], Kind]] = {
    exp.Lower: ("LOWER", ("this",), Kind.TEXT),
    exp.Upper: ("UPPER", ("this",), Kind.TEXT),
    exp.Length: ("LENGTH", ("this",), Kind.NUMBER),
    exp.Substring: ("SUBSTRING", ("this", "start", "length"), Kind.TEXT),
    exp.Left: ("LEFT", ("this", "expression"), Kind.TEXT),
    exp.Right: ("RIGHT", ("this", "expression"), Kind.TEXT),
    exp.StartsWith: ("STARTS_WITH", ("this", "expression"), Kind.TRUTH),
    exp.EndsWith: ("ENDS_WITH", ("this", "expression"), Kind.TRUTH),
    exp.Contains: ("CONTAINS", ("this", "expression"), Kind.TRUTH),
    exp.Abs: ("ABS", ("this",), Kind.NUMBER),
    exp.Round: ("ROUND", ("this", "decimals"), Kind.NUMBER),
    exp.Floor: ("FLOOR", ("this",), Kind.NUMBER),
    exp.Ceil: ("CEIL", ("this",), Kind.NUMBER),
    exp.Year: ("YEAR", ("this",), Kind.NUMBER),
    exp.Quarter: ("QUARTER", ("this",), Kind.NUMBER),
    exp.Month: ("MONTH", ("this",), Kind.NUMBER),
    exp.Day: ("DAY", ("this",), Kind.NUMBER),
}
_UNITS = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"}
_TRIMS = {"": "TRIM", "BOTH": "TRIM", "LEADING": "LTRIM", "TRAILING": "RTRIM"}
TODAY = "CURRENT_DATE"
"""The one function whose value is not in the data: the day, in UTC."""
_COUNT = re.compile(r"\d{1,6}")
_PATTERN = 1_000  # characters of a regular expression: the engine's matcher takes time in proportion
_OPTIONS = re.compile("[cilmnps]{1,7}")  # of REGEXP_MATCHES


def _plain(writer: Writes, node: exp.Expr) -> Term:
    called, order, gives = _PLAIN[type(node)]
    exactly(node, *order)
    parts = [writer.write(node.args[key]).sql for key in order if node.args.get(key) is not None]
    return Term(f"{called}({', '.join(parts)})", gives)


def _text(node: exp.Expr | None, what: str, within: exp.Expr) -> str:
    """Give the text of a literal; refuse anything else."""
    if not isinstance(node, exp.Literal) or not node.args["is_string"]:
        raise refused(within, f"{what} is a text written out in single quotes")
    return str(node.name)


def _trim(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expression", "position")
    parts = [writer.write(node.args[key]).sql for key in ("this", "expression") if node.args.get(key) is not None]
    return Term(f"{_TRIMS[str(node.args.get('position') or '')]}({', '.join(parts)})", Kind.TEXT)


def _replace(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expression", "replacement")
    old = _text(node.expression, "what REPLACE looks for", node)
    new = _text(node.args.get("replacement"), "what REPLACE puts in", node)
    if not old or len(new) > len(old):
        raise refused(node, "REPLACE may not make a text longer: it puts in at most as much as it takes out")
    inner = writer.write(node.this).sql
    return Term(f"REPLACE({inner}, {kinds.literal(old)}, {kinds.literal(new)})", Kind.TEXT)


def _like(writer: Writes, node: exp.Expr, escape: str = "") -> Term:
    exactly(node, "this", "expression", "negate")
    pattern = _text(node.expression, "the pattern of LIKE", node)
    folded = isinstance(node, exp.ILike)
    tested = writer.operand(node.this).sql
    if folded:
        tested = f"LOWER({tested})"
    if escape or "_" in pattern:
        sql = f"REGEXP_FULL_MATCH({tested}, {kinds.literal(_regular(node, pattern, escape, folded=folded))})"
    else:
        wanted = kinds.literal(pattern)
        sql = f"{tested} LIKE LOWER({wanted})" if folded else f"{tested} LIKE {wanted}"
    return Term(f"(NOT ({sql}))" if node.args.get("negate") else f"({sql})", Kind.TRUTH)


def _regular(node: exp.Expr, pattern: str, escape: str, *, folded: bool) -> str:
    """Give the regular expression of a LIKE pattern: the engine matches it in time linear in the text."""
    if len(pattern) > _PATTERN:
        raise refused(node, f"a pattern has at most {_PATTERN:,} characters")
    parts, characters = ["(?s)"], iter(pattern)
    for character in characters:
        if character == escape:
            literal = next(characters, None)
            if literal is None:
                raise refused(node, "the pattern of LIKE ends with its escape character")
            parts.append(_quoted(literal, folded=folded))
        else:
            parts.append({"%": ".*", "_": "."}.get(character) or _quoted(character, folded=folded))
    return "".join(parts)


def _quoted(character: str, *, folded: bool) -> str:
    if folded and len(character.lower()) == 1:
        character = character.lower()
    return character if character.isalnum() or not character.isascii() else f"\\x{{{ord(character):x}}}"


def _escape(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expression")
    mark = _text(node.expression, "ESCAPE", node)
    if not isinstance(node.this, (exp.Like, exp.ILike)) or len(mark) != 1:
        raise refused(node, "ESCAPE follows LIKE or ILIKE and names one character")
    return _like(writer, node.this, mark)


def _regexp(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expression", "flag")
    pattern = _text(node.expression, "the pattern of REGEXP_MATCHES", node)
    if len(pattern) > _PATTERN:
        raise refused(node, f"a pattern has at most {_PATTERN:,} characters")
    parts = [writer.operand(node.this).sql, kinds.literal(pattern)]
    if node.args.get("flag") is not None:
        options = _text(node.args["flag"], "an option of REGEXP_MATCHES", node)
        if _OPTIONS.fullmatch(options) is None:
            raise refused(node, "the options of REGEXP_MATCHES are among c, i, l, m, n, p, s")
        parts.append(kinds.literal(options))
    return Term(f"REGEXP_MATCHES({', '.join(parts)})", Kind.TRUTH)


def _strptime(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "format")
    shape = _text(node.args.get("format"), "the format of STRPTIME", node)
    return Term(f"STRPTIME({writer.write(node.this).sql}, {kinds.literal(shape)})", Kind.OTHER)


def _unit(node: exp.Expr | None, within: exp.Expr) -> str:
    unit = node.name.upper() if isinstance(node, (exp.Var, exp.Literal)) else ""
    if unit not in _UNITS:
        raise refused(within, f"the part of a date is one of {', '.join(sorted(_UNITS))}")
    return unit


def _extract(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expression")
    return Term(f"EXTRACT({_unit(node.this, node)} FROM {writer.write(node.expression).sql})", Kind.NUMBER)


def _difference(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expression", "unit")
    unit = _unit(node.args.get("unit"), node)
    start, end = writer.write(node.expression).sql, writer.write(node.this).sql
    return Term(f"DATE_DIFF('{unit}', {start}, {end})", Kind.NUMBER)


def _later(writer: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "expression")
    if not isinstance(node.expression, exp.Interval):
        raise refused(node, "DATE_ADD takes an interval written out, as in DATE_ADD(BirthDate, INTERVAL 18 YEAR)")
    return Term(f"({writer.write(node.this).sql} + {writer.write(node.expression).sql})", Kind.OTHER)


def _interval(_: Writes, node: exp.Expr) -> Term:
    exactly(node, "this", "unit")
    count = node.this.name if isinstance(node.this, exp.Literal) else ""
    if _COUNT.fullmatch(count) is None:
        raise refused(node, "an interval is a whole number and a unit, as in INTERVAL 18 YEAR")
    return Term(f"INTERVAL '{count}' {_unit(node.args.get('unit'), node)}", Kind.OTHER)


def _today(_: Writes, node: exp.Expr) -> Term:
    exactly(node)
    return Term(TODAY, Kind.OTHER)


def _named(writer: Writes, node: exp.Expr) -> Term:
    """Write the functions that the parser has no class for."""
    match str(node.this).upper(), node.expressions:
        case "TRY_STRPTIME", [moment, shape]:
            wanted = kinds.literal(_text(shape, "the format of TRY_STRPTIME", node))
            return Term(f"TRY_STRPTIME({writer.write(moment).sql}, {wanted})", Kind.OTHER)
        case "DATE_PART", [part, moment]:
            return Term(f"EXTRACT({_unit(part, node)} FROM {writer.write(moment).sql})", Kind.NUMBER)
        case _:
            raise refused(node, f"the function {str(node.this)[:40]!r} is not allowed in a predicate")


CALLS: dict[type[exp.Expr], Callable[[Writes, exp.Expr], Term]] = {
    **dict.fromkeys(_PLAIN, _plain),
    exp.Trim: _trim,
    exp.Replace: _replace,
    exp.Like: _like,
    exp.ILike: _like,
    exp.Escape: _escape,
    exp.RegexpLike: _regexp,
    exp.StrToTime: _strptime,
    exp.Extract: _extract,
    exp.DateDiff: _difference,
    exp.DateAdd: _later,
    exp.Interval: _interval,
    exp.CurrentDate: _today,
    exp.Anonymous: _named,
}
"""The functions that may stand in a predicate."""
