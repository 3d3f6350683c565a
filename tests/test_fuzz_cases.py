"""Every input that is kept, through its target, without a fuzzer: what was found once stays mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fuzz.targets import CORPUS, TARGETS, cases

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_that_is_kept_breaks_its_target(target: str, tmp_path: Path) -> None:
    kept = cases(target)
    assert kept, f"{target} has no corpus"
    with TARGETS[target](tmp_path) as one:
        for case in kept:
            try:
                one(case.read_bytes())
            except Exception as error:
                raise AssertionError(f"{case.relative_to(CORPUS)} breaks the target") from error


def test_every_corpus_has_its_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


def test_what_is_kept_is_small() -> None:
    assert [path.name for target in TARGETS for path in cases(target) if path.stat().st_size > 8_192] == []
