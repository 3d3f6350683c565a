"""`benchmarks/run`: prints one table of what the reconciler takes, beside a script that does the least."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import table
from benchmarks.machine import load, machine
from benchmarks.runs import rows
from benchmarks.scenes import FULL, QUICK


def main() -> int:
    """Measure and print; gives the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10,000 people and one repetition, for a smoke run")
    parser.add_argument("--repetitions", type=int, metavar="N", help="how often each run is made; the median is shown")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table as a Markdown page")
    asked = parser.parse_args()
    size = QUICK if asked.quick else FULL
    if asked.repetitions:
        size = replace(size, repetitions=asked.repetitions)
    before = load()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
            found = rows(size, Path(scratch), lambda line: print(line, file=sys.stderr))
    except (OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    paragraphs = table.notes(size, machine(before))
    print(table.text(found, paragraphs), end="")
    if asked.markdown is not None:
        asked.markdown.write_text(table.markdown(found, paragraphs), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
