"""`reconciler connect`: tests a connection, as the Connect button of Customer Insights does."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.options import Form
from reconciler.cli.screen import Output


@mapped
def command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The connection's name.")],
    output: Form = Output.TEXT,
) -> Exit:
    """Test a connection: whether Autopilot answers, takes the key, and which account it opens.

    Example: reconciler connect autopilot-marketing
    """
    from reconciler.flow.connect import connect
    from reconciler.report.escape import visible
    from reconciler.wiring import workshop

    account = connect(workshop(context.obj), name)
    if output is Output.JSON:
        typer.echo(json.dumps({"format": 1, "command": "connect", "connection": name, "instance": account.instance}))
    else:
        typer.echo(f"{name}: Autopilot answers, and the key opens account {visible(account.instance)}")
    return Exit.DONE
