"""Decides how two parts of a predicate are compared: text beside a number is read as a number, exactly.

A CSV column is text; the engine itself refuses `TotalChildren >= 2`, and reads `TotalChildren IN (3)` by rounding 2.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from reconciler.core.errors import PredicateRefused
from reconciler.sources.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot import exp

EXACT = "DECIMAL(38,18)"
"""What text becomes beside a number: every 64-bit integer, and 18 places of a fraction, without rounding."""
_NOTES = {"safe", "typed", "coalesce", "date_part_boundary"}  # the parser's notes on a node, without a meaning in SQL


@dataclass(frozen=True, slots=True)
class Term:
    """SQL of one part of a predicate, in brackets where it needs them, and its kind; `column`: it is a bare column."""

    sql: str
    kind: Kind
    column: bool = False


class Writes(Protocol):
    """Writes the parts of a node; every method raises PredicateRefused."""

    def write(self, node: exp.Expr) -> Term:
        """Write a node and all below it."""
        ...

    def truth(self, node: exp.Expr) -> Term:
        """Write what must be a condition."""
        ...

    def operand(self, node: exp.Expr) -> Term:
        """Write a side of a comparison."""
        ...

    def column(self, node: exp.Expr) -> Term:
        """Write a column of the profile."""
        ...


def refused(node: exp.Expr, message: str) -> PredicateRefused:
    """Make the refusal of a node, at its place in the text or at that of the first part that has one."""
    return PredicateRefused(message, next((part.meta["start"] for part in node.walk() if "start" in part.meta), None))


def exactly(node: exp.Expr, *keys: str) -> None:
    """Refuse a node that carries anything but `keys`."""
    for key, value in node.args.items():
        if value not in (None, False, [], "") and key not in keys and key not in _NOTES:
            raise refused(node, f"{node.key.upper()} cannot be used in this form in a predicate")


def alike(terms: Sequence[Term]) -> list[str]:
    """Give the SQL of terms that are compared with each other."""
    if not any(term.kind is Kind.NUMBER for term in terms):
        return [term.sql for term in terms]
    return [_number(term) if term.kind is Kind.TEXT else term.sql for term in terms]


def _number(term: Term) -> str:
    """Write the number that a text is; one that is none fails the scan.

    The engine takes 15 us to make the widest decimal of a short text, and a hundredth of that by way of a narrow type.
    An expression goes through a list of one, so that it is written once however many there are inside each other.
    """
    return _exact(term.sql) if term.column else f"list_transform([{term.sql}], lambda text_: {_exact('text_')})[1]"


def _exact(text: str) -> str:
    whole = f"regexp_full_match({text}, '[+-]?[0-9]{{1,18}}') THEN CAST(CAST({text} AS BIGINT) AS {EXACT})"
    some = f"regexp_full_match({text}, '[+-]?[0-9]{{1,9}}[.][0-9]{{1,8}}')"
    short = f"{some} THEN CAST(CAST({text} AS DECIMAL(18,8)) AS {EXACT})"
    return f"CASE WHEN {whole} WHEN {short} ELSE CAST({text} AS {EXACT}) END"


def common(terms: Sequence[Term]) -> Kind:
    """Give the kind of a value that is one of `terms`."""
    return next((term.kind for term in terms if term.kind is not Kind.NULL), Kind.NULL)
