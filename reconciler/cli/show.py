"""`reconciler show`: one run with the profiles that Autopilot refused."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.options import Form
from reconciler.cli.screen import Output, color, width


@mapped
def command(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or the beginning of it.")],
    output: Form = Output.TEXT,
) -> Exit:
    """Show one run, with whom Autopilot refused and why, by keyed digest.

    Example: reconciler show 20261102T060000Z
    """
    from reconciler.report import runs
    from reconciler.wiring import workshop

    shop = workshop(context.obj)
    with shop.recorded(shop.declarations()) as reader:
        found, rejects = reader.run(run)
    if output is Output.JSON:
        typer.echo(runs.run_json(found, rejects), nl=False)
    else:
        typer.echo(runs.run_text(found, rejects, color=color(), width=width()), nl=False)
    return Exit.DONE
