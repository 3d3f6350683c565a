"""How faults are worded: text from files is escaped, cut, and stripped of keys and addresses. It decides nothing."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEY = re.compile(r"[0-9a-fA-F]{24,}")
_ADDRESS = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+")
_BARE = re.compile(r"(?![0-9:]+$)[A-Za-z0-9_./@-][A-Za-z0-9_./@:% -]*")
_LONGEST = 60
_CANDIDATES = 300


def plain(text: str, longest: int = _LONGEST) -> str:
    """Give one printable line: control characters escaped, keys and addresses hidden, cut after `longest`."""
    shown = escape(_ADDRESS.sub("…@…", _KEY.sub("…", text[: 4 * longest])))
    return shown if len(shown) <= longest and len(text) <= 4 * longest else shown[:longest] + "…"


def escape(text: str) -> str:
    """Give one printable line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def quote(value: object) -> str:
    """Give a value as it is shown in a message."""
    match value:
        case str():
            return f'"{plain(value)}"'
        case bool():
            return "true" if value else "false"
        case int() | float():
            return plain(str(value))
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return "nothing"


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Give the known word that was probably meant."""
    alike = [k for k in known if abs(len(k) - len(word)) <= max(3, len(word) // 2)][:_CANDIDATES]
    by_fold = {k.casefold(): k for k in reversed(alike)}
    found = difflib.get_close_matches(word[:100].casefold(), by_fold, n=1, cutoff=cutoff)
    return by_fold[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Give the question that ends a message, or `otherwise` when nothing known is near."""
    found = nearest(word, known)
    return otherwise if found is None else f"did you mean {quote(found)}?"


def one_of(known: Iterable[str]) -> str:
    """Give `a, b or c`."""
    *most, last = [plain(k) for k in known] or ["nothing"]
    return f"{', '.join(most)} or {last}" if most else last


def form(value: object) -> str:
    """Write a value as YAML on one line, for the right form in a message."""
    match value:
        case dict():
            return "{" + ", ".join(f"{k}: {form(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(form(v) for v in value) + "]"
        case bool():
            return "true" if value else "false"
        case str() if not _BARE.fullmatch(value):
            return f'"{value}"'
        case _:
            return str(value)
