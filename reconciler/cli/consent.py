"""`reconciler consent`: writes an administrator's consent into a connection's YAML."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.options import Form
from reconciler.cli.screen import Output
from reconciler.cli.written import written


@mapped
def command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The connection's name.")],
    by: Annotated[str, typer.Option("--by", metavar="WHO", help="Who accepts, for the record.")],
    fields: Annotated[str, typer.Option("--fields", metavar="FIELDS", help="Autopilot fields, with commas between.")],
    output: Form = Output.TEXT,
) -> Exit:
    """Write the consent block into a connection's YAML, comments kept; it holds once it is merged.

    Example: reconciler consent autopilot-marketing --by privacy@contoso.com --fields Email,FirstName
    """
    from reconciler.flow.connect import accept
    from reconciler.wiring import workshop

    covered = tuple(field.strip() for field in fields.split(",") if field.strip())
    written("consent", [accept(workshop(context.obj), name, by, covered)], output)
    return Exit.DONE
