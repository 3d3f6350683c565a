"""Takes a file apart into the texts of its documents, and puts it together again. It decides what can be rewritten.

Each document is rewritten alone, so that no comment wanders from one to the next.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from reconciler.manifest.documents import read
from reconciler.manifest.yaml import events as yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_RARE = re.compile("[\r\x85\u2028\u2029\ufeff]")
_MARKER = "---\n"


def split(text: str) -> list[str] | None:
    """Give the text of each document, without the `---` between them; None when it uses rarer forms or is not sound.

    The text before the first `---` is the first of them, also when it is empty.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if not text.endswith("\n"):
        text += "\n"
    found = read("", text.encode())
    if found.faults or not found.whole or _RARE.search(text):
        return None
    starts = {event.line for event in yaml.events(text) if event.kind == yaml.DOCUMENT and event.style}
    made: list[list[str]] = [[]]
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if number in starts:
            if line.rstrip() != "---":
                return None
            made.append([])
        elif line.startswith(("%", "...")):
            return None
        else:
            made[-1].append(line)
    return ["".join(lines) for lines in made]


def join(texts: Sequence[str]) -> str:
    """Put documents together again."""
    return _MARKER.join(texts)


def rewritten(text: str, change: Callable[[object], object] = lambda value: value) -> Callable[[str], bool]:
    """Give a judge of a new text: whether it says what `change` makes of the value, with every comment."""
    wanted, comments = repr(change(value(text))), _comments(text)
    return lambda new: repr(value(new)) == wanted and _comments(new) == comments


def value(text: str) -> object:
    """Give the value of a document's text; None when it has none."""
    found = read("", text.encode())
    return found.documents[0].value if len(found.documents) == 1 and not found.faults and found.whole else None


def _comments(text: str) -> Counter[str]:
    """Count what looks like a comment; also within texts, which a rewrite keeps just so."""
    return Counter(c.rstrip() for line in text.splitlines() for c in _COMMENT.findall(line))
