"""Options that several commands share. It decides nothing."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from reconciler.cli.screen import Output
from reconciler.core.shards import Shard

_PART = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")


class RunTrigger(StrEnum):
    """What makes a run: a merge, a clock, or somebody who asks."""

    MERGE = "merge"
    SCHEDULE = "schedule"
    DEMAND = "demand"


Exports = Annotated[
    list[str] | None, typer.Option("--export", metavar="NAME", help="Only this export; may be given several times.")
]
Triggers = Annotated[
    RunTrigger,
    typer.Option("--trigger", help="Run the exports that list this trigger, and are due."),
]
Part = Annotated[
    str, typer.Option("--shard", metavar="K/N", help="Only part K of N of the connections; a matrix runs every K.")
]
Parallel = Annotated[
    int, typer.Option("--parallel", min=1, max=64, metavar="N", help="Connections at a time, each at its own pace.")
]
PARALLEL = 8
"""Connections pushed at a time: they wait for their accounts nearly all of the time, and eight keep one core busy."""


def part(text: str) -> Shard:
    """Read `--shard`. Raises BadParameter, which is exit code 2."""
    found = _PART.fullmatch(text)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise typer.BadParameter("write the part and how many there are, from 1/4 to 4/4", param_hint="--shard")
    return Shard(number, count)


Form = Annotated[Output, typer.Option("--output", help="The form of the result.")]
Refreshed = Annotated[bool, typer.Option("--refresh", help="Read the lists at Autopilot first, and look for drift.")]
LockTimeout = Annotated[
    float, typer.Option("--lock-timeout", min=0, metavar="SECONDS", help="Wait for another run to end.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
