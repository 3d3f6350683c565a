"""Decides which casts mean the same on a cluster, and writes them; text is taken in the forms that both read alike.

The embedded engine also reads 1_000, 0x1F and 2026-1-5, and rounds where the cluster cuts off. A text in such a form
fails the scan: it must not be a member here and none there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.sources.spark_types import Part, literal, outer, size
from reconciler.sources.terms import EXACT, refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot import exp

_MOST = 15  # digits of a decimal that every way of making a double of it takes to the same double
_DAY = r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,6})?"
_FORMS = {
    "whole": r"^ *[+-]?[0-9]{1,18} *\z",
    "decimal": r"^ *[+-]?[0-9]{1,18}(?:[.][0-9]{1,18})? *\z",
    "DOUBLE": r"^ *[+-]?[0-9]{1,18}(?:[.][0-9]{1,18})?(?:[eE][+-]?[0-9]{1,2})? *\z",
    "BOOLEAN": r"^(?i:true|false|t|f|1|0)\z",
    "DATE": rf"^{_DAY}\z",
    "TIMESTAMP": rf"^{_DAY}(?:[ T]{_TIME})?\z",
}
"""What text of each type both read, and read alike."""
_DOUBTFUL = {
    "BOOLEAN": r"^(?i)\s*(?:true|false|t|f|1|0|yes|no|y|n|on|off)\s*\z",
    "DATE": r"(?i)[0-9]|epoch|inf",
    "TIMESTAMP": r"(?i)[0-9]|epoch|inf",
}
_NUMERIC = r"(?i)^(?=.*[0-9])[\s0-9a-fox.,_+-]*\z|^\s*[+-]?(?:inf|nan)"
DIFFERS = "a text that the engines read differently"
"""What the cluster is told to say when it meets one."""


def cast(node: exp.Expr, part: Part, to: str, *, tried: bool = False) -> Part:
    """Write a cast. Raises PredicateRefused for one that has no exact equal."""
    word, target = ("TRY_CAST" if tried else "CAST"), outer(to)
    if part.of == to:
        return part
    if part.of == "NULL":
        return Part(f"CAST(NULL AS {target})", to)
    if part.of == "VARCHAR":
        return Part(_read(node, part.sql, to, tried=tried), to)
    match _family(part.of), _family(to):
        case ("whole", "whole" | "decimal" | "DOUBLE" | "VARCHAR" | "BOOLEAN") | ("decimal", "decimal" | "VARCHAR"):
            sql = f"{word}({part.sql} AS {target})"
        case ("DATE", "VARCHAR" | "TIMESTAMP") | ("TIMESTAMP", "DATE" | "VARCHAR") | ("FLOAT", "DOUBLE"):
            sql = f"{word}({part.sql} AS {target})"
        case ("BOOLEAN", "VARCHAR" | "whole"):
            sql = f"{word}({part.sql} AS {target})"
        case ("decimal", "whole"):
            sql = f"{word}(ROUND({part.sql}, 0) AS {target})"
        case ("decimal", "DOUBLE"):
            sql = double(node, part)
        case ("DOUBLE", "whole"):
            sql = f"{word}(RINT({part.sql}) AS {target})"
        case _:
            raise refused(node, f"a cast from {part.of} to {to} has no exact equal on a cluster; leave it out")
    return Part(sql, to)


def _family(of: str) -> str:
    if of.startswith("DECIMAL"):
        return "decimal"
    return "whole" if size(of) is not None else of


def _read(node: exp.Expr, sql: str, to: str, *, tried: bool) -> str:
    """Write what a text is when it is read as another type."""
    family = _family(to)
    if family not in _FORMS:
        raise refused(node, f"text is not read as {to} alike on a cluster; cast it to DOUBLE, BIGINT or DECIMAL(18,2)")
    form = literal(_FORMS[family])
    if not tried:
        return f"CAST(REGEXP_EXTRACT({sql}, {form}, 0) AS {outer(to)})"
    return either(sql, form, f"TRY_CAST({sql} AS {outer(to)})", literal(_DOUBTFUL.get(family, _NUMERIC)))


def either(sql: str, form: str, then: str, doubtful: str) -> str:
    """Write: `then` for a text of the form, nothing for one that is neither, and the end of the scan for a doubtful."""
    stop = f"RAISE_ERROR('{DIFFERS}')"
    return f"(CASE WHEN {sql} RLIKE {form} THEN {then} WHEN {sql} RLIKE {doubtful} THEN {stop} ELSE NULL END)"


def exact(part: Part) -> Part:
    """Write the number that a text is; one that is none, or is written unusually, fails the scan."""
    form = literal(_FORMS["decimal"])
    return Part(f"CAST(REGEXP_EXTRACT({part.sql}, {form}, 0) AS {EXACT})", EXACT)


def double(node: exp.Expr, part: Part) -> str:
    """Write a number as a double. Raises PredicateRefused where that could round otherwise."""
    digits = size(part.of)
    if part.of == "FLOAT" or (digits is not None and part.of.startswith("DECIMAL") and digits[0] > _MOST):
        raise refused(
            node, f"{part.of} beside DOUBLE may round otherwise on a cluster; write CAST(… AS DOUBLE) or less"
        )
    return part.sql if part.of == "DOUBLE" else f"CAST({part.sql} AS DOUBLE)"


def alike(node: exp.Expr, parts: Sequence[Part]) -> list[Part]:
    """Give terms that are compared with each other in one type, as the embedded engine compares them."""
    numbers = [part for part in parts if part.of == "DOUBLE" or size(part.of) is not None]
    if numbers:
        return _numbers(node, [exact(part) if part.of == "VARCHAR" else part for part in parts])
    types = {part.of for part in parts} - {"NULL"}
    if len(types) < 2:  # noqa: PLR2004  # all of one type
        if types & {"BLOB", "INTERVAL"}:
            raise refused(node, "values of this type are not compared on a cluster")
        return list(parts)
    moments = types & {"DATE", "TIMESTAMP"}
    if moments and types <= {"DATE", "TIMESTAMP", "VARCHAR"}:
        to = "TIMESTAMP" if "TIMESTAMP" in types else "DATE"
        if all(part.of != "VARCHAR" or part.text is not None for part in parts):
            return [cast(node, part, to) for part in parts]
    raise refused(node, f"{' beside '.join(sorted(types))} is not compared alike on a cluster; write a CAST")


def _numbers(node: exp.Expr, parts: Sequence[Part]) -> list[Part]:
    types = {part.of for part in parts} - {"NULL"}
    if "DOUBLE" in types:
        return [part if part.of == "NULL" else Part(double(node, part), "DOUBLE", bare=part.bare) for part in parts]
    sizes = [size(of) for of in types]
    known = [found for found in sizes if found is not None]
    if len(known) < len(sizes):
        raise refused(node, f"{' beside '.join(sorted(types))} is not compared alike on a cluster; write a CAST")
    if max(digits - places for digits, places in known) + max(places for _, places in known) > 38:  # noqa: PLR2004
        raise refused(node, "these numbers together need more than 38 digits on a cluster; write CAST(… AS DOUBLE)")
    return list(parts)
