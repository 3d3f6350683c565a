"""Decides which names objects have in a shared store: those that every one of them keeps as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Azure drops a dot at the end of a part, and trees of git refuse one that is all dots, or hides
_PART = r"[a-z0-9_-](?:[a-z0-9_.-]*[a-z0-9_-])?"
_NAME = re.compile(rf"{_PART}(?:/{_PART}){{0,7}}")


def proper(name: str) -> bool:
    """Tell whether this is a name; whatever else lies in a store is somebody else's."""
    return _NAME.fullmatch(name) is not None


def checked(name: str) -> str:
    """Give the name back. Raises ValueError, a fault of ours, when it is none."""
    if not proper(name):
        raise ValueError(f"not a name for a stored object: {name!r}")
    return name


def below(folder: str, names: Iterable[str]) -> tuple[str, ...]:
    """Give those names that are below a folder (`""`: all), ascending."""
    start = f"{checked(folder)}/" if folder else ""
    return tuple(sorted(name for name in names if name.startswith(start) and proper(name)))
