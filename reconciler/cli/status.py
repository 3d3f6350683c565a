"""`reconciler status`: the exports as the Exports page shows them."""

from __future__ import annotations

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.options import Form
from reconciler.cli.screen import Output, color, width


@mapped
def command(context: typer.Context, output: Form = Output.TEXT) -> Exit:
    """Show each export: its connection, status, how many people it holds, when it was refreshed and is due next.

    Example: reconciler status
    """
    from reconciler.flow.status import Asked, overview
    from reconciler.report import runs
    from reconciler.timetable import scheduled
    from reconciler.wiring import workshop

    shop = workshop(context.obj)
    declarations = shop.declarations()
    with shop.recorded(declarations) as reader:
        rows, connections = overview(declarations, reader, Asked(shop.clock.now(), scheduled))
    if output is Output.JSON:
        typer.echo(runs.status_json(rows, connections), nl=False)
    else:
        typer.echo(runs.status_text(rows, connections, color=color(), width=width()), nl=False)
    return Exit.DONE
