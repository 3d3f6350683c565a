"""`reconciler status`: the exports as the Exports page shows them."""

from __future__ import annotations

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.options import Form
from reconciler.cli.screen import Output, color, width


@mapped
def command(context: typer.Context, output: Form = Output.TEXT) -> Exit:
    """Show each export: its connection, status, when it was refreshed, and how many people it holds.

    Example: reconciler status
    """
    from reconciler.flow.status import overview
    from reconciler.report import runs
    from reconciler.wiring import workshop

    shop = workshop(context.obj)
    declarations = shop.declarations()
    with shop.recorded(declarations) as reader:
        rows, connections = overview(declarations, reader)
    if output is Output.JSON:
        typer.echo(runs.status_json(rows, connections), nl=False)
    else:
        typer.echo(runs.status_text(rows, connections, color=color(), width=width()), nl=False)
    return Exit.DONE
