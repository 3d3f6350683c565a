"""`reconciler forget`: erases one person, everywhere and for ever."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from reconciler.cli.asking import agreed
from reconciler.cli.exits import Exit, mapped, say
from reconciler.cli.interrupt import Stop
from reconciler.cli.options import Form, LockTimeout, Yes
from reconciler.cli.screen import Output

STDIN = "-"


@mapped
def command(
    context: typer.Context,
    email: Annotated[
        str, typer.Argument(metavar="EMAIL", help="The address; - reads it from stdin, so that no process list has it.")
    ],
    yes: Yes = False,
    lock_timeout: LockTimeout = 0.0,
    output: Form = Output.TEXT,
) -> Exit:
    """Take a person off every list, delete the contact, forget the state, and suppress the address for ever.

    Example: reconciler forget - --yes < address.txt
    """
    from reconciler.flow.forget import forget
    from reconciler.report import receipts
    from reconciler.wiring import workshop

    raw = sys.stdin.readline().strip() if email == STDIN else email
    if not yes and not agreed("Delete this person from Autopilot in every connection, and never send them again?"):
        say("nothing was done")
        return Exit.ERROR
    with Stop() as stop:
        receipt = forget(workshop(context.obj, stop), raw, lock_timeout=lock_timeout)
    typer.echo((receipts.forget_json if output is Output.JSON else receipts.forget_text)(receipt), nl=False)
    return stop.exit_code or (Exit.DONE if receipt.done else Exit.FAILED)
