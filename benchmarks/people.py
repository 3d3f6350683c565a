"""Makes up the people of the benchmarks: the same ones in every run, on every machine."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("id", "email", "first", "last", "income", "tier", "updated")
TIERS = ("bronze", "silver", "gold")
FIRST = ("Amber", "Azure", "Coral", "Green", "Indigo", "Olive", "Pearl", "Red", "Silver", "Teal", "Violet")
LAST = ("Brook", "Cliff", "Dale", "Field", "Ford", "Hill", "Lake", "Marsh", "Moor", "Ridge", "Shore", "Wood", "Yard")

EVERY = 100
"""One person of so many is changed between two runs: one per cent."""


def write(path: Path, count: int, *, changed: bool = False) -> None:
    """Write a table of `count` people, row by row; `changed` gives one per cent of them another income."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for number in range(count):
            raised = 1 if changed and number % EVERY == 0 else 0
            income = 20_000 + number * 7_919 % 90_000 + raised
            first, last = FIRST[number % len(FIRST)], LAST[number % len(LAST)]
            tier, updated = TIERS[number % len(TIERS)], f"2026-11-0{1 + raised}T06:00:00Z"
            writer.writerow((f"{number:07}", _address(number), first, last, income, tier, updated))


def _address(number: int) -> str:
    """Give an address: nine of ten people share one domain, the others are spread over a thousand."""
    domain = f"team{number // 10 % 1_000}.example.com" if number % 10 == 0 else "example.com"
    return f"person.{number}@{domain}"
