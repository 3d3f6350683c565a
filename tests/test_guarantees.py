"""The table of guarantees names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = [line for line in (ROOT / "docs" / "guarantees.md").read_text().splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_every_promise_has_a_test_that_tries_to_break_it(row: str) -> None:
    named = re.findall(r"`(?:tests/(test_\w+\.py))?(?:::)?(test_\w+)?`", row.split("|")[3])
    assert named
    file = ""
    for path, name in named:
        file = path or file
        assert (ROOT / "tests" / file).is_file(), file
        if name:
            assert f"def {name}(" in (ROOT / "tests" / file).read_text(), name
