"""Decides what a write does to an account: who is known, what is kept, what is blanked. One lock, no clock, no network.

Every write is told to `record` as operations before the lock is given back, so that a journal has them in their order.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from reconciler.sandbox.rows import NAMES, Row, read_row
from reconciler.sandbox.state import Contact, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from reconciler.sandbox.state import Op


_IDS = Random()  # noqa: S311  # ids are no secret; a generator of our own, which no test seeds into repeating itself


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What an account holds, without the ids that chance made: two equal worlds have equal snapshots.

    `contacts` has an entry (fields, custom, unsubscribed) by address; `lists` each title with its members' addresses,
    sorted, and twice when there are two lists of it. Contacts without an address are only counted.
    """

    contacts: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], bool]]
    lists: tuple[tuple[str, tuple[str, ...]], ...]
    nameless: int


class World:
    """One account: contacts, lists and memberships. Every method may be called from any thread."""

    def __init__(self, record: Callable[[list[Op]], None] | None = None) -> None:
        self._state = State()
        self._lock = threading.RLock()
        self._record = record
        self._pending: list[Op] = []

    @contextmanager
    def reading(self) -> Iterator[State]:
        """Lend the data, held still; the borrower changes nothing."""
        with self._lock:
            yield self._state

    @contextmanager
    def _writing(self) -> Iterator[State]:
        with self._lock:
            try:
                yield self._state
            finally:
                done, self._pending = self._pending, []
                if done and self._record is not None:
                    self._record(done)

    def _do(self, op: Op) -> None:
        self._state.apply(op)
        self._pending.append(op)

    def replay(self, ops: Iterable[Op]) -> None:
        """Take over what a journal tells, without telling it again. Raises KeyError, TypeError, ValueError."""
        with self._lock:
            for op in ops:
                self._state.apply(op)

    # What the API does.

    def write(self, rows: Sequence[Row], lists: Sequence[str | None], *, names_overwritten: bool = True) -> list[str]:
        """Create or update contacts, put each on the list beside it where that exists, and give their ids."""
        with self._writing() as state:
            ids = [self._upsert(row, names_overwritten=names_overwritten) for row in rows]
            joins: dict[str, list[str]] = {}
            for contact, listing in zip(ids, lists, strict=True):
                if listing is not None and listing in state.lists:
                    joins.setdefault(listing, []).append(contact)
            for listing, contacts in joins.items():
                self._do(["join", listing, contacts])
            return ids

    def _upsert(self, row: Row, *, names_overwritten: bool) -> str:
        state = self._state
        known = state.contacts.get(state.ids.get(row.email or "", ""))
        fields, custom, unsubscribed = dict(row.fields), dict(row.custom), bool(row.unsubscribed)
        if known is not None:
            fields, custom = {**known.fields, **fields}, {**known.custom, **custom}
            if row.unsubscribed is None:
                unsubscribed = known.unsubscribed
            if not names_overwritten:
                fields.update({name: known.fields[name] for name in NAMES if name in known.fields})
        for key, value in row.custom.items():
            if key not in state.custom and value is not None:
                self._do(["field", key])
        fields, custom = _without_blanks(fields), _without_blanks(custom)
        entry = _new_id("person") if known is None else known.id
        self._do(["contact", entry, fields, custom, unsubscribed])
        return entry

    def find(self, who: str) -> Contact | None:
        """Give a contact by its id or its address."""
        with self._lock:
            state = self._state
            return state.contacts.get(state.ids.get(who.lower(), who))

    def unsubscribe(self, who: str) -> bool:
        """Mark a contact as one that wants no mail; it stays on its lists. False when there is none."""
        with self._writing():
            contact = self.find(who)
            if contact is None:
                return False
            self._do(["contact", contact.id, contact.fields, contact.custom, True])
            return True

    def remove_contact(self, who: str) -> bool:
        """Delete a contact, and take it off every list. False when there is none."""
        with self._writing():
            contact = self.find(who)
            if contact is None:
                return False
            self._do(["uncontact", contact.id])
            return True

    def add_list(self, title: str, list_id: str | None = None) -> str:
        """Make a list, also when the title exists, and give its id."""
        with self._writing():
            entry = list_id or _new_id("contactlist")
            self._do(["list", entry, title])
            return entry

    def remove_list(self, list_id: str) -> None:
        """Delete a list, as an operator may in the application; the API has no call for it. Raises KeyError."""
        with self._writing():
            self._do(["unlist", list_id])

    def has_list(self, list_id: str) -> bool:
        """Tell whether the list exists."""
        with self._lock:
            return list_id in self._state.lists

    def add_member(self, list_id: str, who: str) -> bool:
        """Put a contact, by id or address, on a list; False when it is there. Raises KeyError when one is unknown."""
        with self._writing() as state:
            contact = self._known(who)
            if contact in state.lists[list_id].members:
                return False
            self._do(["join", list_id, [contact]])
            return True

    def remove_member(self, list_id: str, who: str) -> bool:
        """Take a contact off a list; False when it is not there. Raises KeyError when one is unknown."""
        with self._writing() as state:
            contact = self._known(who)
            if contact not in state.lists[list_id].members:
                return False
            self._do(["part", list_id, contact])
            return True

    def add_segment(self, title: str, who: Iterable[str] = ()) -> str:
        """Make a smart segment that holds these contacts. Raises KeyError when one is unknown."""
        with self._writing():
            entry = _new_id("segment")
            self._do(["segment", entry, title, [self._known(one) for one in who]])
            return entry

    def add_hook(self, event: str, target_url: str) -> str:
        """Remember a hook, and give its id."""
        with self._writing():
            entry = _new_id("hook")
            self._do(["hook", entry, event, target_url])
            return entry

    def remove_hook(self, hook_id: str) -> bool:
        """Forget a hook; False when there is none."""
        with self._writing() as state:
            if hook_id not in state.hooks:
                return False
            self._do(["unhook", hook_id])
            return True

    def claim(self, owner: str) -> None:
        """Give the account to the key whose fingerprint this is."""
        with self._writing():
            self._do(["key", owner])

    def _known(self, who: str) -> str:
        contact = self.find(who)
        if contact is None:
            raise KeyError(who)
        return contact.id

    # What a test asks.

    def add_contact(self, fields: Mapping[str, Any]) -> str:
        """Create or update one contact, written as in the API, and give its id. Raises BadRow."""
        row = read_row(dict(fields))
        return self.write([row], [row.list_id])[0]

    def contact(self, email: str) -> Contact | None:
        """Give the contact of an address."""
        return self.find(email)

    def lists_titled(self, title: str) -> tuple[str, ...]:
        """Give the ids of the lists of this title, the oldest first."""
        with self._lock:
            return tuple(entry.id for entry in self._state.lists.values() if entry.title == title)

    def members_of(self, list_id: str) -> set[str]:
        """Give the addresses on one list; a contact without one is left out. Raises KeyError."""
        with self._lock:
            contacts = self._state.contacts
            return {email for entry in self._state.lists[list_id].members if (email := contacts[entry].email)}

    def members(self, title: str) -> set[str]:
        """Give the addresses on all lists of this title together."""
        with self._lock:
            return set().union(*(self.members_of(entry) for entry in self.lists_titled(title)))

    def snapshot(self) -> Snapshot:
        """Give a value that equals another world's when both hold the same."""
        with self._lock:
            state = self._state
            named = {c.email: (c.fields, c.custom, c.unsubscribed) for c in state.contacts.values() if c.email}
            lists = sorted((entry.title, tuple(sorted(self.members_of(entry.id)))) for entry in state.lists.values())
            return Snapshot(named, tuple(lists), len(state.contacts) - len(named))


def _without_blanks(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None} if None in values.values() else values


def _new_id(kind: str) -> str:
    """Make an id that ends in a random UUID (version 4), two times faster than the library's."""
    digits = f"{_IDS.getrandbits(128):032X}"
    return f"{kind}_{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-A{digits[17:20]}-{digits[20:]}"
