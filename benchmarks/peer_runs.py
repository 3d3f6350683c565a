"""`benchmarks/peers`: prints what a run takes beside others that do a part of the same."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import people, project, sandbox
from benchmarks.aims import MEGABYTE
from benchmarks.machine import load, machine
from benchmarks.measuring import Sample, measured, together
from benchmarks.peer_projects import Who, command, environ, prepare
from benchmarks.sandbox import Terms
from benchmarks.scenes import UNLIMITED
from benchmarks.table import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = ("first run", "unchanged", "1 % changed")
LATENCIES = (0.0, 0.05)

Took = dict[tuple[float, str, Who], list[Sample]]

_NOTE = """\
{count:,} people in one CSV file, all on one list, 100 to a request; runs of each: {repetitions}. Seconds are
their median, requests and peak memory their most; the ratio is that of the reconciler's seconds to theirs. dlt sends
every row in each run, or, with a cursor, those whose time of change is newer; drt sends every row. None of them, the
bare script included, sees who left, asks for consent, or keeps to one rate over all exports.
{machine}."""


def main() -> int:
    """Measure and print; gives the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks/peers", description=__doc__)
    parser.add_argument("--people", type=int, default=100_000, metavar="N")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N")
    parser.add_argument("--who", action="append", choices=[who.value for who in Who], metavar="NAME")
    asked = parser.parse_args()
    chosen = [who for who in Who if not asked.who or who.value in asked.who or who is Who.OURS]
    before, took = load(), defaultdict[tuple[float, str, Who], list[Sample]](list)
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
            for _ in range(asked.repetitions):
                for latency in LATENCIES:
                    for who in chosen:
                        for step, sample in _played(who, Path(scratch) / "project", latency, asked.people):
                            took[latency, step, who].append(sample)
                            print(f"{step}, {latency * 1000:g} ms: {who.value} {sample.seconds:.2f} s", file=sys.stderr)
    except (OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(_table(took, chosen)))
    print(f"\n{_NOTE.format(count=asked.people, repetitions=asked.repetitions, machine=machine(before))}")
    return 0


def _played(who: Who, home: Path, latency: float, count: int) -> Iterator[tuple[str, Sample]]:
    """Run the three after each other, on an account of its own."""
    shutil.rmtree(home, ignore_errors=True)
    with sandbox.running(Terms(latency=latency)) as server:
        list_id = prepare(who, home, server.url, UNLIMITED)
        for step in STEPS:
            people.write(home / project.PEOPLE, count, changed=step == STEPS[-1])
            server.forget_requests()
            sample = measured(command(who, home, server.url, list_id), environ(home))
            yield step, replace(sample, requests=server.requests())


def _table(took: Took, chosen: list[Who]) -> list[str]:
    rows = [("", "", "seconds", "requests", "peak", "ratio")]
    for latency in LATENCIES:
        for step in STEPS:
            ours = together(took[latency, step, Who.OURS])
            for who in chosen:
                made = together(took[latency, step, who])
                title = f"{step}, {latency * 1000:g} ms" if who is Who.OURS else ""
                ratio = "" if who is Who.OURS else f"{ours.seconds / made.seconds:.2f}"
                peak = f"{made.memory / MEGABYTE:.0f} MB"
                rows.append((title, who.value, f"{made.seconds:.2f}", f"{made.requests:,}", peak, ratio))
    return aligned(rows, {0, 1})


if __name__ == "__main__":
    sys.exit(main())
