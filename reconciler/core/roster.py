"""Decides which recorded export and which list each declared export and segment is: by name, by rename, by title."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.core.model import Export, Segment, SegmentUse
    from reconciler.core.record import RecordedExport, RecordedList


class Mode(Enum):
    """What a run does with an export's people: bring them up to date, leave them as they are, or take them off."""

    RUN = "run"
    HOLD = "hold"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class Entry:
    """One export of a connection: as declared, as recorded, or both. `slots` gives the list of each segment in order.

    `export` None: it is recorded and no longer declared. `idle` says why a held export is not run.
    """

    number: int
    name: str
    export: Export | None
    recorded: RecordedExport | None
    mode: Mode
    slots: tuple[int, ...] = ()
    renamed_from: str | None = None
    idle: str = ""

    @property
    def keeps_retired(self) -> bool:
        """Whether its people stay on their lists when it is retired, as the state remembers."""
        return self.recorded is not None and self.recorded.keep_retired


@dataclass(frozen=True, slots=True)
class Roster:
    """Every export of a connection, and the title of every list by slot.

    `fresh` are slots without a list yet, `behind` those of lists that may hold people of ours who are not recorded.
    """

    entries: tuple[Entry, ...]
    titles: Mapping[int, str]
    fresh: frozenset[int]
    behind: frozenset[int] = frozenset()


def roster(
    exports: Iterable[Export],
    segments: Mapping[str, Segment],
    recorded: Sequence[RecordedExport],
    lists: Sequence[RecordedList],
    idle: Mapping[str, str],
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> Roster:
    """Match what is declared with what is recorded, for one connection.

    `exports` are those declared for it; `idle` names the declared exports that do not run now, with the reason;
    `elsewhere` names recorded exports that stay as they are although none of `exports` is theirs, with the reason.
    """
    known = {r.name: r for r in recorded}
    titles = {entry.slot: entry.title for entry in lists}
    slots = {title: slot for slot, title in sorted(titles.items(), reverse=True)}
    spare = max((r.number for r in recorded), default=0)
    entries: list[Entry] = []
    taken: set[int] = set()
    for export in sorted(exports, key=lambda e: e.name):
        past = known.get(export.name) or known.get(export.previous_name or "")
        if past is None:
            spare += 1
        else:
            taken.add(past.number)
        chosen = tuple(_slot(use, segments, past, titles, slots) for use in export.segments)
        entries.append(_declared(export, past, spare, chosen, idle.get(export.name)))
    for past in recorded:
        if past.number not in taken:
            reason = elsewhere.get(past.name)
            mode = Mode.RETIRE if reason is None else Mode.HOLD
            entries.append(Entry(past.number, past.name, None, past, mode, idle=reason or ""))
    fresh = frozenset(titles) - {entry.slot for entry in lists}
    return Roster(tuple(entries), titles, fresh, frozenset(entry.slot for entry in lists if entry.behind))


def _declared(
    export: Export, past: RecordedExport | None, spare: int, slots: tuple[int, ...], idle: str | None
) -> Entry:
    return Entry(
        number=spare if past is None else past.number,
        name=export.name,
        export=export,
        recorded=past,
        mode=Mode.RUN if idle is None else Mode.HOLD,
        slots=slots,
        renamed_from=past.name if past and past.name != export.name else None,
        idle=idle or "",
    )


def _slot(
    use: SegmentUse,
    segments: Mapping[str, Segment],
    past: RecordedExport | None,
    titles: dict[int, str],
    slots: dict[str, int],
) -> int:
    """Find the segment's list: the recorded one while the title is the same, also after a rename; else by title.

    Autopilot has no call that renames a list, so a renamed segment whose title was never written out keeps its list.
    """
    before = past.segments if past else {}
    former = before.get(segments[use.segment].previous_name or "")
    recorded = before.get(use.segment)
    if recorded is not None and (recorded[0] == use.title) and recorded[1] in titles:
        return recorded[1]
    if recorded is None and former is not None and not use.named and former[1] in titles:
        return former[1]
    slot = slots.get(use.title)
    if slot is None:
        slot = slots[use.title] = max(titles, default=0) + 1
        titles[slot] = use.title
    return slot
