"""Decides where things stand on a terminal's line, and in which colour; not what is said."""

from __future__ import annotations

import textwrap
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEAST_WIDTH = 24
"""Text is not wrapped to less, however narrow the terminal."""


class Style(Enum):
    """What a piece of text means, and the ANSI code that shows it."""

    PLAIN = ""
    STRONG = "1"
    FAINT = "2"
    GOOD = "32"
    CHANGED = "33"
    GONE = "31"
    BAD = "1;31"


Span = tuple[str, Style]
Line = tuple[Span, ...]
"""Spans hold text that is escaped already."""


def plain(text: str) -> Line:
    """Give a line in no colour."""
    return ((text, Style.PLAIN),)


def rendered(lines: Iterable[Line], *, color: bool) -> str:
    """Join the lines, each ended by a newline; blanks at the end of a line are dropped."""
    return "".join(f"{_painted(line, color=color)}\n" for line in lines)


def _painted(line: Line, *, color: bool) -> str:
    spans = list(line)
    while spans and not spans[-1][0].strip(" "):
        spans.pop()
    if spans:
        spans[-1] = (spans[-1][0].rstrip(" "), spans[-1][1])
    return "".join(_ink(text, style) if color else text for text, style in spans)


def _ink(text: str, style: Style) -> str:
    return text if style is Style.PLAIN or not text.strip(" ") else f"\x1b[{style.value}m{text}\x1b[0m"


def wrapped(text: str, width: int, hanging: str = "") -> list[str]:
    """Break a text between words; lines after the first begin with `hanging`. A word is never broken."""
    lines = textwrap.wrap(
        text, max(width, LEAST_WIDTH), subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    )
    return lines or [""]


def paragraph(text: str, width: int, *, indent: int = 0, style: Style = Style.PLAIN) -> list[Line]:
    """Give a text as indented lines; those after the first hang by two more."""
    pad = " " * indent
    return [((pad, Style.PLAIN), (line, style)) for line in wrapped(text, width - indent, "  ")]


def columns(rows: Sequence[Sequence[str]], align: str, gap: str = "   ") -> list[str]:
    """Align cells: `align` holds `<` or `>` for each column. A column that is empty in every row is dropped."""
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(len(align))]
    kept = [i for i, width in enumerate(widths) if width]
    return [gap.join(f"{row[i]:{align[i]}{widths[i]}}" for i in kept).rstrip(" ") for row in rows]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> list[Line]:
    """Give a table with its heads; a column without any content is left out, its head too."""
    used = [i for i in range(len(heads)) if any(row[i] for row in rows)]
    body = [[row[i] for i in used] for row in (heads, *rows)]
    head, *rest = columns(body, "".join(align[i] for i in used))
    return [((head, Style.STRONG),), *(plain(line) for line in rest)]
