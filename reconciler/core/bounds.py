"""Decides how many people a bound of `safety` lets pass."""

from __future__ import annotations

from typing import assert_never

from reconciler.core.model import Bound, Count, Percent


def allowed(bound: Bound, recorded: int) -> float:
    """Give how many people a bound lets pass; a share of nobody is nobody."""
    match bound:
        case Percent(value):
            return recorded * value / 100
        case Count(value):
            return value
        case _:
            assert_never(bound)


def written(bound: Bound) -> str:
    """Give a bound as it is declared."""
    match bound:
        case Percent(value):
            return f"{value:g}%"
        case Count(value):
            return f"{value:,}"
        case _:
            assert_never(bound)
