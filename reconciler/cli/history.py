"""`reconciler history`: past runs, the newest first."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.options import Form
from reconciler.cli.screen import Output, color


@mapped
def command(
    context: typer.Context,
    export: Annotated[str | None, typer.Option("--export", metavar="NAME", help="Only runs of this export.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many runs at most.")] = 20,
    output: Form = Output.TEXT,
) -> Exit:
    """Show past runs, the newest first.

    Example: reconciler history --export gold-newsletter
    """
    from reconciler.report import runs
    from reconciler.wiring import workshop

    shop = workshop(context.obj)
    with shop.recorded(shop.declarations()) as reader:
        past = reader.runs(export, limit)
    if output is Output.JSON:
        typer.echo(runs.history_json(past), nl=False)
    else:
        typer.echo(runs.history_text(past, export, color=color()), nl=False)
    return Exit.DONE
