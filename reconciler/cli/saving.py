"""Options of saved plans and of rules that are let through. It decides how they are written, nothing else."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.exits import say
from reconciler.core.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.core.allow import Allowance
    from reconciler.flow.saved import Ticket
    from reconciler.wiring import Workshop

Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="EXPORT:RULE=REASON",
        help="Let one export break `removals` or `updates` once, up to the figure in the plan; several times.",
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Save the plan, sealed, for `reconciler apply FILE`.")
]
Saved = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A saved plan; default: what is so now.")]
Drift = Annotated[
    float | None,
    typer.Option(
        min=0, max=100, metavar="PERCENT", help="How far each count may stray from the saved plan.", show_default="0"
    ),
]
MaxAge = Annotated[
    str | None,
    typer.Option("--max-age", metavar="AGE", help="How old the saved plan may be: 30m, 24h, 7d.", show_default="24h"),
]

_AGE = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS = {"m": dt.timedelta(minutes=1), "h": dt.timedelta(hours=1), "d": dt.timedelta(days=1)}
_DAY = dt.timedelta(days=1)
_IN_FILE = ("export", "trigger", "allow", "refresh", "shard")
_OF_FILE = {"drift": "--drift", "max_age": "--max-age"}
_SHOWN = 12
"""Digits of a commit that are shown."""


def allowed(texts: list[str] | None) -> tuple[Allowance, ...]:
    """Read `--allow`. Raises BadParameter, which is exit code 2."""
    from reconciler.core.allow import allowances

    try:
        return allowances(texts or ())
    except ReconcilerError as error:
        raise typer.BadParameter(str(error), param_hint="--allow") from None


def ticket(
    context: typer.Context, shop: Workshop, file: Path | None, max_age: str | None, drift: float | None
) -> Ticket | None:
    """Open the saved plan, if there is one. Raises PlanRefused; BadParameter for options that do not go with it."""
    from reconciler.flow.saved import present

    given = {name for name in context.params if _said(context, name)}
    if file is None:
        for name in given & _OF_FILE.keys():
            raise typer.BadParameter("it is about a saved plan, and no FILE is given", param_hint=_OF_FILE[name])
        return None
    for name in given.intersection(_IN_FILE):
        raise typer.BadParameter("the saved plan says it already", param_hint=f"--{name}")
    opened = present(file, shop, max_age=_age(max_age), drift=drift or 0.0)
    reviewed, here = opened.plan.commit, shop.commit()
    if reviewed != here and reviewed is not None and here is not None:
        words = f"was made at commit {reviewed[:_SHOWN]}, this is {here[:_SHOWN]}; the declarations are the same"
        say(f"note: the saved plan {words}")
    return opened


def _said(context: typer.Context, name: str) -> bool:
    """Tell whether an option was given, and not its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _age(text: str | None) -> dt.timedelta:
    if text is None:
        return _DAY
    parts = _AGE.fullmatch(text)
    if parts is None:
        raise typer.BadParameter("an age is a number and m, h or d, such as 30m, 24h or 7d", param_hint="--max-age")
    return int(parts[1]) * _UNITS[parts[2]]
