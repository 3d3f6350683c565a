"""Decides what may be recorded of a person while the requests of its step come back one by one.

What is recorded is what was acknowledged, never what was planned: a run that is cut off goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.ports import ClaimWrite

if TYPE_CHECKING:
    from reconciler.core.diff import Step
    from reconciler.core.record import Claim


@dataclass(slots=True)
class Standing:
    """How far one step has come: whether the contact is sent, and which memberships are made and ended."""

    step: Step
    contact_id: str | None = None
    sent: bool = False
    added: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()

    @property
    def done(self) -> bool:
        """Whether everything that the step asks for is acknowledged."""
        step = self.step
        return (
            (self.sent or not step.push) and len(self.added) >= len(step.add) and len(self.removed) >= len(step.remove)
        )

    def known_as(self, contact_id: str) -> None:
        """Take in the contact's id. Another one than before is a new contact, which is on no list yet."""
        if self.contact_id not in {None, contact_id}:
            step = self.step
            wanted = {slot for claim in step.after for slot in claim.slots}
            before = tuple(claim._replace(slots=()) for claim in step.before)
            self.step = step._replace(before=before, add=tuple(sorted(wanted)), remove=())
        self.contact_id = contact_id

    def claims(self) -> tuple[ClaimWrite, ...]:
        """Give every claim of the person that differs from what was recorded before the step."""
        step = self.step
        if not step.before and self.done:
            return tuple(ClaimWrite(claim.export, step.key, claim.digest, claim.slots) for claim in step.after)
        before = {claim.export: claim for claim in step.before}
        after = {claim.export: claim for claim in step.after}
        numbers = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
        return tuple(self._claim(n, before.get(n), after.get(n)) for n in numbers)

    def _claim(self, number: int, old: Claim | None, new: Claim | None) -> ClaimWrite:
        step = self.step
        had = set(old.slots) if old else set()
        wanted = set(new.slots) if new else set()
        sent = self.sent or not step.push
        # What another export takes over stays with this one until that one's claim can be written: when all is sent
        held_back = {slot for slot in had - wanted if slot not in self.removed and (slot in step.remove or not sent)}
        gained = {slot for slot in wanted - had if slot not in step.add or slot in self.added}
        slots = tuple(sorted((had & wanted) | held_back | gained))
        if new is not None and sent:
            return ClaimWrite(number, step.key, new.digest, slots)
        # Whoever lets a person go stays recorded until the contact is sent, or a run that is cut off would forget to.
        if old is None or (new is None and not slots and sent):
            return ClaimWrite(number, step.key, None)
        return ClaimWrite(number, step.key, old.digest, slots)

    def forgotten(self, claims: tuple[ClaimWrite, ...]) -> bool:
        """Whether no export holds the person any more once `claims` are written, so that the contact's id goes too."""
        if not any(write.digest is None for write in claims):
            return False
        gone = {write.export for write in claims if write.digest is None}
        return gone.issuperset(claim.export for claim in (*self.step.before, *self.step.after))
