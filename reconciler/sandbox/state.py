"""What an account holds, and the operations that change it; replayed, they rebuild it. It decides nothing."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Op = list[Any]
"""One change as a JSON array: its name, then its arguments, such as ["join", list id, [contact id, …]]."""

JOINED_AT_ONCE = 1000
"""Contacts that one "join" of a compacted journal holds, so that a line stays readable."""


class Contact(NamedTuple):  # made anew for every write of it, and a frozen dataclass takes three times as long
    """One contact. `custom` is keyed as it is written: "string--Loyalty--Tier"."""

    id: str
    fields: Mapping[str, Any]
    custom: Mapping[str, Any]
    unsubscribed: bool = False

    @property
    def email(self) -> str | None:
        """The address in lower case, where the contact has one."""
        return self.fields.get("Email")


@dataclass(frozen=True, slots=True)
class Hook:
    """An address that wants to hear of events; nothing is ever sent to it."""

    id: str
    event: str
    target_url: str


class Roll:
    """Ids in the order they came, each with a number that never comes back, so that paging survives removals."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._last = 0

    def add(self, entry: str) -> bool:
        """Put it at the end; False when it is there already."""
        if entry in self._numbers:
            return False
        self._last += 1
        self._numbers[entry] = self._last
        return True

    def discard(self, entry: str) -> bool:
        """Take it away; False when it is not there."""
        return self._numbers.pop(entry, None) is not None

    def page(self, after: int, size: int) -> tuple[list[str], int | None]:
        """Give up to `size` ids numbered above `after`, and the last one's number when more follow."""
        numbers = list(self._numbers.values())
        start = bisect_right(numbers, after)
        ids = list(islice(self._numbers, start, start + size))
        more = start + size < len(numbers)
        return ids, numbers[start + size - 1] if more else None

    def __contains__(self, entry: object) -> bool:
        return entry in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list, or a smart segment: its title and whom it holds."""

    id: str
    title: str
    members: Roll = field(default_factory=Roll)


class State:
    """The plain data of one account; `apply` is the only way to change it."""

    def __init__(self) -> None:
        self.owner: str | None = None
        self.contacts: dict[str, Contact] = {}
        self.order = Roll()
        self.ids: dict[str, str] = {}
        self.lists: dict[str, Listing] = {}
        self.segments: dict[str, Listing] = {}
        self.hooks: dict[str, Hook] = {}
        self.custom: dict[str, None] = {}

    def apply(self, op: Op) -> None:
        """Carry out one operation. Raises KeyError, TypeError or ValueError for what is none."""
        _APPLY[op[0]](self, *op[1:])

    def ops(self) -> Iterator[Op]:
        """Give the fewest operations that rebuild all of it."""
        if self.owner is not None:
            yield ["key", self.owner]
        yield from (["field", key] for key in self.custom)
        for entry in self.order:
            contact = self.contacts[entry]
            yield ["contact", contact.id, contact.fields, contact.custom, contact.unsubscribed]
        for listing in self.lists.values():
            yield ["list", listing.id, listing.title]
            members = list(listing.members)
            for start in range(0, len(members), JOINED_AT_ONCE):
                yield ["join", listing.id, members[start : start + JOINED_AT_ONCE]]
        yield from (["segment", s.id, s.title, list(s.members)] for s in self.segments.values())
        yield from (["hook", hook.id, hook.event, hook.target_url] for hook in self.hooks.values())

    def _key(self, owner: str) -> None:
        self.owner = owner

    def _field(self, key: str) -> None:
        self.custom[key] = None

    def _contact(self, entry: str, fields: dict[str, Any], custom: dict[str, Any], unsubscribed: bool) -> None:  # noqa: FBT001  # an operation's arguments come by position
        if entry not in self.contacts:  # the address of a contact never changes: it is what contacts are told apart by
            self.order.add(entry)
            if "Email" in fields:
                self.ids[fields["Email"]] = entry
        self.contacts[entry] = Contact(entry, fields, custom, unsubscribed)

    def _uncontact(self, entry: str) -> None:
        contact = self.contacts.pop(entry)
        self.order.discard(entry)
        if contact.email is not None:
            del self.ids[contact.email]
        for listing in (*self.lists.values(), *self.segments.values()):
            listing.members.discard(entry)

    def _list(self, entry: str, title: str) -> None:
        self.lists[entry] = Listing(entry, title)

    def _unlist(self, entry: str) -> None:
        del self.lists[entry]

    def _join(self, listing: str, contacts: Iterable[str]) -> None:
        members = self.lists[listing].members
        for contact in contacts:
            members.add(contact)

    def _part(self, listing: str, contact: str) -> None:
        self.lists[listing].members.discard(contact)

    def _segment(self, entry: str, title: str, contacts: Iterable[str]) -> None:
        self.segments[entry] = segment = Listing(entry, title)
        for contact in contacts:
            segment.members.add(contact)

    def _hook(self, entry: str, event: str, target_url: str) -> None:
        self.hooks[entry] = Hook(entry, event, target_url)

    def _unhook(self, entry: str) -> None:
        del self.hooks[entry]


_APPLY: Mapping[str, Callable[..., None]] = {
    "key": State._key,  # noqa: SLF001  # the table of this class's own operations, as are the lines below
    "field": State._field,  # noqa: SLF001
    "contact": State._contact,  # noqa: SLF001
    "uncontact": State._uncontact,  # noqa: SLF001
    "list": State._list,  # noqa: SLF001
    "unlist": State._unlist,  # noqa: SLF001
    "join": State._join,  # noqa: SLF001
    "part": State._part,  # noqa: SLF001
    "segment": State._segment,  # noqa: SLF001
    "hook": State._hook,  # noqa: SLF001
    "unhook": State._unhook,  # noqa: SLF001
}
