"""Decides what of a foreign sentence may be shown: no key, no address, nothing that was sent, no control characters."""

from __future__ import annotations

import base64
import html
import json
import re
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LONGEST = 200
"""Characters of a foreign sentence that are shown."""

_LOOKED_AT = 4_000
_SHORTEST_VALUE = 2
_ANYWHERE = 4  # characters from which a value is looked for inside of words too: `=Anna` may be written as `%3DAnna`
_PART = 8  # characters in a row of a key or a value that tell too much: a server may cut what it repeats
_ADDRESS = re.compile(r"@|%(?:25)*40|\uff20", re.IGNORECASE)
_WORD = re.compile(r"\S+")


def one_line(text: str) -> str:
    """Escape whatever could break a line, hide text or turn it around; cut to LONGEST characters."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:LONGEST].strip())
    return shown if len(shown) <= LONGEST and len(text) <= LONGEST else shown[: LONGEST - 1] + "…"


def redact(text: str, *, secrets: Sequence[str], sent: bytes | None, ids: Sequence[str] = ()) -> str:
    """Give one line of a server's sentence, which may echo the key, an address or values of the JSON that was sent.

    `ids` are those of the path that was asked for: an address may be one of them.
    """
    if len(text) > _LOOKED_AT:
        text = text[:_LOOKED_AT].rpartition(" ")[0]  # half a word could be half an address, and not look like one
    for secret in secrets:
        text = re.sub(re.escape(secret), "[key]", text, flags=re.IGNORECASE)
    values = _values(sent) if sent else []
    for value in values:
        text = _without(text, value)
    text = _WORD.sub(lambda word: "[address]" if _ADDRESS.search(word[0]) else word[0], text)
    asked = [each for each in ids if _ADDRESS.search(each)]
    return one_line(_without_parts(_without_parts(text, secrets, "[key]"), [*values, *asked], "[value]"))


def _without(text: str, value: str) -> str:
    lowered = text.lower()
    before, after = ("", "") if len(value) >= _ANYWHERE else (r"(?<!\w)", r"(?!\w)")
    for form in {value, json.dumps(value)[1:-1], quote(value, errors="replace"), html.escape(value)}:
        if form.lower() in lowered:
            text = re.sub(f"{before}{re.escape(form)}{after}", "[value]", text, flags=re.IGNORECASE)
    return text


def _without_parts(text: str, values: Iterable[str], label: str) -> str:
    """Put the label where _PART characters in a row are those of a value, in whatever form."""
    known = "\n".join(form for value in values for form in _forms(value)).lower()
    lowered = "".join(sign.lower() if len(sign.lower()) == 1 else sign for sign in text)  # position by position
    told = bytearray(len(text))
    for at in range(len(text) - _PART + 1):
        if lowered[at : at + _PART] in known:
            told[at : at + _PART] = bytes([1]) * _PART
    runs = groupby(zip(told, text, strict=True), key=lambda pair: pair[0])
    return "".join(label if hidden else "".join(sign for _, sign in run) for hidden, run in runs)


def _forms(value: str) -> Iterator[str]:
    """Give the value as it may be written in a sentence; in base64, by how many bytes stand before it."""
    yield from (value, json.dumps(value)[1:-1], quote(value, errors="replace"), html.escape(value))
    data = value.encode(errors="replace")
    yield data.hex()
    for before in range(3):
        yield base64.b64encode(bytes(before) + data).decode()[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]


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
