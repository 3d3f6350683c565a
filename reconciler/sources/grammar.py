"""Decides what may stand in a predicate: the profile's columns, what `clauses` and `calls` list, and nothing else."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from sqlglot import exp

from reconciler.core.texts import folded
from reconciler.sources import kinds
from reconciler.sources.calls import CALLS
from reconciler.sources.clauses import CLAUSES, CONDITIONS
from reconciler.sources.kinds import Kind
from reconciler.sources.terms import Term, exactly, refused

if TYPE_CHECKING:
    from collections.abc import Mapping

_RULES = {**CLAUSES, **CALLS}


class Writer:
    """Writes a tree over `columns` (name to engine type); raises PredicateRefused at the first node not listed.

    `used` has the columns that were written, by their names in `columns`.
    """

    def __init__(self, columns: Mapping[str, str], table: str) -> None:
        self._columns = {folded(column): (column, kinds.kind(of)) for column, of in columns.items()}
        self._table = table
        self.used: set[str] = set()

    def write(self, node: exp.Expr) -> Term:
        """Write one node and all below it."""
        rule = _RULES.get(type(node))
        if rule is None:
            raise refused(node, f"{_called(node)} is not allowed in a predicate")
        return rule(self, node)

    def truth(self, node: exp.Expr) -> Term:
        """Write what must be a condition."""
        term = self.write(node)
        if term.kind in {Kind.TEXT, Kind.NUMBER}:
            raise refused(node, f"here stands {term.kind.value}, not a condition; compare it, as in HomeOwner = 'Y'")
        return term

    def operand(self, node: exp.Expr) -> Term:
        """Write a side of a comparison; a condition there needs brackets, for its order differs between dialects."""
        if isinstance(node, (*CONDITIONS, exp.Not)):
            raise refused(node, "put a condition that is compared in brackets, as in (a = b) IS NULL")
        return self.write(node)

    def column(self, node: exp.Expr) -> Term:
        """Write a column, resolved as the engine does it: without regard to case."""
        exactly(node, "this")
        if not isinstance(node.this, exp.Identifier):
            raise refused(node, "write a column by its name alone")
        found = self._columns.get(folded(node.name))
        if found is not None:
            self.used.add(found[0])
            return Term(f"{self._table}.{kinds.name(found[0])}", found[1], column=True)
        near = difflib.get_close_matches(folded(node.name), filter(kinds.tellable, self._columns), 1)
        hint = f"; did you mean {self._columns[near[0]][0]}?" if near else ""
        if node.this.args.get("quoted") and not near and node.name.isprintable():
            hint = f"; a text is written in single quotes: {kinds.literal(node.name[:40])}"
        raise refused(node, f"the profiles have no column {node.name[:80]!r}{hint}")


def _called(node: exp.Expr) -> str:
    """Name a node as the user would."""
    if isinstance(node, (exp.Query, exp.Subquery, exp.Exists)):
        return "a query"
    if isinstance(node, exp.Func):
        return f"the function {node.sql_name()}"
    return {"placeholder": "a parameter", "star": "'*'", "window": "a window"}.get(node.key, node.key.upper())
