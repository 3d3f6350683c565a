"""`benchmarks/first`: prints what a first export takes at the rate that Autopilot allows, with the arithmetic of it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import people, project, sandbox
from benchmarks.machine import load, machine
from benchmarks.measuring import RECONCILER, Sample, measured
from benchmarks.sandbox import Terms
from benchmarks.scenes import RATE
from benchmarks.table import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH = 100
"""People in one bulk request at most."""

PATIENCE = 1.0
"""Seconds until somebody who is not on the list is looked up once more."""

AIM = 1.05
"""Times the least time that a first export may take."""

HONOURED, IGNORED = MODES = ("honoured", "ignored")


@dataclass(frozen=True, slots=True)
class Part:
    """Requests of one kind. `seconds` is what they take at least."""

    what: str
    requests: int
    seconds: float


def least(mode: str, count: int, rate: int, latency: float) -> list[Part]:
    """Work out the least that a first export takes, for so many people on one new list.

    The lists are asked for before one is made, the list is made before anybody is put on it, and nobody knows whether
    bulk items may carry a list before one batch went out and somebody was looked up. These wait for one another. From
    then on a request leaves in every slot of the rate, until the last of them is answered.
    """
    asked = [
        Part("ask for the lists", 1, latency),
        Part("make the list", 1, latency),
        Part("send one batch with its list", 1, latency),
        Part("look one of its people up on the list", 1, latency),
    ]
    if mode == HONOURED:
        rest = max(-(-count // BATCH) - 1, 0)
        what = f"everybody else, {BATCH} to a request"
    else:
        asked.append(Part("look again: it might show late", 1, PATIENCE + latency))
        rest = count
        what = "everybody, a request each"
    return [*asked, Part(what, rest, (rest - 1) / rate + latency)]


def main() -> int:
    """Measure and print; gives the exit code: 1 when it takes longer than is aimed at."""
    parser = argparse.ArgumentParser(prog="benchmarks/first", description=__doc__)
    parser.add_argument("--people", type=int, default=100_000, metavar="N")
    parser.add_argument("--rate", type=int, default=RATE, metavar="N", help="requests a second")
    parser.add_argument("--latency", type=float, default=0.5, metavar="SECONDS", help="of each request")
    parser.add_argument("--bulk-lists", choices=MODES, default=HONOURED, help="what bulk items that carry a list are")
    asked = parser.parse_args()
    before = load()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
            sample, requests = _run(Path(scratch) / "project", asked)
    except (OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    parts = least(asked.bulk_lists, asked.people, asked.rate, asked.latency)
    head = (
        f"{asked.people:,} people on one new list, {asked.rate} requests a second, {asked.latency:g} s a request; "
        f"lists in bulk items are {asked.bulk_lists}."
    )
    print(head, *lines(parts, sample, requests), f"{machine(before)}.", sep="\n")
    return int(_ratio(parts, sample) > AIM)


def _run(home: Path, asked: argparse.Namespace) -> tuple[Sample, int]:
    terms = Terms(latency=asked.latency, rate=asked.rate, bulk_lists=asked.bulk_lists)
    with sandbox.running(terms) as server:
        project.write(home, server.url, asked.rate)
        people.write(home / project.PEOPLE, asked.people)
        server.forget_requests()
        return measured((*RECONCILER, "-C", str(home), "apply", "--yes")), server.requests()


def _ratio(parts: Sequence[Part], sample: Sample) -> float:
    return sample.seconds / sum(part.seconds for part in parts)


def lines(parts: Sequence[Part], sample: Sample, requests: int) -> list[str]:
    """Say what the least is and why, and what was measured, from the start of the command to its end."""
    table = [
        ("", "requests", "seconds"),
        *((part.what, f"{part.requests:,}", f"{part.seconds:,.2f}") for part in parts),
    ]
    total = sum(part.requests for part in parts), sum(part.seconds for part in parts)
    table += [("least", f"{total[0]:,}", f"{total[1]:,.2f}"), ("measured", f"{requests:,}", f"{sample.seconds:,.2f}")]
    ratio = _ratio(parts, sample)
    said = f"{ratio:.3f} x least, {AIM} at most: {'met' if ratio <= AIM else 'missed'}"
    return ["", *aligned(table, {0}), "", said, ""]


if __name__ == "__main__":
    sys.exit(main())
