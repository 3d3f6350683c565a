"""Decides which patterns mean the same on a cluster: LIKE always, regular expressions in a plain form of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.sources.spark_types import literal
from reconciler.sources.terms import refused

if TYPE_CHECKING:
    from sqlglot import exp

_MARK = "~"
_ATOMS = re.compile(
    r"(?P<plain>[^\\.^$|?*+()\[\]{}])|(?P<dot>\.)|(?P<set>\[\^?(?:[A-Za-z0-9 _@.,;:/](?:-[A-Za-z0-9])?|\\[.-])+\])"
    r"|(?P<digit>\\d)|\\(?P<mark>[.^$|?*+()\[\]{}/@_-])|(?P<start>\^)|(?P<end>\$)|(?P<open>\((?:\?:)?)|(?P<shut>\))"
    r"|(?P<or>\|)"
)
_TIMES = re.compile(r"[*+?]|\{[0-9]{1,2}(?:,[0-9]{0,2})?\}")
_REPEATS = 8  # of them without an end: the cluster tries every way to share the text among them


def like(tested: str, pattern: str, escape: str) -> str:
    """Write a LIKE whose pattern has been checked; the cluster's own escape character is never left to it."""
    made, marked = [], False
    characters = iter(pattern)
    for character in characters:
        if character != escape and character in "%_":
            made.append(character)
            continue
        plain = next(characters) if character == escape else character
        special = plain in {"%", "_", _MARK}
        marked = marked or special or plain == "\\"
        made.append(f"{_MARK}{plain}" if special else plain)
    text = "".join(made) if marked else pattern
    return f"({tested} LIKE {literal(text)}{f' ESCAPE {literal(_MARK)}' if marked else ''})"


def regular(node: exp.Expr, pattern: str) -> str:
    """Give the cluster's regular expression of a plain one. Raises PredicateRefused."""
    made, at, unending, quiet = [], 0, 0, True
    while at < len(pattern):
        found = _ATOMS.match(pattern, at)
        if found is None:
            raise _foreign(node)
        at, kind = found.end(), str(found.lastgroup)
        made.append(_atom(kind, found))
        quiet = kind in {"start", "end", "open", "shut", "or"}
        if (times := _TIMES.match(pattern, at)) is not None:
            if quiet or (at < len(pattern) and pattern[times.end() : times.end() + 1] in {"?", "+", "*", "{"}):
                raise _foreign(node)
            at = times.end()
            unending += times[0] in {"*", "+"} or times[0].endswith(",}")
            made.append(times[0])
    if unending > _REPEATS:
        raise _foreign(node)
    return "".join(made)


def _atom(kind: str, found: re.Match[str]) -> str:
    plain = found[0] if kind == "plain" else found["mark"] if kind == "mark" else ""
    if plain:
        return plain if plain.isalnum() or not plain.isascii() else f"\\x{{{ord(plain):x}}}"
    return {"dot": r"[^\n]", "digit": "[0-9]", "end": r"\z", "open": "(?:"}.get(kind, found[0])


def _foreign(node: exp.Expr) -> Exception:
    return refused(
        node,
        "on a cluster a regular expression has plain characters, . [a-z] \\d ^ $ | and groups, and * + ? {n} after "
        "single characters",
    )
