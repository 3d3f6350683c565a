"""Decides what of a foreign sentence may be shown: no key, no address, nothing that was sent, no control characters."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST = 200
"""Characters of a foreign sentence that are shown."""

_LOOKED_AT = 4_000
_SHORTEST_VALUE = 2
_ANYWHERE = 4  # characters from which a value is looked for inside of words too: `=Anna` may be written as `%3DAnna`
_ADDRESS = re.compile(r"@|%40|\uff20", re.IGNORECASE)
_WORD = re.compile(r"\S+")


def one_line(text: str) -> str:
    """Escape whatever could break a line, hide text or turn it around; cut to LONGEST characters."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:LONGEST].strip())
    return shown if len(shown) <= LONGEST and len(text) <= LONGEST else shown[: LONGEST - 1] + "…"


def redact(text: str, *, secrets: Iterable[str], sent: bytes | None) -> str:
    """Give one line of a server's sentence, which may echo the key, an address or values of the JSON that was sent."""
    if len(text) > _LOOKED_AT:
        text = text[:_LOOKED_AT].rpartition(" ")[0]  # half a word could be half an address, and not look like one
    for secret in secrets:
        text = re.sub(re.escape(secret), "[key]", text, flags=re.IGNORECASE)
    for value in _values(sent) if sent else ():
        text = _without(text, value)
    return one_line(_WORD.sub(lambda word: "[address]" if _ADDRESS.search(word[0]) else word[0], text))


def _without(text: str, value: str) -> str:
    lowered = text.lower()
    before, after = ("", "") if len(value) >= _ANYWHERE else (r"(?<!\w)", r"(?!\w)")
    for form in {value, json.dumps(value)[1:-1], quote(value, errors="replace")}:
        if form.lower() in lowered:
            text = re.sub(f"{before}{re.escape(form)}{after}", "[value]", text, flags=re.IGNORECASE)
    return text


def _values(sent: bytes) -> list[str]:
    """Give every value in the JSON that was sent, the longest first; a single letter says nothing about anybody."""
    values = {value for value in _leaves(json.loads(sent)) if len(value) >= _SHORTEST_VALUE}
    return sorted(values, key=len, reverse=True)


def _leaves(data: object) -> Iterator[str]:
    match data:
        case dict():
            for value in data.values():
                yield from _leaves(value)
        case list():
            for value in data:
                yield from _leaves(value)
        case None | bool():
            pass
        case _:
            yield str(data)
