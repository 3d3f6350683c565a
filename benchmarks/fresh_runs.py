"""Runs what a fresh runner runs on a state that is kept elsewhere, store by store; it decides nothing."""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks import people, project, sandbox
from benchmarks.measuring import RECONCILER, Sample, measured, together
from benchmarks.places import LeftOut, opened
from benchmarks.sandbox import Terms
from benchmarks.scenes import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.places import Place
    from benchmarks.sandbox import Sandbox
    from benchmarks.tap import Traffic

STATE_KEY = "ab" * 32

FIRST, APPLY, PLAN = STEPS = ("first apply", "apply, unchanged", "plan, unchanged")

_COMMANDS = {FIRST: ("apply", "--yes"), APPLY: ("apply", "--yes"), PLAN: ("plan",)}

_PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {{name: benchmarks}}
spec:
  state: {{url: "{url}"}}
"""


@dataclass(frozen=True, slots=True)
class StoreRow:
    """What one command took on one store. `traffic` is that of the last repetition; None where none is counted."""

    store: str
    step: str
    sample: Sample
    traffic: Traffic | None


def store_rows(
    names: Sequence[str], count: int, repetitions: int, scratch: Path, say: Callable[[str], None]
) -> tuple[list[StoreRow], dict[str, str]]:
    """Measure these stores, in an empty folder; of those that are not to be had, give why. Raises RuntimeError."""
    rows: list[StoreRow] = []
    missing: dict[str, str] = {}
    for number, name in enumerate(names):
        room = scratch / str(number)
        room.mkdir()
        took: dict[str, list[Sample]] = defaultdict(list)
        last: dict[str, Traffic | None] = {}
        try:
            with opened(name, room) as place, sandbox.running(Terms()) as account:
                for step, sample, traffic in _played(place, account, room, count, repetitions):
                    took[step].append(sample)
                    last[step] = traffic
                    say(f"{name}: {step}: {sample.seconds:.2f} s, {traffic and dict(traffic.requests)}")
        except LeftOut as reason:
            missing[name] = str(reason)
        rows += [StoreRow(name, step, together(took[step]), last[step]) for step in STEPS if step in took]
        shutil.rmtree(room)
    return rows, missing


def _played(
    place: Place, account: Sandbox, room: Path, count: int, repetitions: int
) -> Iterator[tuple[str, Sample, Traffic | None]]:
    """Record everybody, and then run on one fresh runner after another."""
    people.write(room / project.PEOPLE, count)
    environ = {**place.environ, "RECONCILER_STATE_KEY": STATE_KEY}
    for number, step in enumerate((FIRST, *(APPLY, PLAN) * repetitions)):
        home = room / ("runner" if place.url is None else f"runner-{number}")
        if not home.exists():
            place.checkout(home)
            project.write(home, account.url, UNLIMITED)
            if place.url is not None:
                (home / "exports" / "project.yaml").write_text(_PROJECT.format(url=place.url), encoding="utf-8")
            (home / project.PEOPLE).hardlink_to(room / project.PEOPLE)
        account.forget_requests()
        if place.tap is not None:
            place.tap.forget()
        sample = measured((*RECONCILER, "-C", str(home), *_COMMANDS[step]), environ)
        traffic = place.tap.traffic() if place.tap is not None else None
        yield step, replace(sample, requests=account.requests()), traffic
