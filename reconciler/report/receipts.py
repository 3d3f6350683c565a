"""Decides how `forget` and `import` tell what they did: as text and as JSON. Nobody is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.report.escape import FORMAT, dumps, visible
from reconciler.report.runs import PREFIX
from reconciler.report.words import count

if TYPE_CHECKING:
    from reconciler.core.outcome import Adoption, Erased, Receipt


def forget_text(receipt: Receipt) -> str:
    """Give the receipt of an erasure."""
    lines = [f"Person {receipt.person.hex()[:PREFIX]} is suppressed for ever, in every connection of this project."]
    lines += [f"  {visible(one.connection)}: {visible(_said(one))}" for one in receipt.erased]
    if not receipt.done:
        lines.append("The suppression holds. `reconciler forget` or the next `reconciler apply` goes on with the rest.")
    lines.append(f"Receipt: run {visible(receipt.run)}.")
    return "".join(f"{line}\n" for line in lines)


def _said(one: Erased) -> str:
    if one.fault:
        return f"not done: {one.fault}"
    contact = "the contact was deleted" if one.contact else "there is no contact"
    return f"taken off {count(one.lists, 'list')}; {contact}; nothing is recorded any more"


def forget_json(receipt: Receipt) -> str:
    """Give the receipt of an erasure as JSON."""
    connections = [
        {
            "name": one.connection,
            "done": not one.fault,
            "lists": one.lists,
            "contact": one.contact,
            "reason": one.fault or None,
        }
        for one in receipt.erased
    ]
    return dumps(
        {
            "format": FORMAT,
            "command": "forget",
            "run": receipt.run,
            "person": receipt.person.hex()[:PREFIX],
            "suppressed": True,
            "done": receipt.done,
            "connections": connections,
        }
    )


def adoption_text(told: Adoption) -> str:
    """Say what adopting a list means, before it is agreed to."""
    people = count(told.wanted + told.unwanted, "person", "people")
    whose = f"export {visible(told.export)}, segment {visible(told.segment)}"
    lines = [
        f"The list {visible(told.list)} ({visible(told.list_id)}) holds {people}, who become those of {whose}:",
        f"  {count(told.wanted, 'person is', 'people are')} wanted on it, and stay",
        f"  {count(told.unwanted, 'person is', 'people are')} not wanted on it, and leave at the next run",
    ]
    if told.nameless:
        stay = count(told.nameless, "contact has", "contacts have")
        lines.append(f"  {stay} no address, and nothing is done about it")
    return "".join(f"{line}\n" for line in lines)


def adoption_json(told: Adoption, run: str) -> str:
    """Give what was adopted as JSON."""
    return dumps(
        {
            "format": FORMAT,
            "command": "import",
            "run": run,
            "export": told.export,
            "segment": told.segment,
            "connection": told.connection,
            "list": {"title": told.list, "id": told.list_id},
            "members": {"wanted": told.wanted, "unwanted": told.unwanted, "nameless": told.nameless},
        }
    )
