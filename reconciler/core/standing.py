"""Decides what may be recorded of a person while the requests of its step come back one by one.

What is recorded is what was acknowledged, never what was planned: a run that is cut off goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.core.ports import ClaimWrite

if TYPE_CHECKING:
    from reconciler.core.diff import Step
    from reconciler.core.model import Claim


@dataclass(slots=True)
class Standing:
    """How far one step has come. `open` counts requests that are still to be answered or to be made."""

    step: Step
    sent: bool = False
    contact_id: str | None = None
    added: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)

    @property
    def done(self) -> bool:
        """Whether everything that the step asks for is acknowledged."""
        step = self.step
        return (self.sent or not step.push) and self.added.issuperset(step.add) and self.removed.issuperset(step.remove)

    def claims(self) -> tuple[ClaimWrite, ...]:
        """Give every claim of the person that differs from what was recorded before the step."""
        before = {claim.export: claim for claim in self.step.before}
        after = {claim.export: claim for claim in self.step.after}
        writes = []
        for number in sorted(before.keys() | after.keys()):
            old, new = before.get(number), after.get(number)
            if old != new:
                writes.append(self._claim(number, old, new))
        return tuple(writes)

    def _claim(self, number: int, old: Claim | None, new: Claim | None) -> ClaimWrite:
        step = self.step
        had = set(old.slots) if old else set()
        wanted = set(new.slots) if new else set()
        held_back = {slot for slot in had - wanted if slot in step.remove and slot not in self.removed}
        gained = {slot for slot in wanted - had if slot not in step.add or slot in self.added}
        slots = tuple(sorted((had & wanted) | held_back | gained))
        if new is not None and (self.sent or not step.push):
            return ClaimWrite(number, step.key, new.digest, slots)
        if old is None or (new is None and not slots):
            return ClaimWrite(number, step.key, None)
        return ClaimWrite(number, step.key, old.digest, slots)

    @property
    def forgotten(self) -> bool:
        """Whether no export holds the person any more, so that the contact's id goes too."""
        gone = {write.export for write in self.claims() if write.digest is None}
        held = {claim.export for claim in (*self.step.before, *self.step.after)}
        return held <= gone
