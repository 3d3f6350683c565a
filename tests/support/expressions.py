"""The part of GitHub's expressions that our workflows use: contexts, literals, `! == != && ||`, and a few functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(\d+)|([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)|(&&|\|\||==|!=|[!(),]))")
_HOLE = re.compile(r"\$\{\{(.*?)\}\}")


def expanded(text: str, contexts: Mapping[str, Any]) -> str:
    """Put values in the place of every `${{ … }}`."""
    return _HOLE.sub(lambda hole: shown(evaluated(hole[1], contexts)), text)


def condition(text: object, contexts: Mapping[str, Any], *, failed: bool) -> bool:
    """Judge an `if`: without a status function it holds only where nothing failed before."""
    source = str(text)
    whole = _HOLE.fullmatch(source.strip())
    inner = whole[1] if whole else source
    asks = re.search(r"\b(?:always|cancelled|failure|success)\(\)", inner)
    return truthy(evaluated(inner, {**contexts, "failed": failed})) and (bool(asks) or not failed)


def shown(value: Any) -> str:
    """Give a value as it stands in a string."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def truthy(value: Any) -> bool:
    return value not in (None, False, 0, "")


def evaluated(text: str, contexts: Mapping[str, Any]) -> Any:
    """Give the value of one expression."""
    found, at = [], 0
    source = text.strip()
    while at < len(source):
        token = _TOKEN.match(source, at)
        assert token is not None, f"not understood: {source[at:]}"
        found.append(token)
        at = token.end()
    parser = _Parser(found, contexts)
    value = parser.either()
    assert not parser.left(), source
    return value


class _Parser:
    def __init__(self, tokens: list[re.Match[str]], contexts: Mapping[str, Any]) -> None:
        self._tokens = tokens
        self._contexts = contexts

    def left(self) -> int:
        return len(self._tokens)

    def _sign(self, *signs: str) -> str:
        if self._tokens and self._tokens[0][4] in signs:
            return str(self._tokens.pop(0)[4])
        return ""

    def either(self) -> Any:
        value = self._both()
        while self._sign("||"):
            other = self._both()
            value = value if truthy(value) else other
        return value

    def _both(self) -> Any:
        value = self._equal()
        while self._sign("&&"):
            other = self._equal()
            value = other if truthy(value) else value
        return value

    def _equal(self) -> Any:
        value = self._single()
        while sign := self._sign("==", "!="):
            same = shown(value).casefold() == shown(self._single()).casefold()
            value = same == (sign == "==")
        return value

    def _single(self) -> Any:
        if self._sign("!"):
            return not truthy(self._single())
        if self._sign("("):
            value = self.either()
            assert self._sign(")")
            return value
        token = self._tokens.pop(0)
        if token[1]:
            return token[1][1:-1].replace("''", "'")
        if token[2]:
            return int(token[2])
        if self._sign("("):
            return self._called(token[3])
        return self._looked_up(token[3])

    def _called(self, name: str) -> Any:
        values = []
        while not self._sign(")"):
            values.append(self.either())
            self._sign(",")
        match name, values:
            case "format", [pattern, *parts]:
                return pattern.format(*map(shown, parts))
            case "always", []:
                return True
            case "cancelled", []:
                return False
            case "failure", []:
                return self._contexts["failed"]
            case "success", []:
                return not self._contexts["failed"]
        raise AssertionError(f"{name} is not one of the functions that are known here")

    def _looked_up(self, path: str) -> Any:
        match path:
            case "true" | "false":
                return path == "true"
            case "null":
                return None
        first, *rest = path.split(".")
        assert first in self._contexts, f"there is no context {first}"
        value: Any = self._contexts[first]
        for name in rest:
            value = value.get(name) if isinstance(value, dict) else None
        return value
