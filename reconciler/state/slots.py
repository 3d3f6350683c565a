"""The list slots of a claim as text, "1 3", and back. It decides nothing.

People of one export are on few different sets of lists, so each text and each tuple is made once.
"""

from __future__ import annotations


class Written(dict[tuple[int, ...], str]):
    """Slots to text, ascending and without repetitions: `drop_list` relies on it."""

    __slots__ = ()

    def __missing__(self, slots: tuple[int, ...]) -> str:
        text = self[slots] = " ".join(map(str, sorted(set(slots))))
        return text


class Parsed(dict[str, tuple[int, ...]]):
    """Text to slots."""

    __slots__ = ()

    def __missing__(self, text: str) -> tuple[int, ...]:
        slots = self[text] = tuple(map(int, text.split()))
        return slots
