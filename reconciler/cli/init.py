"""`reconciler init`: writes a small project that validates as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.exits import Exit, mapped


@mapped
def command(
    context: typer.Context,
    folder: Annotated[str | None, typer.Argument(metavar="[DIR]", help="Where to; default: here.")] = None,
) -> Exit:
    """Write a small project that validates as it stands, and runs against the sandbox.

    Example: reconciler init my-project
    """
    from reconciler.manifest.starter import write

    root = Path(folder if folder is not None else context.obj)
    for path in write(root):
        typer.echo(f"wrote {path}")
    return Exit.DONE
