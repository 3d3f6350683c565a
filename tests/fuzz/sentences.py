"""Judges what the user would be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.core.errors import ReconcilerError

LONGEST = 1_000


def told(error: ReconcilerError, *hidden: str) -> None:
    """Hold a refusal to its promise: one line that can be shown as it is, and none of `hidden` in it."""
    line = str(error)
    assert line, "a refusal says nothing"
    assert line.isprintable(), "a refusal holds what a terminal would obey"
    assert len(line) <= LONGEST, "a refusal is longer than a line"
    for part in hidden:
        assert part.lower() not in line.lower(), "a refusal names what nobody may see"
