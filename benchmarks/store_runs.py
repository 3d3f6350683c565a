"""`benchmarks/stores`: prints what a run on a fresh runner takes, for each store that the state may be kept in."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.dialects import KINDS
from benchmarks.fresh_runs import store_rows
from benchmarks.machine import load, machine
from benchmarks.places import PLACES
from benchmarks.table import aligned

if TYPE_CHECKING:
    from benchmarks.fresh_runs import StoreRow
    from benchmarks.table import Cells

HEAD = ("store", "run", "seconds", "peak", "Autopilot", "requests", *KINDS, "up", "down")
LEFT = frozenset({0, 1})

_NOTE = """\
{count:,} people, recorded by the first apply; then {repetitions} times a fresh runner with an empty folder (and a clone
of one commit, for the branch) runs `apply`, and another one `plan`, and nothing has changed. Seconds are the median,
peak is the most memory of the process, Autopilot counts the requests to it. The others went to the store: bytes and
requests as they passed a tap on loopback in front of its server, those of the last repetition, with all that the
protocol adds. `other` is what opens a session; of a branch, `list` is asking what it is at, in two requests. A local
folder is that of one machine which keeps its disk.
{machine}."""


def main() -> int:
    """Measure and print; gives the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks/stores", description=__doc__)
    parser.add_argument("--people", type=int, default=100_000, metavar="N")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="fresh runners for each command")
    parser.add_argument("--store", action="append", choices=PLACES, metavar="NAME", help=f"of {', '.join(PLACES)}")
    asked = parser.parse_args()
    before = load()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
            rows, missing = store_rows(
                asked.store or list(PLACES),
                asked.people,
                asked.repetitions,
                Path(scratch),
                lambda line: print(line, file=sys.stderr),
            )
    except (OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if rows:
        print("\n".join(aligned([HEAD, *map(cells, rows)], LEFT)))
    for name, reason in missing.items():
        print(f"left out: {name}: {reason}")
    print(f"\n{_NOTE.format(count=asked.people, repetitions=asked.repetitions, machine=machine(before))}")
    return 0


def cells(row: StoreRow) -> Cells:
    """Give a row of the table."""
    took = (row.store, row.step, f"{row.sample.seconds:.2f}", _size(row.sample.memory), f"{row.sample.requests:,}")
    if row.traffic is None:
        return (*took, *[""] * (len(HEAD) - len(took)))
    counts = [row.traffic.requests[kind] for kind in KINDS]
    return (*took, f"{sum(counts):,}", *(f"{n:,}" for n in counts), _size(row.traffic.up), _size(row.traffic.down))


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 100_000 else f"{count / 1_000:.1f} kB"


if __name__ == "__main__":
    sys.exit(main())
