"""The benchmarks run, and print every row; how fast is for them to say, not for a test."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

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


def test_quick_benchmarks_print_every_row(repository: Path, tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    command = [sys.executable, "-m", "benchmarks.main", "--quick", "--markdown", str(page)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [line.split("  ")[0] for line in done.stdout.splitlines()[1 : 1 + len(ROWS)]]
    assert tuple(rows) == ROWS
    written = page.read_text()
    assert all(f"| {row} |" in written for row in ROWS)
