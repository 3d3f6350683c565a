"""Clears up what a run that was cut off left in doubt: who may be on a list, or off it, without being recorded so.

Most doubts need no look: whoever is still wanted is sent and put on the list again, which is safe, and stays in doubt
until that is about to be sent. Only for people who are not wanted any more is the list read, because they would stay on
it for ever; who is found there is recorded, and so leaves.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.digest import UNKNOWN
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.core.record import Claim
from reconciler.flow.parcels import NO_LIST

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reconciler.core.digest import Digests
    from reconciler.core.ports import Destination, LedgerReader
    from reconciler.core.record import Intent
    from reconciler.flow.outside import Outside
    from reconciler.flow.plan import Prepared


Held = dict[tuple[bytes, int], Claim]
"""Claims by person and export."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What is to be recorded of the doubts of one connection; `changed`: claims with it, so that the plan is stale."""

    batch: Acknowledged
    changed: bool


def clear_up(one: Prepared, ledger: LedgerReader, outside: Outside, digests: Digests) -> Cleared | None:
    """Clear up the doubts of one connection, without recording it; None: there are none.

    Doubts of an export that does not run now stay. Raises DestinationError when a list that must be read cannot be.
    """
    doubts = ledger.doubtful(one.recorded_name) if one.connection is not None else ()
    running = {e.number for e in one.judged.roster.entries} - one.judged.held
    concerned = [doubt for doubt in doubts if doubt.export in running]
    if not concerned or one.connection is None:
        return None
    keys = {key for doubt in concerned for key in doubt.keys}
    recorded = {(c.key, c.export): c for c in ledger.claims(one.recorded_name) if c.key in keys}
    sure = recorded | _unsure(one, concerned, recorded)
    unwanted = _unwanted(one, concerned, recorded)
    contacts: dict[bytes, str] = {}
    if unwanted:
        contacts = _look(one, unwanted, sure, ledger, outside, digests)
    settled = frozenset((doubt.serial, doubt.number) for doubt in concerned)
    kept = [_kept(one, doubt, running) for doubt in doubts if (doubt.serial, doubt.number) in settled]
    changed = [claim for place, claim in sure.items() if recorded.get(place) != claim]
    writes = tuple(ClaimWrite(c.export, c.key, c.digest, c.slots) for c in changed)
    batch = Acknowledged(
        claims=writes,
        contacts=dict(contacts),
        intents=tuple(doubt for doubt in kept if doubt.keys),
        settled=tuple(settled),
    )
    return Cleared(batch, changed=bool(changed))


def _kept(one: Prepared, doubt: Intent, running: Collection[int]) -> Intent:
    """Give what of a doubt stays: what an export that does not run now began, and who is to be on the list again."""
    if doubt.export not in running:
        return doubt
    if doubt.slot == NO_LIST:  # the record says by now that the content is not known
        return doubt._replace(keys=())
    return doubt._replace(keys=tuple(key for key in doubt.keys if one.judged.merge.wants(key, doubt.slot)))


def _unsure(one: Prepared, doubts: list[Intent], recorded: Held) -> Held:
    """Give claims without what may be so no more: it is sent and made again where it is wanted.

    The contact may hold what was sent since, which nobody may want now and somebody may want after this run was not
    agreed to. Whoever is wanted on a list again may have been taken off it.
    """
    slots: dict[bytes, set[int]] = {}
    for doubt in doubts:
        for key in doubt.keys:
            slots.setdefault(key, set()).add(doubt.slot)
    whole: dict[bytes, tuple[Claim, ...]] = {}
    for (key, _), claim in sorted(recorded.items()):
        whole[key] = (*whole.get(key, ()), claim)
    unsure: Held = {}
    for (key, export), claim in recorded.items():
        wanted = {each.export: each for each in one.judged.merge.wanted(key, whole[key])}
        again = slots[key].intersection(slot for each in wanted.values() for slot in each.slots)
        kept = tuple(slot for slot in claim.slots if slot not in again)
        unsure[key, export] = claim._replace(digest=UNKNOWN, slots=kept)
    return unsure


def _unwanted(one: Prepared, doubts: list[Intent], recorded: Held) -> dict[int, dict[bytes, int]]:
    """Give, by slot, the people in doubt who are neither wanted nor recorded on that list, with the export that did."""
    held = {(claim.key, slot) for claim in recorded.values() for slot in claim.slots}
    unwanted: dict[int, dict[bytes, int]] = {}
    for doubt in doubts:
        if doubt.slot == NO_LIST:
            continue
        for key in doubt.keys:
            if (key, doubt.slot) not in held and not one.judged.merge.wants(key, doubt.slot):
                unwanted.setdefault(doubt.slot, {})[key] = doubt.export
    return unwanted


def _look(  # where, whom, what is known of them, and the three parts that it takes
    one: Prepared,
    unwanted: Mapping[int, Mapping[bytes, int]],
    claims: Held,
    ledger: LedgerReader,
    outside: Outside,
    digests: Digests,
) -> dict[bytes, str]:
    """Read the lists in doubt, note everybody in doubt who is there among `claims`, and give their contact ids."""
    assert one.connection is not None
    name = one.recorded_name
    lists = {entry.slot: entry.list_id for entry in ledger.lists(name)}
    foreign = ledger.foreign(name)
    contacts: dict[bytes, str] = {}
    with closing(outside.destination(one.connection)) as destination:
        for slot in sorted(unwanted.keys() & lists.keys()):
            for key, contact in _members(destination, lists[slot], digests).items():
                if key in unwanted[slot] and slot not in foreign.get(key, ()):
                    place = key, unwanted[slot][key]
                    past = claims.get(place, Claim(*place, UNKNOWN, ()))
                    claims[place] = past._replace(slots=tuple(sorted({*past.slots, slot})))
                    contacts[key] = contact
    return contacts


def _members(destination: Destination, list_id: str, digests: Digests) -> dict[bytes, str]:
    pages = destination.members(list_id)
    return {digests.person(address): contact for page in pages for contact, address in page if address and contact}
