"""A state that is kept by connection holds what a dictionary would, whatever the order of the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from support.hasty import HastyClock
from support.ledger_machine import KEY, LedgerIsADictionary
from support.memory import MemoryStore

from reconciler.state.shared import shard
from reconciler.state.shared.place import SharedState

if TYPE_CHECKING:
    from reconciler.core.ports import Ledger, LedgerReader

NAMES = ("north", "south", "o'brien; --")
ENVIRON = {"RECONCILER_STATE_KEY": KEY.hex()}


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a new base be worth writing soon."""
    monkeypatch.setattr(shard, "ENTRIES", 7)


class SharedLedgerIsADictionary(LedgerIsADictionary):
    """The same, over a store; each time it is opened it is brought from there."""

    parts = len(NAMES)

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.tenancy: object = None

    def state(self) -> SharedState:
        return SharedState(lambda _: self.store, self.folder, ENVIRON, HastyClock())

    def opened(self) -> Ledger:
        if self.tenancy is not None:
            self.tenancy.release()  # type: ignore[attr-defined]  # a Tenancy
        state = self.state()
        self.tenancy = state.lock(dict.fromkeys(NAMES), every=True, who="me", wait=0, term=60)
        return state.ledger()

    def read(self) -> LedgerReader:
        return self.state().reader()

    def rename_connection(self, old: str, new: str) -> None:
        """Left out: a connection that was renamed away cannot be written in the same run."""

    def teardown(self) -> None:
        super().teardown()
        if self.tenancy is not None:
            self.tenancy.release()  # type: ignore[attr-defined]  # a Tenancy


TestSharedLedgerIsADictionary = SharedLedgerIsADictionary.TestCase
TestSharedLedgerIsADictionary.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
