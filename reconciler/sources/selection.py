"""Decides the one SELECT that finds the members of all wanted segments in one scan; it reads nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.sources import kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.core.ports import Row

WIDTH = 60
"""Segments in one mask of the engine, a BIGINT; more of them take more masks, which `joined` puts together."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One segment: SQL of its predicate over the profiles `p`, or the name under which memberships hold it.

    `columns` are those that the predicate reads.
    """

    predicate: str | None = None
    member: str | None = None
    columns: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tables:
    """SQL of the rows of the profiles and the memberships, and SQL of their columns.

    `text` is what the engine calls text, and `literal` writes one for it.
    """

    profiles: str = ""
    id: str = ""
    memberships: str = ""
    member_id: str = ""
    member_segment: str = ""
    text: str = "VARCHAR"
    literal: Callable[[str], str] = kinds.literal


def masks(wanted: Sequence[Wanted]) -> int:
    """Give the number of masks that so many segments take."""
    return -(-len(wanted) // WIDTH)


def members(tables: Tables, wanted: Sequence[Wanted], columns: Sequence[str]) -> str:
    """Give SQL of (id as text, mask…, column…) for every profile in at least one segment."""
    words = [_mask(wanted, word) for word in range(masks(wanted))]
    return f"SELECT CAST({tables.id} AS {tables.text}), {', '.join((*words, *columns))} {_from(tables, wanted)}"


def count(tables: Tables, wanted: Sequence[Wanted]) -> str:
    """Give SQL of (distinct ids, profiles without an id) among the profiles in at least one segment."""
    key = f"CAST({tables.id} AS {tables.text})"
    nameless = f"count(*) FILTER (WHERE {key} IS NULL OR {key} = '')"
    return f"SELECT count(DISTINCT {key}), {nameless} {_from(tables, wanted)}"


def tried(tables: Tables, wanted: Sequence[Wanted]) -> str:
    """Give SQL of one row, for which every predicate is looked at for every profile that is kept."""
    words = (f"bit_or({_mask(wanted, word)})" for word in range(masks(wanted)))
    return f"SELECT {', '.join(words)} {_from(tables, wanted)}"


def names(tables: Tables, most: int) -> str:
    """Give SQL of the names of the segments that memberships hold, at most `most`."""
    return f"SELECT DISTINCT CAST({tables.member_segment} AS {tables.text}) FROM ({tables.memberships}) LIMIT {most}"  # noqa: S608  # quoted


def joined(row: Row, words: int) -> Row:
    """Put the masks of a row together."""
    mask = 0
    for word in range(words):
        part = row[1 + word]
        assert isinstance(part, int)
        mask |= part << (WIDTH * word)
    return (row[0], mask, *row[1 + words :])


def _from(tables: Tables, wanted: Sequence[Wanted]) -> str:
    """Write the scan: a profile is kept when a predicate is true for it, or when memberships hold it."""
    predicates = [segment.predicate for segment in wanted if segment.predicate is not None]
    if len(predicates) == len(wanted):
        return f"FROM ({tables.profiles}) p WHERE {' OR '.join(predicates)}"
    held = f"({_held(tables, wanted)}) m ON CAST({tables.id} AS {tables.text}) = m.k"
    if not predicates:
        return f"FROM ({tables.profiles}) p JOIN {held}"
    return f"FROM ({tables.profiles}) p LEFT JOIN {held} WHERE m.k IS NOT NULL OR {' OR '.join(predicates)}"


def _held(tables: Tables, wanted: Sequence[Wanted]) -> str:
    """Write the memberships that matter, one row an id, however often an id is listed."""
    bits: dict[str, int] = {}
    for bit, segment in enumerate(wanted):
        if segment.member is not None:
            bits[segment.member] = bits.get(segment.member, 0) | 1 << bit
    words = []
    for word in range(masks(wanted)):
        arms = "".join(
            f" WHEN {tables.literal(name)} THEN {mask >> WIDTH * word & ((1 << WIDTH) - 1)}"
            for name, mask in bits.items()
        )
        words.append(f"bit_or(CAST(CASE s{arms} ELSE 0 END AS BIGINT)) AS w{word}")
    listed = ", ".join(map(tables.literal, bits))
    keyed = f"CAST({tables.member_id} AS {tables.text}) AS k, CAST({tables.member_segment} AS {tables.text}) AS s"
    rows = f"SELECT {keyed} FROM ({tables.memberships})"  # noqa: S608  # quoted
    return f"SELECT k, {', '.join(words)} FROM ({rows}) WHERE s IN ({listed}) AND k IS NOT NULL GROUP BY k"  # noqa: S608  # quoted


def _mask(wanted: Sequence[Wanted], word: int) -> str:
    """Write one mask: bit i is set when the profile is in segment `word * WIDTH + i`."""
    part = wanted[word * WIDTH : (word + 1) * WIDTH]
    bits = [
        f"CASE WHEN {segment.predicate} THEN CAST({1 << bit} AS BIGINT) ELSE 0 END"
        for bit, segment in enumerate(part)
        if segment.predicate is not None
    ]
    if any(segment.member is not None for segment in part):
        bits.append(f"coalesce(m.w{word}, 0)")
    return f"({' | '.join(bits)})"
