"""`reconciler import`: adopts a list that exists, with its members, instead of making one."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.asking import agreed
from reconciler.cli.exits import Exit, mapped, say
from reconciler.cli.interrupt import Stop
from reconciler.cli.options import Form, LockTimeout, Yes
from reconciler.cli.screen import Output


@mapped
def command(  # noqa: PLR0913, PLR0917  # one for each option; typer hands them over by name
    context: typer.Context,
    export: Annotated[str, typer.Argument(metavar="EXPORT", help="The export, as it is declared.")],
    segment: Annotated[str, typer.Argument(metavar="SEGMENT", help="Its segment, whose people belong on the list.")],
    title: Annotated[str, typer.Option("--list", metavar="NAME", help="The list's title at Autopilot.")],
    list_id: Annotated[str | None, typer.Option(metavar="ID", help="Which one, where several have the title.")] = None,
    yes: Yes = False,
    lock_timeout: LockTimeout = 0.0,
    output: Form = Output.TEXT,
) -> Exit:
    """Adopt a list that exists, with its members, instead of making one; nothing is sent.

    Example: reconciler import gold-newsletter home-owners --list "Home owners 2019"
    """
    from reconciler.flow.adopt import adopting
    from reconciler.report import receipts
    from reconciler.wiring import workshop

    with Stop() as stop:
        shop = workshop(context.obj, stop)
        with adopting(shop, export, segment, title, list_id, lock_timeout=lock_timeout) as adoption:
            if output is Output.TEXT:
                typer.echo(receipts.adoption_text(adoption.told), nl=False)
            if not yes and not agreed("Adopt this list?"):
                say("nothing was adopted")
                return Exit.ERROR
            run = adoption.record()
    if output is Output.JSON:
        typer.echo(receipts.adoption_json(adoption.told, run), nl=False)
    else:
        typer.echo("Adopted. `reconciler plan` shows what the next run does with it.")
    return Exit.DONE
