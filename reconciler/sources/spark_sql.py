"""Decides whether a predicate means the same on a cluster, and writes it for one; it is checked as for files first.

The embedded engine plans the predicate over no row, so that it is refused for the same faults, and tells the type of
each part. From the types every part is written so that the cluster reckons as the engine does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.errors import PredicateRefused
from reconciler.core.texts import folded
from reconciler.sources import kinds
from reconciler.sources.grammar import Writer
from reconciler.sources.predicate import Compiled, checked, compiled
from reconciler.sources.spark_calls import CALLS
from reconciler.sources.spark_clauses import CLAUSES, condition
from reconciler.sources.spark_moments import MOMENTS
from reconciler.sources.spark_types import Part, column
from reconciler.sources.terms import refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlglot import exp

    from reconciler.sources.engine import Engine
    from reconciler.sources.terms import Term

_RULES = {**CLAUSES, **CALLS, **MOMENTS}
_LONGEST = 200_000  # characters that a predicate may become: some parts are written more than once


class _Noting(Writer):
    """Writes for the embedded engine, and notes what each part became."""

    def __init__(self, columns: Mapping[str, str], table: str) -> None:
        super().__init__(columns, table)
        self.noted: dict[int, str] = {}

    def write(self, node: exp.Expr) -> Term:
        """Write one node and all below it."""
        term = super().write(node)
        if node.key not in {"and", "or", "not", "paren", "null"}:
            self.noted[id(node)] = term.sql
        return term


class _Translator:
    """Writes a tree for the cluster. Raises PredicateRefused at the first node that has no exact equal there."""

    def __init__(self, columns: Mapping[str, str], names: Mapping[str, str], types: Mapping[int, str]) -> None:
        self._columns, self._names, self._types = columns, names, types

    def write(self, node: exp.Expr) -> Part:
        """Write a node and all below it."""
        rule = _RULES.get(type(node))
        if rule is None:
            raise refused(node, f"{node.key.upper()} has no exact equal on a cluster")
        part = rule(self, node)
        if len(part.sql) > _LONGEST:
            raise refused(node, "the predicate becomes too long on a cluster; make it plainer")
        return part

    def type(self, node: exp.Expr) -> str:
        """Give a node's type in the embedded engine."""
        of = self._types[id(node)]
        return "TIMESTAMP" if of == "TIMESTAMP WITH TIME ZONE" else of

    def column(self, node: exp.Expr) -> Part:
        """Write a column of the profile."""
        called = self._names[folded(node.name)]
        return column("p", called, self._columns[called])


def translated(text: str, columns: Mapping[str, str], engine: Engine) -> Compiled:
    """Give SQL for the cluster over the profiles `p`. Raises PredicateRefused; duckdb.Error where it cannot be planned.

    `columns` are those of the cluster's table, by their engine types.
    """
    compiled(text, columns)  # refuses what it refuses for files, in the same words
    tree, noting = checked(text), _Noting(columns, "p")
    term = noting.write(tree)
    nothing = "SELECT " + ", ".join(f"CAST(NULL AS {of}) AS {kinds.name(name)}" for name, of in columns.items())
    asked = {**noting.noted, 0: term.sql}
    told = engine.describe(f"SELECT {', '.join(asked.values())} FROM ({nothing}) p")  # noqa: S608  # checked, ours
    types = dict(zip(asked, (of for _, of in told), strict=True))
    if types[0] != "BOOLEAN":
        raise PredicateRefused("the predicate is not a condition; write a comparison, as in HomeOwner = 'Y'", 0)
    names = {folded(name): name for name in columns}
    return Compiled(condition(_Translator(columns, names, types), tree), frozenset(noting.used))
