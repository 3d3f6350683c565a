"""Runs that are killed at random moments under random faults lose nobody, and let nobody stay who should be gone."""

from __future__ import annotations

import pytest
from chaos import chaos
from support.people import RATE

from reconciler.flow.courier import width


@pytest.mark.parametrize(
    ("kills", "seed"),
    [(6, 1), pytest.param(60, 2, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])],
)
def test_whatever_moment_a_run_is_killed_at_the_next_ends_in_the_declared_world(
    capsys: pytest.CaptureFixture[str], kills: int, seed: int
) -> None:
    score = chaos(kills, seed)
    with capsys.disabled():
        print(f"\n{score}")  # noqa: T201  # the figures that are promised
    assert score.kills >= kills
    assert score.repeated <= score.kills * width(RATE)
