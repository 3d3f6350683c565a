"""Decides what a plan says of one export below its counts: its lists, and what there is to know of its people."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING

from reconciler.core.plan import SegmentPlan

if TYPE_CHECKING:
    from reconciler.core.people import Gathered
    from reconciler.core.roster import Entry, Roster
    from reconciler.core.tally import Tally

_MASK = attrgetter("mask")  # a generator would take four times as long, in every plan


def segments(roster: Roster, entry: Entry, tally: Tally, gathered: Gathered | None) -> tuple[SegmentPlan, ...]:
    """Give a row for each segment of an export, declared or recorded."""
    titles, number = roster.titles, entry.number
    masks = Counter(map(_MASK, gathered.people.values())) if gathered else Counter[int]()
    rows = []
    for index, (use, slot) in enumerate(zip(entry.export.segments if entry.export else (), entry.slots, strict=True)):
        members = sum(n for mask, n in masks.items() if mask >> index & 1)
        add, remove = tally.add[number, slot], tally.remove[number, slot]
        rows.append(SegmentPlan(use.segment, titles[slot], members, add, remove, slot in roster.fresh))
    for name, (title, slot) in sorted((entry.recorded.segments if entry.recorded else {}).items()):
        if slot not in entry.slots:
            rows.append(SegmentPlan(name, titles.get(slot, title), 0, 0, tally.remove[number, slot]))
    return tuple(rows)


def notes(roster: Roster, entry: Entry, gathered: Gathered | None) -> tuple[str, ...]:
    """Give a sentence for each list that is to be read first, and each column with values of another type."""
    behind = sorted({roster.titles[slot] for slot in roster.behind.intersection(entry.slots)})
    said = [
        f"{title}: the state was put back, so apply reads this list before anybody is taken off it" for title in behind
    ]
    if gathered is None or entry.export is None:
        return tuple(said)
    kinds = {m.column: m for m in entry.export.match}
    for column, number in sorted(gathered.wrong.items()):
        match = kinds[column]
        kind = match.kind.value if match.kind else "text"
        hint = "; declare its `format`" if kind == "date" else ""
        many = f"{number:,} values of {column} are" if number > 1 else f"1 value of {column} is"
        said.append(f"{match.field}: {many} not of type {kind}{hint}")
    return tuple(said)
