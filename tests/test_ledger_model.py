"""Whatever the order of the calls, the ledger holds what a dictionary would, also for a reader beside it."""

from __future__ import annotations

from hypothesis import settings
from support.ledger_machine import LedgerIsADictionary

TestLedgerIsADictionary = LedgerIsADictionary.TestCase
TestLedgerIsADictionary.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
