"""Decides whether a segment's predicate is one boolean expression over the profile's columns, and writes it anew.

The text comes from a pull request. It is read into a tree, every node of the tree must be on the list in `grammar`, and
the SQL that the engine gets is written from that tree: no character of the text reaches the engine by itself.
"""

from __future__ import annotations

import logging
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import TokenType

from reconciler.core.errors import PredicateRefused
from reconciler.sources.grammar import Writer
from reconciler.sources.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlglot.tokenizer_core import Token

# Its warnings repeat the text as it is, line breaks included: on a runner, a line could be a command
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

LENGTH = 10_000
"""Characters in a predicate."""
NODES = 4_000
"""Operators, columns and values in a predicate."""
DEPTH = 24
"""Brackets, CASEs and prefix operators inside each other: the parser takes up to 34 of Python's 1,000 frames each."""
CHAIN = 100
"""Levels of the tree, in which `1 + 1 + 1` has two, and a chain of ANDs one."""

_DEEP = f"the predicate is nested too deeply; at most {DEPTH} levels are allowed"
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_OPEN = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
_SHUT = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}
_PREFIX = {TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE}


@dataclass(frozen=True, slots=True)
class Compiled:
    """SQL of a predicate, and the columns that it reads."""

    sql: str
    columns: frozenset[str]


def compile_predicate(text: str, columns: Mapping[str, str], table: str = "p") -> str:
    """Give SQL of type BOOLEAN for `text` over `columns` (name to engine type), each column written as `table`."name".

    Raises PredicateRefused, with the place in `text` where it is known.
    """
    return compiled(text, columns, table).sql


def compiled(text: str, columns: Mapping[str, str], table: str = "p") -> Compiled:
    """Give the same, with the columns that it reads. Raises PredicateRefused."""
    tree, writer = checked(text), Writer(columns, table)
    try:
        term = writer.write(tree)
    except RecursionError:
        raise PredicateRefused(_DEEP) from None
    if term.kind not in {Kind.TRUTH, Kind.OTHER}:
        raise PredicateRefused(
            f"the predicate is {term.kind.value}, not a condition; write a comparison, as in HomeOwner = 'Y'", 0
        )
    return Compiled(term.sql, frozenset(writer.used))


def checked(text: str) -> exp.Expr:
    """Read a predicate into a tree of a size that can be written. Raises PredicateRefused."""
    _readable(text)
    try:
        tree = _parse(text)
        _bounded(tree)
    except RecursionError:
        raise PredicateRefused(_DEEP) from None
    return tree


def _readable(text: str) -> None:
    """Refuse what a reviewer cannot see, and what is too long to be one."""
    if not text.strip():
        raise PredicateRefused("the predicate is empty; write a condition, as in HomeOwner = 'Y'")
    if len(text) > LENGTH:
        raise PredicateRefused(f"the predicate has {len(text):,} characters; at most {LENGTH:,} are allowed")
    for offset, character in enumerate(text):
        hidden = unicodedata.category(character) in {"Cc", "Cs"} and character not in "\t\r\n"
        if hidden or character in _BIDI:
            raise PredicateRefused(f"the predicate holds the invisible character U+{ord(character):04X}", offset)


def _parse(text: str) -> exp.Expr:
    with _translated(text):
        tokens = DuckDB().tokenize(text)
    _shallow(tokens)
    with _translated(text):
        trees = DuckDB().parser().parse_into(exp.Condition, tokens, text)
    if len(trees) != 1 or trees[0] is None:
        raise PredicateRefused(_UNREADABLE)
    return trees[0]


@contextmanager
def _translated(text: str) -> Iterator[None]:
    """Turn the parser's errors into refusals: it is foreign code, and hostile text may make it trip over anything."""
    try:
        yield
    except ParseError as error:
        raise PredicateRefused(_UNREADABLE, _offset(text, error)) from None
    except SqlglotError:
        raise PredicateRefused(f"{_UNREADABLE}: a quote is not closed") from None
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001  # as said above
        raise PredicateRefused(_UNREADABLE) from None


_UNREADABLE = "the predicate cannot be read as one condition, such as HomeOwner = 'Y' AND TotalChildren >= 2"


def _shallow(tokens: list[Token]) -> None:
    """Refuse comments, statements in a row, and nesting that would exhaust the parser's stack."""
    depth = prefixes = 0
    for token in tokens:
        if token.comments:
            raise PredicateRefused("the predicate holds a comment; put it in metadata.description", token.start)
        if token.token_type is TokenType.SEMICOLON:
            raise PredicateRefused("the predicate holds a ';'; write one condition", token.start)
        depth += (token.token_type in _OPEN) - (token.token_type in _SHUT)
        prefixes = prefixes + 1 if token.token_type in _PREFIX else 0
        if depth + prefixes > DEPTH:
            raise PredicateRefused(
                f"the predicate is nested too deeply; at most {DEPTH} levels are allowed", token.start
            )


def _bounded(tree: exp.Expr) -> None:
    """Refuse a tree that is too large or too deep to be written; a chain of ANDs or ORs is one level."""
    waiting: list[tuple[exp.Expr, int]] = [(tree, 1)]
    nodes = 0
    while waiting:
        node, depth = waiting.pop()
        nodes += 1
        if nodes > NODES:
            raise PredicateRefused(f"the predicate has more than {NODES:,} parts")
        if depth > CHAIN:
            raise PredicateRefused(f"the predicate is nested too deeply; at most {CHAIN} operators may follow in a row")
        for child in node.iter_expressions():
            chained = isinstance(node, exp.Connector) and type(child) is type(node)
            waiting.append((child, depth + (not chained)))


def _offset(text: str, error: ParseError) -> int | None:
    """Give the place of a parse error: the parser counts lines from 1, and columns to the end of what it refused."""
    found = error.errors[0] if error.errors else {}
    match found:
        case {"line": int(line), "col": int(column), "highlight": str(refused)}:
            before = sum(len(part) for part in text.splitlines(keepends=True)[: line - 1])
            return max(0, min(len(text), before + column - len(refused)))
    return None
