"""Decides which account a key opens. Keys are kept as fingerprints only, in memory and in the file."""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from reconciler.sandbox.gate import Gate
from reconciler.sandbox.journal import Journal
from reconciler.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.sandbox.journal import Line

KEY = re.compile(r"[0-9A-Fa-f]{32}", re.ASCII)


@dataclass(slots=True)
class Account:
    """What one key opens: a world, the rate that is left, and whether the key was revoked."""

    number: int
    world: World
    gate: Gate = field(default_factory=Gate)
    revoked: bool = False


class Accounts:
    """Every account. With a `key` that key alone is valid; without, every well-formed key opens one of its own."""

    def __init__(self, key: str | None = None, file: Path | None = None) -> None:
        """Load the file. Raises OSError when it cannot be had, ValueError when it or the key is malformed."""
        if key is not None and KEY.fullmatch(key) is None:
            raise ValueError("a key of the sandbox is 32 hexadecimal digits")
        self._only = None if key is None else fingerprint(key)
        self._lock = threading.Lock()
        self._accounts: list[Account] = []
        self._journal = None if file is None else Journal(file)
        try:
            if self._journal is not None:
                self._load(self._journal)
            self._first = self._of(self._only)
        except BaseException:
            self.close(save=False)
            raise

    def _load(self, journal: Journal) -> None:
        for number, ops in journal.replay():
            try:
                while len(self._accounts) < number:
                    self._open()
                self._accounts[number - 1].world.replay(ops)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError):
                raise ValueError("the file holds a write that no sandbox made") from None
        journal.compact(self._lines())

    def _lines(self) -> Iterator[Line]:
        for account in self._accounts:
            with account.world.reading() as state:
                yield from ((account.number, [op]) for op in state.ops())

    def _open(self) -> Account:
        number = len(self._accounts) + 1
        record = None if self._journal is None else partial(self._journal.append, number)
        self._accounts.append(account := Account(number, World(record)))
        return account

    def _of(self, owner: str | None) -> Account:
        """Give the owner's account, or one that nobody claimed yet; without an owner the first."""
        free = None
        for account in self._accounts:
            with account.world.reading() as state:
                if owner in (None, state.owner):
                    return account
                if state.owner is None:
                    free = free or account
        account = free or self._open()
        if owner is not None:
            account.world.claim(owner)
        return account

    def first(self) -> Account:
        """Give the account of the one valid key or, when any is, the first; the first key to come claims it."""
        return self._first

    def of(self, key: str) -> Account | None:
        """Give the account that a key opens; None when the key is not valid."""
        if KEY.fullmatch(key) is None:
            return None
        owner = fingerprint(key)
        if self._only not in (None, owner):
            return None
        with self._lock:
            return self._of(owner)

    def all(self) -> tuple[Account, ...]:
        """Give every account, the oldest first."""
        with self._lock:
            return tuple(self._accounts)

    def close(self, *, save: bool = True) -> None:
        """Rewrite the file, when it has grown, and let it go. May be called twice."""
        journal, self._journal = self._journal, None
        if journal is not None:
            if save and journal.dirty:
                journal.compact(self._lines())
            journal.close()


def fingerprint(key: str) -> str:
    """Give a text that tells keys apart and does not give them away."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]
