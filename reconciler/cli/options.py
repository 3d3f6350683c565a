"""Options that several commands share. It decides nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from reconciler.cli.screen import Output


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
Form = Annotated[Output, typer.Option("--output", help="The form of the result.")]
Refreshed = Annotated[bool, typer.Option("--refresh", help="Read the lists at Autopilot first, and look for drift.")]
LockTimeout = Annotated[
    float, typer.Option("--lock-timeout", min=0, metavar="SECONDS", help="Wait for another run to end.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
