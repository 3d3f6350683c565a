"""Decides what is measured: which runs follow each other on one account, at which terms, and what is aimed at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from benchmarks.aims import MEGABYTE, Aim, Memory, Seconds, TimesBare, TimesLeast
from benchmarks.sandbox import Terms

RATE = 20
"""Requests a second that Autopilot allows."""

UNLIMITED = 100_000
"""Requests a second that nothing on loopback comes near."""


class Verb(Enum):
    """What is run."""

    APPLY = "apply"
    PLAN = "plan"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table. `peers` are the seconds of others, from an earlier measurement; `changed`: 1 % is new."""

    title: str
    aim: Aim
    peers: str = ""
    verb: Verb = Verb.APPLY
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """Runs over so many people, on one account that is new at first. `rate` is the connection's."""

    people: int
    steps: tuple[Step, ...]
    terms: Terms
    rate: int = UNLIMITED
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Size:
    """How many people, how many at the rate, and there where each takes a request; how often each run, and the help.

    `latency` is what a request takes at the rate, in seconds.
    """

    people: int
    rated: int
    few: int
    latency: float
    repetitions: int
    helps: int


FULL = Size(people=100_000, rated=100_000, few=1_000, latency=0.5, repetitions=3, helps=10)
QUICK = Size(people=10_000, rated=500, few=20, latency=0.1, repetitions=1, helps=1)

HELP = Step("--help", Seconds(0.33), verb=Verb.HELP)


def scenes(size: Size) -> tuple[Scene, ...]:
    """Give every scene, for tables of this size."""
    limited = Terms(latency=size.latency, rate=RATE)
    listless = replace(limited, bulk_lists="ignored")
    rated = f"first run at {RATE} a second ({size.rated:,} people)"
    few = f"first run at {RATE} a second, no lists in bulk ({size.few:,} people)"
    return (
        Scene(
            size.people,
            (
                Step("first run, no limit", TimesBare(1.5), "dlt 13.3, Singer 13.6, drt 35.1"),
                Step("unchanged", TimesBare(1.5), "dlt 3.1 (cursor) or 11.3, Singer 13.5, drt 45.1"),
                Step("plan, unchanged", Memory(150 * MEGABYTE), "drt 2.5 (SQL), SQLMesh 4.5, octoDNS 73", Verb.PLAN),
                Step("1 % changed", TimesBare(1.5), "dlt 4.3 (cursor) or 10.4, drt 37.0", changed=True),
            ),
            Terms(),
            bare=True,
        ),
        Scene(
            size.people,
            (Step("first run, 50 ms a request", TimesBare(1.5), "dlt 16.3 (ten workers), Singer 74.5, drt 127.9"),),
            Terms(latency=0.05),
            bare=True,
        ),
        Scene(size.rated, (Step(rated, TimesLeast(1.05, RATE)),), limited, RATE),
        Scene(size.few, (Step(few, TimesLeast(1.05, RATE)),), listless, RATE),
    )
