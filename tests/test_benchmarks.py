"""The benchmarks run, and print every row; how fast is for them to say, not for a test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ROWS = (
    "first run, no limit",
    "unchanged",
    "plan, unchanged",
    "1 % changed",
    "first run, 50 ms a request",
    "first run at 20 a second (500 people)",
    "first run at 20 a second, no lists in bulk (20 people)",
    "--help",
)


@pytest.mark.slow
def test_quick_benchmarks_print_every_row(repository: Path, tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    command = [sys.executable, "-m", "benchmarks.main", "--quick", "--markdown", str(page)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [line.split("  ")[0] for line in done.stdout.splitlines()[1 : 1 + len(ROWS)]]
    assert tuple(rows) == ROWS
    written = page.read_text()
    assert all(f"| {row} |" in written for row in ROWS)


@pytest.mark.slow
def test_an_unchanged_run_on_a_fresh_runner_is_measured_by_store(repository: Path) -> None:
    asked = ("--people", "200", "--repetitions", "1", "--store", "a local folder", "--store", "git+branch (HTTP)")
    environ = os.environ | {"PYTHONPATH": str(repository / "tests")}
    command = [sys.executable, "-m", "benchmarks.store_runs", *asked]
    done = subprocess.run(
        command, cwd=repository, env=environ, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    rows = [re.split(r"  +", line) for line in done.stdout.splitlines()[1:7]]
    assert [row[1] for row in rows] == ["first apply", "apply, unchanged", "plan, unchanged"] * 2
    assert [row[4] for row in rows[1:3] + rows[4:]] == ["0"] * 4, "requests to Autopilot"
    assert [len(row) for row in rows] == [5] * 3 + [13] * 3, "what is not shared passes no tap"
    writes = [int(row[7]) for row in rows[3:]]
    assert writes[1] > 0
    assert writes[2] == 0, "a plan writes nothing"


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "least"), [("honoured", 7), ("ignored", 255)])
def test_a_first_export_is_held_against_the_least_that_there_is(repository: Path, mode: str, least: int) -> None:
    asked = ("--people", "250", "--rate", "100", "--latency", "0.02", "--bulk-lists", mode)
    command = [sys.executable, "-m", "benchmarks.first_run", *asked]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=120)
    assert done.stderr == ""
    table = {cells[0]: cells[1:] for line in done.stdout.splitlines() if len(cells := re.split(r"  +", line)) == 3}
    assert int(table["least"][0]) == least - (mode == "honoured")
    assert int(table["measured"][0]) - int(table["least"][0]) in range(4), "one or two more are looked up"
    assert "x least, 1.05 at most" in done.stdout


@pytest.mark.slow
def test_peers_are_measured_in_one_table_with_the_requests_that_each_sent(repository: Path) -> None:
    asked = ("--people", "250", "--repetitions", "1", "--who", "bare script")
    command = [sys.executable, "-m", "benchmarks.peer_runs", *asked]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [re.split(r"  +", line.strip()) for line in done.stdout.splitlines()[1:13]]
    ours = [row for row in rows if row[1] == "reconciler"]
    assert [row[0] for row in ours] == [
        f"{step}, {latency} ms" for latency in (0, 50) for step in ("first run", "unchanged", "1 % changed")
    ]
    assert [row[3] for row in ours] == ["7", "0", "1"] * 2, "the lists, a probe and three batches; nothing; one batch"
    theirs = [row for row in rows if row[0] == "bare script"]
    assert [row[2] for row in theirs] == ["4", "0", "1"] * 2


def test_a_big_table_is_measured_beside_the_bare_query(repository: Path) -> None:
    asked = ("--profiles", "3000", "--members", "200", "--repetitions", "1")
    command = [sys.executable, "-m", "benchmarks.large_runs", *asked]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [re.split(r"  +", line.strip()) for line in done.stdout.splitlines()[1:6]]
    steps = ["first apply, no limit", "bare query", "apply, unchanged", "plan, unchanged", "by schedule, unchanged"]
    assert [row[:2] for row in rows] == [["3,000", step] for step in steps]
    assert [len(row) for row in rows] == [7] * 5
    assert "3,000 profiles: apply, unchanged, " in done.stdout
