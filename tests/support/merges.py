"""Random connections as the core sees them: what is recorded, what is wanted, and who was where before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from reconciler.core.diff import Merge, Side
from reconciler.core.model import Export
from reconciler.core.people import Person
from reconciler.core.record import Claim, RecordedExport
from reconciler.core.roster import Entry, Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.core.diff import Step

SLOTS = (1, 2, 3)
NUMBERS = (1, 2, 3, 4)
"""Exports; the last is recorded, and no side of the merge knows it."""


@dataclass(frozen=True)
class Scene:
    """One connection before a run. `gone` are the numbers of retired exports that leave their people where they are."""

    sides: tuple[Side, ...]
    claims: tuple[Claim, ...]
    foreign: Mapping[bytes, frozenset[int]] = field(default_factory=dict)

    @property
    def merge(self) -> Merge:
        return Merge(self.sides, self.foreign, digest)

    @property
    def leaves_behind(self) -> set[int]:
        return {s.entry.number for s in self.sides if s.entry.mode is Mode.RETIRE and s.entry.keeps_retired}

    def steps(self) -> list[Step]:
        return list(self.merge.steps(iter(self.claims)))

    def recorded(self, claims: Iterable[Claim]) -> Scene:
        """Give the same wishes over another record."""
        return Scene(self.sides, tuple(sorted(claims)), self.foreign)


def person_key(number: int) -> bytes:
    return number.to_bytes(16)


def content(number: int) -> bytes:
    return bytes([number]) * 16


def digest(contact: bytes) -> bytes:
    return hashlib.blake2b(contact, digest_size=16).digest()


def after(claims: Iterable[Claim], steps: Iterable[Step]) -> tuple[Claim, ...]:
    """Put what every step leads to in the place of what was recorded."""
    now: dict[bytes, tuple[Claim, ...]] = {}
    for claim in claims:
        now[claim.key] = (*now.get(claim.key, ()), claim)
    for step in steps:
        assert now.get(step.key, ()) == step.before
        now[step.key] = step.after
    return tuple(sorted(claim for several in now.values() for claim in several))


def _contact(number: int, export: int, digest: int) -> bytes:
    fields = {"Email": f"person{number}@example.com", f"Field{export}": str(digest)}
    if (number + export + digest) % 3:  # some have no value for the field that several send
        fields["Shared"] = f"{export}/{digest}"
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


_HELD = st.integers(-12, 15)
"""What an export holds of a person: nothing below 0, else one of two contents and a set of three lists."""

_WANTED = st.integers(-8, 13)
"""What an export wants of a person: nothing below 0, else one of two contents and one of the masks that are not 0."""

_person = st.tuples(
    st.integers(0, 3),  # the list that the person was on before, or none
    st.tuples(*[_HELD] * len(NUMBERS)),
    st.tuples(*[_WANTED] * len(NUMBERS)),
)
_declared = st.tuples(
    st.sampled_from([Mode.RUN, Mode.RUN, Mode.HOLD, Mode.RETIRE]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(list(permutations(SLOTS))),
)
_declarations = st.lists(_declared, min_size=1, max_size=len(NUMBERS) - 1)


def scenes(*, most: int = 5, copies: int = 1) -> st.SearchStrategy[Scene]:
    """Give connections; each drawn person stands for up to `copies` who are alike."""
    return st.builds(_scene, _declarations, st.lists(st.tuples(st.integers(1, copies), _person), max_size=most))


_Declared = tuple[Mode, bool, bool, bool, tuple[int, ...]]
_Person = tuple[int, tuple[int, ...], tuple[int, ...]]


def _scene(declared: Sequence[_Declared], people: Sequence[tuple[int, _Person]]) -> Scene:
    persons = [person for copies, person in people for _ in range(copies)]
    claims = []
    foreign = {person_key(k): frozenset({before}) for k, (before, _, _) in enumerate(persons) if before}
    for k, (before, held, _) in enumerate(persons):
        for number, code in zip(NUMBERS, held, strict=True):
            if code >= 0:
                slots = tuple(slot for i, slot in enumerate(SLOTS) if code >> i & 1 and slot != before)
                claims.append(Claim(person_key(k), number, content(1 + code // 8), slots))
    known = NUMBERS[-1 - len(declared) : -1]  # so that strangers come before and after
    sides = tuple(_side(number, persons, each, known) for number, each in zip(known, declared, strict=True))
    return Scene(sides, tuple(sorted(claims)), foreign)


def _side(number: int, persons: Sequence[_Person], declared: _Declared, known: Sequence[int]) -> Side:
    mode, keep_leavers, keep_retired, yields, slots = declared
    name = f"export-{number}"
    export = Export(name, "profiles", "account", (), (), keep_leavers=keep_leavers)
    entry = Entry(
        number=number,
        name=name,
        export=None if mode is Mode.RETIRE else export,
        recorded=RecordedExport(number, name, 0, keep_retired=keep_retired),
        mode=mode,
        slots=slots,
    )
    people = {}
    for k, (_, _, wanted) in enumerate(persons):
        code = wanted[number - 1]
        if code >= 0:
            digest, mask = 1 + code // 7, 1 + code % 7
            contact = _contact(k, number, digest)
            people[person_key(k)] = Person(str(k), mask, content(digest), f"person{k}@example.com", contact)
    left = {other: frozenset({("Shared",)}) for other in known if yields and other > number}
    return Side(entry, people if mode is Mode.RUN else None, rank=-number, yields=left)
