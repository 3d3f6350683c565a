"""Finds the place of a character of a text value in its file. It decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Where

if TYPE_CHECKING:
    from reconciler.core.diagnostics import Path
    from reconciler.manifest.documents import Document


def inside(document: Document, path: Path, text: str, offset: int) -> Where:
    """Give the place of `text[offset]`, where `text` is the value at `path`.

    Exact for a value on one line and for a block kept as it is (`|`); the start of the value for one that is folded.
    """
    start = document.at_value(path)
    lines = document.text.split("\n")
    rest = lines[start.line - 1][start.column - 1 :]
    before = text[:offset]
    if rest.startswith("|"):
        line = start.line + 1 + before.count("\n")
        row = lines[line - 1] if line <= len(lines) else ""
        indent = _indent(lines[start.line :])
        return Where(start.file, line, min(indent, len(row)) + len(before) - (before.rfind("\n") + 1) + 1)
    written = {"'": before.replace("'", "''"), '"': before.replace("\\", "\\\\").replace('"', '\\"')}.get(rest[:1])
    shown = before if written is None else rest[:1] + written
    return Where(start.file, start.line, start.column + len(shown)) if rest.startswith(shown) else start


def _indent(lines: list[str]) -> int:
    first = next((line for line in lines if line.strip()), "")
    return len(first) - len(first.lstrip(" "))
