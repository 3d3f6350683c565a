"""Brings people and what is recorded of them together, as two ascending streams; it decides who is as recorded."""

from __future__ import annotations

from collections import Counter
from itertools import chain, groupby
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from reconciler.core.people import Person
    from reconciler.core.record import Claim

NOTHING: tuple[Claim, ...] = ()

Pair: TypeAlias = "tuple[bytes, tuple[Claim, ...], tuple[Claim, ...]]"
"""A person's key, what is recorded, and what is to be; the same object twice where nothing changes."""

Alike = tuple[tuple[int, tuple[int, ...]], ...]
"""What people have in common who are counted together: for each of their claims the export and the slots."""


_KEY, _SLOTS, _PART = attrgetter("key"), attrgetter("slots"), attrgetter("export", "slots")


class SlotsByMask(dict[int, tuple[int, ...]]):
    """Slots by mask, worked out once for each mask that occurs."""

    def __init__(self, slots: Sequence[int]) -> None:
        super().__init__()
        self._all = slots

    def __missing__(self, mask: int) -> tuple[int, ...]:
        found = self[mask] = tuple(sorted({slot for i, slot in enumerate(self._all) if mask >> i & 1}))
        return found


def pair(keys: Iterable[bytes], recorded: Iterator[Claim]) -> Iterator[tuple[bytes, tuple[Claim, ...]]]:
    """Merge ascending keys with ascending claims: each key of either side once, with its claims."""
    claim = next(recorded, None)
    for key in keys:
        while claim is not None and claim.key < key:
            other, claims, claim = _run(claim, recorded)
            yield other, claims
        if claim is None or claim.key != key:
            yield key, NOTHING
            continue
        following = next(recorded, None)
        if following is None or following.key != key:  # the hot path of every plan: one claim
            yield key, (claim,)
            claim = following
        else:
            _, claims, claim = _run(claim, chain((following,), recorded))
            yield key, claims
    while claim is not None:
        other, claims, claim = _run(claim, recorded)
        yield other, claims


def unlike(
    people: Mapping[bytes, Person],
    export: int,
    slots: Mapping[int, tuple[int, ...]],
    recorded: Iterable[Claim],
    odd: Collection[bytes],
    same: Counter[tuple[int, ...]],
) -> tuple[list[bytes], list[Claim]]:
    """Give the keys and the claims that are not alike, ascending; who is as recorded is counted by slots in `same`.

    `export` is the only one that wants `people`. A person of whom there are claims of other exports too is never alike,
    nor is one that is `odd`. This is the hot path of every run in which little has changed: it does no more for each
    person than to compare.
    """
    others: list[Claim] = []
    alike: list[Claim] = []
    add, found = alike.append, people.get
    shared = b""
    for claim in recorded:
        key, number, digest, held = claim
        if number != export:
            if alike and alike[-1].key == key:
                others.append(alike.pop())
            shared = key
        elif key != shared and not (odd and key in odd):
            person = found(key)
            if person is not None and digest == person.digest and held == slots[person.mask]:
                add(claim)
                continue
        others.append(claim)
    same.update(map(_SLOTS, alike))
    new = people.keys() - set(map(_KEY, alike)) if len(alike) < len(people) else ()
    return sorted(new), others


def at_rest(recorded: Iterable[Claim]) -> Counter[Alike]:
    """Count the people of claims that all stay as they are."""
    people = (tuple(map(_PART, claims)) for _, claims in groupby(recorded, _KEY))
    return Counter(people)


def _run(first: Claim, recorded: Iterator[Claim]) -> tuple[bytes, tuple[Claim, ...], Claim | None]:
    """Take all claims of one key."""
    claim = next(recorded, None)
    if claim is None or claim.key != first.key:
        return first.key, (first,), claim
    claims = [first]
    while claim is not None and claim.key == first.key:
        claims.append(claim)
        claim = next(recorded, None)
    return first.key, tuple(claims), claim
