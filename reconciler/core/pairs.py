"""Decides nothing: brings people and what is recorded of them together, as two ascending streams in constant memory."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.core.record import Claim

NOTHING: tuple[Claim, ...] = ()


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
