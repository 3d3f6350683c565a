"""`reconciler init`: writes a small project that validates as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.options import Form
from reconciler.cli.screen import Output
from reconciler.cli.written import written


@mapped
def command(
    context: typer.Context,
    folder: Annotated[str | None, typer.Argument(metavar="[DIR]", help="Where to; default: here.")] = None,
    output: Form = Output.TEXT,
) -> Exit:
    """Write a small project that validates as it stands, and runs against the sandbox.

    Example: reconciler init my-project
    """
    from reconciler.manifest.schema import write as write_schemas
    from reconciler.manifest.starter import write
    from reconciler.report.schema import documents

    root = Path(folder if folder is not None else context.obj)
    written("init", [*write(root), *write_schemas(root, documents())], output)
    return Exit.DONE
