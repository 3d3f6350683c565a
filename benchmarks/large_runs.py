"""`benchmarks/large`: what a run over a big table takes, beside the engine's query alone. It decides nothing."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import sandbox
from benchmarks.aims import MEGABYTE
from benchmarks.large_table import COLUMNS, DECLARATIONS, KEY, SEGMENT
from benchmarks.machine import load, machine
from benchmarks.measuring import RECONCILER, Sample, measured, together
from benchmarks.sandbox import Terms
from benchmarks.scenes import UNLIMITED
from benchmarks.table import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.table import Cells

BARE = Path(__file__).with_name("bare_query.py")
FIRST, QUERY, APPLY, PLAN, DUE = STEPS = (
    "first apply, no limit",
    "bare query",
    "apply, unchanged",
    "plan, unchanged",
    "by schedule, unchanged",
)
HEAD = ("profiles", "run", "seconds", "of CPU", "peak", "x bare query", "x its CPU")
GROWTH = (1_000_000, 10_000_000, 30_000_000)
MOST, BELOW = 1.5, 500 * MEGABYTE
"""What an unchanged apply is to take at most: times the query, and bytes."""

_NOTE = """\
A Parquet table of 12 columns, of which a segment holds {members:,} people and 6 columns go out or are their id; it is
in the cache of the machine. The first apply sends them to the sandbox, which runs in a process of its own; after it
nothing changes, and the bare query, `apply` and `plan` run in turn, {repetitions} times each. The bare query is the
same predicate and the same columns in a process of its own: start Python, open the engine with the same memory,
fetch, and drop what came. Then `apply --trigger schedule` runs, which is what a clock starts every hour: its first run
leaves a mark of the file, and each later one finds the file as it was and looks no further. Seconds are medians from
start to exit, peak is the most memory of the process.
Where the machine is busy with other work, the seconds of CPU say more than those of the clock.
{machine}."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one command took over a table of so many profiles, and the bare query over the same."""

    profiles: int
    step: str
    sample: Sample
    query: Sample

    @property
    def ratio(self) -> float:
        """Seconds, in those of the bare query."""
        return self.sample.seconds / self.query.seconds


def main() -> int:
    """Measure and print; gives the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks/large", description=__doc__)
    parser.add_argument("--profiles", type=int, default=10_000_000, metavar="N")
    parser.add_argument("--members", type=int, default=100_000, metavar="N", help="how many of them the segment holds")
    parser.add_argument("--repetitions", type=int, default=5, metavar="N")
    parser.add_argument("--growth", action="store_true", help=f"over {', '.join(f'{n:,}' for n in GROWTH)} profiles")
    asked = parser.parse_args()
    before = load()
    found: list[Row] = []
    try:
        for profiles in GROWTH if asked.growth else (asked.profiles,):
            with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
                found += rows(profiles, asked.members, asked.repetitions, Path(scratch))
    except (OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(aligned([HEAD, *map(cells, found)], {1})))
    print("\n" + "\n".join(findings(found)))
    print(f"\n{_NOTE.format(members=asked.members, repetitions=asked.repetitions, machine=machine(before))}")
    return 0


def rows(profiles: int, members: int, repetitions: int, scratch: Path) -> list[Row]:
    """Measure over one table, made in an empty folder. Raises RuntimeError when a command fails."""
    table = scratch / "people.parquet"
    measured((sys.executable, "-m", "benchmarks.large_table", str(table), str(profiles), str(members)))
    query = (sys.executable, str(BARE), str(table), KEY, SEGMENT, *COLUMNS)
    ours = (*RECONCILER, "-C", str(scratch))
    applied = (*ours, "apply", "--yes")
    due = (*applied, "--trigger", "schedule")
    commands = {FIRST: applied, QUERY: query, APPLY: applied, PLAN: (*ours, "plan"), DUE: due}
    took: dict[str, list[Sample]] = defaultdict(list)
    with sandbox.running(Terms()) as account:
        (scratch / "exports").mkdir()
        declared = DECLARATIONS.format(url=account.url, rate=UNLIMITED, segment=SEGMENT)
        (scratch / "exports" / "newsletter.yaml").write_text(declared, encoding="utf-8")
        for step in (FIRST, *(QUERY, APPLY, PLAN) * repetitions, *(DUE,) * repetitions):
            account.forget_requests()
            if step == DUE and DUE not in took:
                measured(due)
            sample = measured(commands[step])
            took[step].append(sample)
            print(f"{profiles:,}: {step}: {sample.seconds:.2f} s, {sample.cpu:.2f} s of CPU", file=sys.stderr)
            if step != FIRST and account.requests():
                raise RuntimeError(f"{step}: {account.requests()} requests were sent, though nothing had changed")
    made = {step: together(took[step]) for step in STEPS}
    return [Row(profiles, step, made[step], made[QUERY]) for step in STEPS]


def cells(row: Row) -> Cells:
    """Give a row of the table."""
    sample = row.sample
    figures = (f"{sample.seconds:.2f}", f"{sample.cpu:.2f}", f"{sample.memory / MEGABYTE:.0f} MB")
    return (f"{row.profiles:,}", row.step, *figures, f"{row.ratio:.2f}", f"{sample.cpu / row.query.cpu:.2f}")


def findings(found: Sequence[Row]) -> list[str]:
    """Hold what changes nothing against its aims, and say how an apply grows with the table."""
    lines = []
    applied = [row for row in found if row.step == APPLY]
    for row in found:
        if row.step not in {APPLY, DUE}:
            continue
        met = "met" if row.ratio <= MOST and row.sample.memory < BELOW else "missed"
        size = f"{row.sample.memory / MEGABYTE:.0f} MB"
        lines.append(
            f"{row.profiles:,} profiles: {row.step}, {row.ratio:.2f} x the bare query ({MOST} at most), {size} "
            f"(below {BELOW / MEGABYTE:.0f} MB): {met}"
        )
    for less, more in pairwise(applied):
        lines.append(
            f"{less.profiles:,} to {more.profiles:,} profiles, {more.profiles / less.profiles:.0f} times as many: "
            f"{more.sample.seconds / less.sample.seconds:.2f} times the seconds, "
            f"{more.sample.memory / less.sample.memory:.2f} times the memory"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
