"""`reconciler fmt`: the one layout of the YAML, comments kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.exits import Exit, mapped, say


@mapped
def command(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; leave with 1 when a file differs.")] = False,
) -> Exit:
    """Bring every file below exports/ into the one layout, comments kept.

    Example: reconciler fmt --check
    """
    from reconciler.manifest.layout import unformatted, write

    root = Path(context.obj)
    changed = sorted(unformatted(root)) if check else write(root)
    for path in changed:
        if check:
            say(f"error: {path} is not in the one layout; run `reconciler fmt`")
        else:
            typer.echo(f"wrote {path}")
    return Exit.ERROR if check and changed else Exit.DONE
