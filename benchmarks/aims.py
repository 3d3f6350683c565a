"""Decides which figure a row is judged by, and whether it is good enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from benchmarks.measuring import Sample

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class TimesBare:
    """At most so many times the seconds of the bare script."""

    most: float


@dataclass(frozen=True, slots=True)
class TimesLeast:
    """At most so many times the least time that the rate (requests a second) allows for the requests sent."""

    most: float
    rate: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Below so many bytes."""

    most: int


@dataclass(frozen=True, slots=True)
class Seconds:
    """At most so many seconds."""

    most: float


Aim = TimesBare | TimesLeast | Memory | Seconds


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure in words, what it is to be, and whether it is."""

    figure: str
    aim: str
    met: bool


def judge(aim: Aim, ours: Sample, bare: Sample | None) -> Verdict:
    """Judge a row; `bare` is there where the aim is about it."""
    match aim:
        case TimesBare(most):
            assert bare is not None
            ratio = ours.seconds / bare.seconds
            return Verdict(f"{ratio:.2f} x bare", f"{most} at most", ratio <= most)
        case TimesLeast(most, rate):
            ratio = ours.seconds * rate / ours.requests
            return Verdict(f"{ratio:.3f} x least", f"{most} at most", ratio <= most)
        case Memory(most):
            size = f"{ours.memory / MEGABYTE:.0f} MB"
            return Verdict(size, f"below {most / MEGABYTE:.0f} MB", ours.memory < most)
        case Seconds(most):
            return Verdict(f"{ours.seconds:.2f} s", f"{most:.2f} s at most", ours.seconds <= most)
        case _:
            assert_never(aim)
