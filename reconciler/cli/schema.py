"""`reconciler schema`: the JSON Schemas of the declarations and of the JSON output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.exits import Exit, mapped, say


@mapped
def command(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; leave with 1 when they differ.")] = False,
) -> Exit:
    """Write JSON Schemas (draft 2020-12) into schemas/, for editors and for who reads the JSON.

    Example: reconciler schema --check
    """
    from reconciler.manifest.schema import schemas
    from reconciler.report.schema import documents

    folder = Path(context.obj) / "schemas"
    stale = []
    for name, text in sorted((schemas() | documents()).items()):
        path = folder / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if not check:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            typer.echo(f"wrote {path}")
    if check and stale:
        for path in stale:
            say(f"error: {path} is not what the models say; run `reconciler schema`")
        return Exit.ERROR
    return Exit.DONE
