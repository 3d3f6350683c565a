"""Finds or makes the lists that people are about to be put on, and notes who was on them before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from reconciler.core.errors import DestinationError, Unauthorized
from reconciler.core.record import RecordedList

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciler.core.digest import Digests
    from reconciler.core.ports import Ledger


class Titles(Protocol):
    """What is needed of a destination: its lists, and who is on them."""

    def lists(self) -> Mapping[str, tuple[str, ...]]:
        """Give the ids of the lists by title."""
        ...

    def make_list(self, title: str) -> str:
        """Find the list of this title or make it, and give its id."""
        ...

    def members(self, list_id: str) -> Iterator[Sequence[tuple[str, str]]]:
        """Stream a list's members, page by page: (contact id, address)."""
        ...


@dataclass(slots=True)
class Lists:
    """List ids by slot; `made` are slots whose list is new and empty, `faults` say which lists could not be had."""

    ids: dict[int, str]
    made: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


def establish(
    connection: str, wanted: Iterable[tuple[int, str]], destination: Titles, ledger: Ledger, digests: Digests
) -> Lists:
    """Give every list that is recorded, and those of `wanted` (slot, title), each found by its title or made once.

    A list that we find has members whom we did not put there; they are remembered before the list is, so that they are
    never taken for ours. Raises Unauthorized, and DestinationError when the lists cannot be read at all.
    """
    lists = Lists({entry.slot: entry.list_id for entry in ledger.lists(connection)})
    missing = sorted(wanted)
    known = destination.lists() if missing else {}
    taken = {entry.list_id: entry for entry in ledger.lists(connection)}
    for slot, title in missing:
        ledger.drop_list(connection, slot)  # what a run that was cut off noted of a list that had this number
        try:
            list_id = destination.make_list(title)
            if list_id in taken and taken[list_id].slot != slot:
                lists.faults.append(_renamed(title, taken[list_id].title))
                continue
            if title in known:
                _note_members(connection, slot, list_id, destination, ledger, digests)
        except Unauthorized:
            raise
        except DestinationError as error:
            if str(error) not in lists.faults:
                lists.faults.append(str(error))
            continue
        if title not in known:
            lists.made.add(slot)
        ledger.save_list(connection, RecordedList(slot, title, list_id, made=title not in known))
        lists.ids[slot] = list_id
    return lists


def _renamed(title: str, former: str) -> str:
    """Refuse a second name for one list: whoever left one segment would be taken off the list of the other."""
    return (
        f'the list "{title}" is the one that a segment knows as "{former}": somebody renamed it at Autopilot; '
        "rename it back, or give one of the segments another list"
    )


def _note_members(  # where, what, and the three parts that it takes
    connection: str, slot: int, list_id: str, destination: Titles, ledger: Ledger, digests: Digests
) -> None:
    for page in destination.members(list_id):
        keys = [digests.person(address) for _, address in page if address]
        if keys:
            ledger.save_foreign(connection, slot, keys)
