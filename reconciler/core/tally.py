"""Counts what a merge means: people by export, memberships by list, requests by kind, and a digest of every step."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from reconciler.core.digest import UNKNOWN
from reconciler.core.plan import Counts, Requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.core.diff import Merge, Step
    from reconciler.core.pairs import Alike
    from reconciler.core.record import Claim

BATCH = 100
"""The most people that Autopilot takes in one bulk request (grade A)."""


class Tally:
    """What one pass of a merge found, for one connection. Filled once by `count`, then only read."""

    def __init__(self) -> None:
        self.people = 0
        self.create: Counter[int] = Counter()
        self.update: Counter[int] = Counter()
        self.rewritten: Counter[int] = Counter()
        self.unchanged: Counter[int] = Counter()
        self.leave: Counter[int] = Counter()
        self.removals: Counter[int] = Counter()
        self.add: Counter[tuple[int, int]] = Counter()
        self.remove: Counter[tuple[int, int]] = Counter()
        self._new: Counter[tuple[int, tuple[int, ...]]] = Counter()
        self._batched: Counter[int] = Counter()
        self._push_only = 0
        self._push_and_add = 0
        self._adds = 0
        self._requested_removals = 0
        self._steps = hashlib.sha256()

    @classmethod
    def count(cls, merge: Merge, recorded: Iterator[Claim]) -> Tally:
        """Run the merge once and count."""
        tally = cls()
        same: Counter[Alike] = Counter()
        for key, before, after in merge.changes(recorded, same):
            if after:
                tally.people += 1
            if not before and len(after) == 1:
                _, export, digest, slots = after[0]
                tally._new[export, slots] += 1
                tally._hash(key, slots, (), [(export, digest)], push=True)
            else:
                tally._changed(merge.step(key, before, after))
        tally._expand(same)
        return tally

    @classmethod
    def at_rest(cls, export: int, people: int) -> Tally:
        """Give the same for a connection of which one export has claims, and nothing runs: so many people stay."""
        tally = cls()
        tally.people = tally.unchanged[export] = people
        return tally

    def _expand(self, same: Counter[Alike]) -> None:
        """Work out what people who are alike mean: those who are as recorded, and those of one new claim."""
        for claims, number in same.items():
            self.people += number if claims else 0
            for export, _ in claims:
                self.unchanged[export] += number
        for (export, slots), number in self._new.items():
            self.create[export] += number
            for slot in slots:
                self.add[export, slot] += number
                self._batched[slot] += number
            self._adds += number * len(slots)
            self._push_and_add += number if slots else 0
            self._push_only += 0 if slots else number

    def _changed(self, step: Step) -> None:
        before = {claim.export: claim for claim in step.before}
        after = {claim.export: claim for claim in step.after}
        for number in before.keys() | after.keys():
            self._claim(number, before.get(number), after.get(number), step)
        self._adds += len(step.add)
        self._requested_removals += len(step.remove)
        self._batched.update(step.add)
        self._push_only += step.push and not step.add
        self._push_and_add += step.push and bool(step.add)
        self._hash(step.key, step.add, step.remove, [(c.export, c.digest) for c in step.after], push=step.push)

    def _claim(self, number: int, before: Claim | None, after: Claim | None, step: Step) -> None:
        """Count one export's part; a membership that another export holds too is neither added nor removed."""
        had = set(before.slots) if before else set()
        has = set(after.slots) if after else set()
        gone = (had - has).intersection(step.remove)
        self.add.update((number, slot) for slot in (has - had).intersection(step.add))
        self.remove.update((number, slot) for slot in gone)
        self.removals[number] += bool(gone)
        if before is None:
            self.create[number] += 1
        elif after is None:
            self.leave[number] += 1
        elif before != after:
            self.update[number] += 1
            # Who is sent whole for want of knowledge has not changed in the source, which is what the rule is about.
            self.rewritten[number] += before.digest not in {after.digest, UNKNOWN}
        else:
            self.unchanged[number] += 1

    def _hash(  # what a step is, in parts, because most people need no step to be made
        self, key: bytes, add: Sequence[int], remove: Sequence[int], after: list[tuple[int, bytes]], *, push: bool
    ) -> None:
        """Feed the step in a form that no two different steps share: fixed sizes, or text with separators."""
        slots = f"{add}{remove}{[export for export, _ in after]}"
        self._steps.update(b"%b%d%b%b\n" % (key, push, slots.encode(), b"".join(digest for _, digest in after)))

    @property
    def digest(self) -> str:
        """SHA-256 of every step, in hexadecimal; the same in every process."""
        return self._steps.hexdigest()

    def counts(self, number: int, desired: int) -> Counts:
        """People of one export; kept are those that it still holds beyond the desired."""
        held = self.create[number] + self.update[number] + self.unchanged[number]
        kept = max(held - desired, 0)
        return Counts(
            desired=desired,
            create=self.create[number],
            update=self.update[number],
            unchanged=self.unchanged[number] - kept,
            leave=self.leave[number],
            kept=kept,
        )

    def requests(self, *, bulk_lists: bool, fresh: int, probe: bool) -> Requests:
        """Count the requests, as the courier sends them. `fresh` is how many lists are not known yet.

        Bulk items of one request are all for the same list, because what Autopilot does with a mixed batch is not
        known. Where bulk items may not carry a list, a person who is new to one goes alone, with that list.
        """
        lists = fresh + 1 if fresh else 0
        checks = 2 if probe and self._adds else 0
        if bulk_lists:
            bulk = sum(-(-n // BATCH) for n in self._batched.values()) + -(-self._push_only // BATCH)
            return Requests(lists=lists, checks=checks, bulk=bulk, removals=self._requested_removals)
        return Requests(
            lists=lists,
            checks=checks,
            bulk=-(-self._push_only // BATCH),
            single=self._push_and_add,
            joins=self._adds - self._push_and_add,
            removals=self._requested_removals,
        )
