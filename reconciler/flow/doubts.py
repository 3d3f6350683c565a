"""Clears up what a run that was cut off left in doubt: who may be on a list without being recorded there.

Most doubts need no look: whoever is still wanted on the list is sent again, which is safe. Only for people who are not
wanted any more is the list read, because they would stay on it for ever; who is found there is recorded, and so leaves.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from reconciler.core.digest import SIZE
from reconciler.core.model import Claim
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.flow.parcels import NO_LIST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.digest import Digests
    from reconciler.core.model import Intent
    from reconciler.core.ports import Destination, Ledger
    from reconciler.flow.outside import Outside
    from reconciler.flow.plan import Prepared

UNKNOWN = bytes(SIZE)
"""The digest of a content that nobody acknowledged: it differs from every content, so that it is sent again."""


def clear_up(one: Prepared, ledger: Ledger, outside: Outside, digests: Digests) -> bool:
    """Clear up the doubts of one connection; gives whether the record changed, so that the plan is stale.

    Doubts of an export that does not run now stay. Raises DestinationError when a list that must be read cannot be.
    """
    doubts = ledger.doubtful(one.recorded_name) if one.connection is not None else ()
    running = {e.number for e in one.judged.roster.entries} - one.judged.held
    concerned = [doubt for doubt in doubts if doubt.export in running]
    if not concerned or one.connection is None:
        return False
    unwanted = _unwanted(one, concerned)
    found: list[Claim] = []
    contacts: dict[bytes, str] = {}
    if unwanted:
        found, contacts = _look(one, unwanted, ledger, outside, digests)
    settled = tuple({(doubt.serial, doubt.number) for doubt in concerned})
    claims = tuple(ClaimWrite(c.export, c.key, c.digest, c.slots) for c in found)
    ledger.commit(one.recorded_name, Acknowledged(claims=claims, contacts=dict(contacts), settled=settled))
    return bool(found)


def _unwanted(one: Prepared, doubts: list[Intent]) -> dict[int, dict[bytes, int]]:
    """Give, by slot, the people in doubt whom no export wants on that list now, with the export that did."""
    unwanted: dict[int, dict[bytes, int]] = {}
    for doubt in doubts:
        if doubt.slot == NO_LIST:
            continue
        for key in doubt.keys:
            if not one.judged.merge.wants(key, doubt.slot):
                unwanted.setdefault(doubt.slot, {})[key] = doubt.export
    return unwanted


def _look(
    one: Prepared,
    unwanted: Mapping[int, Mapping[bytes, int]],
    ledger: Ledger,
    outside: Outside,
    digests: Digests,
) -> tuple[list[Claim], dict[bytes, str]]:
    """Read the lists in doubt, and give a claim and a contact id for everybody in doubt who is there."""
    assert one.connection is not None
    name = one.recorded_name
    lists = {entry.slot: entry.list_id for entry in ledger.lists(name)}
    foreign = ledger.foreign(name)
    there: dict[tuple[bytes, int], set[int]] = {}
    contacts: dict[bytes, str] = {}
    with closing(outside.destination(one.connection)) as destination:
        for slot in sorted(unwanted.keys() & lists.keys()):
            for key, contact in _members(destination, lists[slot], digests).items():
                if key in unwanted[slot] and slot not in foreign.get(key, ()):
                    there.setdefault((key, unwanted[slot][key]), set()).add(slot)
                    contacts[key] = contact
    recorded = {(c.key, c.export): c for c in ledger.claims(name) if (c.key, c.export) in there}
    claims = []
    for (key, export), slots in there.items():
        past = recorded.get((key, export), Claim(key, export, UNKNOWN, ()))
        claims.append(past._replace(slots=tuple(sorted({*past.slots, *slots}))))
    return claims, contacts


def _members(destination: Destination, list_id: str, digests: Digests) -> dict[bytes, str]:
    pages = destination.members(list_id)
    return {digests.person(address): contact for page in pages for contact, address in page if address and contact}
