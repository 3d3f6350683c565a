"""Decides when two names of columns are one: as every engine compares them that profiles are read with."""

from __future__ import annotations


def folded(text: str) -> str:
    """Give the form under which names are compared: only the letters of ASCII lose their case."""
    return text.encode().lower().decode()
