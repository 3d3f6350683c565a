"""`reconciler schema`: the JSON Schemas of the declarations and of the JSON output."""

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
    check: Annotated[bool, typer.Option("--check", help="Write nothing; leave with 1 when they differ.")] = False,
    output: Form = Output.TEXT,
) -> Exit:
    """Write JSON Schemas (draft 2020-12) into schemas/, for editors and for who reads the JSON.

    Example: reconciler schema --check
    """
    from reconciler.manifest.schema import FOLDER, drift, schemas, write
    from reconciler.report.schema import documents

    root, texts = Path(context.obj), schemas() | documents()
    if not check:
        written("schema", write(root, texts), output)
        return Exit.DONE
    differing = [root / FOLDER / name for name in drift(root, texts)]
    remedy = "is not what the models say; run `reconciler schema`"
    outdated(differing, remedy)
    return Exit.ERROR if stale("schema", differing, output, remedy) else Exit.DONE
