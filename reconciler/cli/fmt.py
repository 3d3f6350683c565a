"""`reconciler fmt`: the one layout of the YAML, comments kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.options import Form
from reconciler.cli.screen import Output
from reconciler.cli.workflow import outdated
from reconciler.cli.written import stale, written


@mapped
def command(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; leave with 1 when a file differs.")] = False,
    output: Form = Output.TEXT,
) -> Exit:
    """Bring every file below exports/ into the one layout, comments kept.

    Example: reconciler fmt --check
    """
    from reconciler.manifest.layout import unformatted, write

    root = Path(context.obj)
    if not check:
        written("fmt", write(root), output)
        return Exit.DONE
    remedy = "is not in the one layout; run `reconciler fmt`"
    differing = sorted(unformatted(root))
    outdated(differing, remedy)
    return Exit.ERROR if stale("fmt", differing, output, remedy) else Exit.DONE
