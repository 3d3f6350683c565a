"""Runs every scene as often as asked for, the reconciler and the bare script in turn; it decides nothing."""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import people, project, sandbox
from benchmarks.measuring import KEY, RECONCILER, Sample, measured, together
from benchmarks.scenes import HELP, Scene, Size, Step, Verb, scenes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BARE = Path(__file__).with_name("bare.py")


class Who(Enum):
    """Whose run it is."""

    OURS = "reconciler"
    BARE = "bare script"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: what was run, and what it took; `bare` is None where that script has no such run."""

    step: Step
    ours: Sample
    bare: Sample | None


def rows(size: Size, scratch: Path, say: Callable[[str], None]) -> list[Row]:
    """Measure everything, in an empty folder. Raises RuntimeError when a command fails."""
    took: dict[tuple[Step, Who], list[Sample]] = defaultdict(list)
    played = scenes(size)
    for scene in played * size.repetitions:
        for who in Who if scene.bare else (Who.OURS,):
            home = scratch / "project"
            shutil.rmtree(home, ignore_errors=True)
            for step, sample in _played(scene, home, who):
                took[step, who].append(sample)
                say(f"{step.title}: {who.value} {sample.seconds:.2f} s, {sample.cpu:.2f} s of CPU")
    took[HELP, Who.OURS] = [measured((*RECONCILER, "--help")) for _ in range(size.helps)]
    steps = [*(step for scene in played for step in scene.steps), HELP]
    made = {place: together(samples) for place, samples in took.items()}
    return [Row(step, made[step, Who.OURS], made.get((step, Who.BARE))) for step in steps]


def _played(scene: Scene, home: Path, who: Who) -> Iterator[tuple[Step, Sample]]:
    """Run one scene on an account of its own."""
    with sandbox.running(scene.terms) as server:
        project.write(home, server.url, scene.rate)
        for step in scene.steps:
            if who is Who.BARE and step.verb is not Verb.APPLY:
                continue
            people.write(home / project.PEOPLE, scene.people, changed=step.changed)
            server.forget_requests()
            sample = measured(_bare(home, server.url) if who is Who.BARE else _ours(home, step.verb))
            yield step, replace(sample, requests=server.requests())


def _ours(home: Path, verb: Verb) -> Sequence[str]:
    asked = {Verb.APPLY: ("apply", "--yes"), Verb.PLAN: ("plan",), Verb.HELP: ("--help",)}
    return (*RECONCILER, "-C", str(home), *asked[verb])


def _bare(home: Path, url: str) -> Sequence[str]:
    return (sys.executable, str(BARE), url, KEY, str(home / project.PEOPLE), str(home / "bare.sqlite"))
