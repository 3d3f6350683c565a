"""`reconciler unlock`: shows who holds the lock, and takes it away."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.asking import agreed
from reconciler.cli.exits import Exit, mapped, say
from reconciler.cli.options import Form
from reconciler.cli.screen import Output


@mapped
def command(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: Form = Output.TEXT,
) -> Exit:
    """Show who holds the lock, ask, and take it away: that run sends and records no more.

    Example: reconciler unlock
    """
    from reconciler.report import custody as report
    from reconciler.wiring import workshop

    shop = workshop(context.obj)
    folder = shop.state_folder(shop.declarations())
    holders = shop.holders(folder)
    for holder in holders:
        say(report.holder_text(holder))
    if holders and not yes and not agreed("Take it away?", "look who holds it, and", "it is left where it is"):
        return Exit.ERROR
    for holder in holders:
        shop.unlock(folder, holder.token)
    if output is Output.JSON:
        typer.echo(report.unlock_json(holders[0] if holders else None, unlocked=bool(holders)), nl=False)
    elif holders:
        typer.echo("The lock is free; the run that held it sends and records no more.")
    else:
        typer.echo("Nobody holds the lock.")
    return Exit.DONE
