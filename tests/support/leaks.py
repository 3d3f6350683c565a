"""Searches what was left behind for people and keys, in every form that a program might have written them in."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import stat
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

GRAM = 8
"""Bytes that a form must have at least: what is shorter would be found by chance."""

PART = 12
"""Characters of a key that are too many to be told."""

ALIGNMENTS = (0, 1, 2)
"""How many bytes may come before a value within the group of three that base64 writes as four characters."""


def _base64(data: bytes, shift: int) -> bytes:
    """Give the characters that depend on `data` alone, wherever it stands in what was written."""
    whole = base64.b64encode(bytes(shift) + data)
    return whole[(0, 2, 3)[shift] : (shift + len(data)) * 8 // 6]


def _hashed(kind: str) -> Callable[[str], bytes]:
    return lambda text: hashlib.new(kind, text.encode(), usedforsecurity=False).hexdigest().encode()


FORMS: Mapping[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "upper": lambda text: text.upper().encode(),
    "decomposed": lambda text: unicodedata.normalize("NFD", text).encode(),
    "composed": lambda text: unicodedata.normalize("NFC", text).encode(),
    "latin-1": lambda text: text.encode("latin-1", "ignore"),
    "utf-16-le": lambda text: text.encode("utf-16-le"),
    "utf-16-be": lambda text: text.encode("utf-16-be"),
    "percent": lambda text: quote(text, safe="").encode(),
    "form": lambda text: quote_plus(text).encode(),
    "json": lambda text: json.dumps(text)[1:-1].encode(),
    "html": lambda text: html.escape(text).encode(),
    "repr": lambda text: ascii(text)[1:-1].encode(),
    "hex": lambda text: text.encode().hex().encode(),
    **{f"base64-{shift}": lambda text, shift=shift: _base64(text.encode(), shift) for shift in ALIGNMENTS},  # type: ignore[misc]  # a lambda with a default
    **{f"unkeyed {kind}": _hashed(kind) for kind in ("md5", "sha1", "sha256")},
}
"""Each is looked for in the value as given and in lower case, and without regard to case in what is searched."""


class Searcher:
    """Finds `values` (by whose they are) in every form, and every part of `keys` that is too long to be told.

    One pass over what is searched, however many forms there are: each is known by its first GRAM bytes.
    """

    def __init__(self, values: Mapping[str, str], keys: Mapping[str, str]) -> None:
        self._known: dict[bytes, list[tuple[bytes, str]]] = {}
        for whose, value in {**values, **keys}.items():
            for form, write in FORMS.items():
                for text in {value, value.lower()}:
                    self._learn(write(text), f"{whose}, {form}")
        for whose, key in keys.items():
            for start in range(len(key) - PART + 1):
                self._learn(key[start : start + PART].encode(), f"a part of {whose}, plain")

    def _learn(self, pattern: bytes, told: str) -> None:
        lowered = pattern.lower()
        if len(lowered) >= GRAM:
            self._known.setdefault(lowered[:GRAM], []).append((lowered, told))

    def search(self, searched: bytes) -> list[str]:
        """Tell what was found: whose value, and in which form; each once, in order."""
        lowered = searched.lower()
        found: dict[str, None] = {}
        known = self._known
        for at in range(len(lowered) - GRAM + 1):
            for pattern, told in known.get(lowered[at : at + GRAM], ()):
                if lowered.startswith(pattern, at):
                    found[told] = None
        return list(found)


def files(root: Path, without: Iterable[Path] = ()) -> Iterator[tuple[str, bytes]]:
    """Give every file below a folder with its path in front of its content; folders and pipes have a path only."""
    left_out = set(without)
    for path in sorted(root.rglob("*")):
        if path in left_out:
            continue
        name = str(path.relative_to(root))
        regular = stat.S_ISREG(path.lstat().st_mode)
        yield name, name.encode() + b"\0" + (path.read_bytes() if regular else b"")
