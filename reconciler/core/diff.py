"""Decides what changes for each person: desired against recorded, over all exports of one connection at once.

Both sides ascend by key, so the recorded side streams in constant memory; the desired side is bounded by the cap. One
person is one contact with the fields of every export that runs, and one membership to a list, whatever exports lead to
it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from reconciler.core.contact import has, merged, without
from reconciler.core.pairs import NOTHING, SlotsByMask, at_rest, pair, unlike
from reconciler.core.record import Claim
from reconciler.core.roster import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from reconciler.core.pairs import Alike, Pair
    from reconciler.core.people import Person
    from reconciler.core.precedence import Path
    from reconciler.core.roster import Entry


class Step(NamedTuple):
    """What one person needs. `before` and `after` are all claims of the person on this connection, by export.

    `push` says that the contact is sent; `contact` holds its bytes, unless the step was made for a plan. `add` and
    `remove` are slots. A step that neither pushes, adds nor removes only changes what is recorded.
    """

    key: bytes
    push: bool
    add: tuple[int, ...]
    remove: tuple[int, ...]
    before: tuple[Claim, ...]
    after: tuple[Claim, ...]
    address: str = ""
    contact: bytes = b""


@dataclass(frozen=True, slots=True)
class Side:
    """One export's part in the merge. `people` is None unless it runs; `rank` orders exports that map one field.

    `yields` has the fields that it leaves to exports of a higher rank, by their numbers; where it leaves any, its
    people and theirs come with their contacts.
    """

    entry: Entry
    people: Mapping[bytes, Person] | None
    rank: int
    yields: Mapping[int, frozenset[Path]] = field(default_factory=dict)


class Merge:
    """Pairs people with claims, over all exports of one connection.

    `foreign` has the slots of the lists that a person was on before we came: such a membership is neither added nor
    recorded, so it is never ours to remove. `content` digests what is sent of a person, for exports that yield.
    """

    def __init__(
        self,
        sides: Sequence[Side],
        foreign: Mapping[bytes, frozenset[int]] | None = None,
        content: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._foreign, self._content = foreign or {}, content
        self._sides = {side.entry.number: side for side in sides}
        self._running = sorted((s for s in sides if s.people is not None), key=lambda s: s.entry.number)
        self._ranked = sorted(self._running, key=lambda s: s.rank)
        self._leaves_behind = {s.entry.number for s in sides if s.entry.mode is Mode.RETIRE and s.entry.keeps_retired}
        self._slots = {s.entry.number: SlotsByMask(s.entry.slots) for s in self._running}

    def knowing(self, foreign: Mapping[bytes, frozenset[int]]) -> Merge:
        """Give the same merge with more known of who was on which list before."""
        return Merge(tuple(self._sides.values()), foreign, self._content)

    def wanted(self, key: bytes, before: tuple[Claim, ...]) -> tuple[Claim, ...]:
        """Give the claims of the exports that run and want the person; `before` is what is recorded of them."""
        return self._wanted(key, before)

    def wants(self, key: bytes, slot: int) -> bool:
        """Tell whether an export that runs wants the person on the list."""
        return any(slot in claim.slots for claim in self._wanted(key, NOTHING))

    def pairs(self, recorded: Iterator[Claim]) -> Iterator[Pair]:
        """Merge the two sides, ascending by key. Where nothing changes, `after` is `before` itself."""
        return self._pairs(self._keys(), recorded)

    def changes(self, recorded: Iterator[Claim], same: Counter[Alike]) -> Iterator[Pair]:
        """Give the pairs in which anything changes, ascending by key; everybody else is counted in `same`."""
        only = self._running[0] if len(self._running) == 1 else None
        if only is not None:
            number = only.entry.number
            counted: Counter[tuple[int, ...]] = Counter()
            keys, claims = unlike(only.people or {}, number, self._slots[number], recorded, self._foreign, counted)
            same.update({((number, slots),): people for slots, people in counted.items()})
            pairs = self._pairs(keys, iter(claims))
        elif all(side.entry.mode is Mode.HOLD for side in self._sides.values()):
            same.update(at_rest(recorded))
            return
        else:
            pairs = self.pairs(recorded)
        for pair_of in pairs:
            _, before, after = pair_of
            if before is after:
                same[tuple([(claim.export, claim.slots) for claim in after])] += 1
            else:
                yield pair_of

    def _pairs(self, keys: Iterable[bytes], recorded: Iterator[Claim]) -> Iterator[Pair]:
        one = self._running[0] if len(self._running) == 1 else None
        people, number = (one.people or {}, one.entry.number) if one else ({}, 0)
        slots: Mapping[int, tuple[int, ...]] = self._slots.get(number, {})
        wanted_by = self._wanted_of_one if one else self._wanted
        for key, before in pair(keys, recorded):
            person = people.get(key) if len(before) == 1 else None
            if person is not None and key not in self._foreign:  # the hot path: is it all as it was?
                _, export, digest, held = before[0]
                if digest == person.digest and export == number and held == slots[person.mask]:
                    yield key, before, before
                    continue
            wanted = wanted_by(key, before)
            if before == wanted:
                yield key, before, before
            elif before:
                after = self._after(before, wanted)
                yield key, before, before if after == before else after
            else:
                yield key, before, wanted

    def steps(self, recorded: Iterator[Claim]) -> Iterator[Step]:
        """Give a step for each person for whom anything changes."""
        alone = self._running[0].people if len(self._running) == 1 else None
        for key, before, after in self.changes(recorded, Counter()):
            if alone is not None and not before:  # somebody new: the hot path of a first run
                person = alone[key]
                added = after[0].slots
                yield Step(
                    key,
                    push=True,
                    add=added,
                    remove=(),
                    before=before,
                    after=after,
                    address=person.address or "",
                    contact=person.contact or b"",
                )
            else:
                yield self.step(key, before, after)

    def step(self, key: bytes, before: tuple[Claim, ...], after: tuple[Claim, ...]) -> Step:
        """Say what the change from `before` to `after` asks of the destination."""
        have = {slot for claim in before for slot in claim.slots}
        want = {slot for claim in after for slot in claim.slots}
        left = {slot for claim in before if claim.export in self._leaves_behind for slot in claim.slots}
        people = self._people(key) if after else []
        push = bool(people) and _pushes(before, after)  # who is only kept has nothing to be sent
        contacts = [self._part(key, side, person, before) for side, person in people if person.contact is not None]
        return Step(
            key=key,
            push=push,
            add=tuple(sorted(want - have)),
            remove=tuple(sorted(have - want - left)),
            before=before,
            after=after,
            address=next((person.address for _, person in people if person.address), ""),
            contact=merged(contacts) if contacts else b"",
        )

    def _keys(self) -> list[bytes]:
        if len(self._running) == 1:
            return sorted(self._running[0].people or ())
        return sorted(set().union(*(side.people or () for side in self._running)))

    def _wanted(self, key: bytes, before: tuple[Claim, ...]) -> tuple[Claim, ...]:
        claims = []
        for side in self._running:
            person = (side.people or {}).get(key)
            if person is not None:
                claims.append(self._claim(key, side, person, before))
        return tuple(claims)

    def _wanted_of_one(self, key: bytes, before: tuple[Claim, ...]) -> tuple[Claim, ...]:
        """Do the same where one export runs, which is most often so: the hot path of every plan."""
        side = self._running[0]
        person = (side.people or {}).get(key)
        return NOTHING if person is None else (self._claim(key, side, person, before),)

    def _claim(self, key: bytes, side: Side, person: Person, before: tuple[Claim, ...]) -> Claim:
        number = side.entry.number
        slots = self._slots[number][person.mask]
        if key in self._foreign:
            slots = tuple(slot for slot in slots if slot not in self._foreign[key])
        digest = person.digest
        if side.yields and self._yielded(key, side, before):
            digest = self._content(self._part(key, side, person, before))
        return Claim(key, number, digest, slots)

    def _part(self, key: bytes, side: Side, person: Person, before: tuple[Claim, ...]) -> bytes:
        """Give what an export sends of a person: its contact without the fields that others decide."""
        contact = person.contact or b""
        left = self._yielded(key, side, before) if side.yields else ()
        return without(contact, left) if left else contact

    def _yielded(self, key: bytes, side: Side, before: tuple[Claim, ...]) -> set[Path]:
        """Give the fields that others decide: by the value that they have, or sent before they were held."""
        taken: set[Path] = set()
        for number, paths in side.yields.items():
            other = self._sides[number]
            person = (other.people or {}).get(key)
            if person is not None:
                taken.update(path for path in paths if has(person.contact or b"{}", path))
            elif other.entry.mode is Mode.HOLD and any(claim.export == number for claim in before):
                taken |= paths
        return taken

    def _after(self, before: tuple[Claim, ...], wanted: tuple[Claim, ...]) -> tuple[Claim, ...]:
        """Put together what is wanted, what a held export keeps, and what `keep` leaves where it is."""
        claims = {claim.export: claim for claim in wanted}
        for claim in before:
            side = self._sides.get(claim.export)
            if side is None or side.entry.mode is Mode.HOLD:
                claims[claim.export] = claim
            elif side.entry.mode is Mode.RUN and side.entry.export is not None and side.entry.export.keep_leavers:
                now = claims.get(claim.export, claim)
                slots = tuple(sorted({*now.slots, *claim.slots}))
                claims[claim.export] = Claim(claim.key, claim.export, now.digest, slots)
        return tuple(claims[number] for number in sorted(claims))

    def _people(self, key: bytes) -> list[tuple[Side, Person]]:
        people = ((side, (side.people or {}).get(key)) for side in self._ranked)
        return [(side, person) for side, person in people if person is not None]


def _pushes(before: tuple[Claim, ...], after: tuple[Claim, ...]) -> bool:
    digests = {claim.export: claim.digest for claim in before}
    return any(digests.get(claim.export) != claim.digest for claim in after)
