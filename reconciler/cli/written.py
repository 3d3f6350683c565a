"""Decides how a command that writes files says which: a line for each, or one JSON object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from reconciler.cli.screen import Output

if TYPE_CHECKING:
    from collections.abc import Iterable


def written(command: str, files: Iterable[object], output: Output) -> None:
    """Say which files were written."""
    names = [str(file) for file in files]
    if output is Output.JSON:
        typer.echo(json.dumps({"format": 1, "command": command, "files": names}))
        return
    for name in names:
        typer.echo(f"wrote {name}")


def stale(command: str, files: Iterable[object], output: Output, remedy: str) -> bool:
    """Say which files are not as they should be; gives whether there were any."""
    names = [str(file) for file in files]
    if output is Output.JSON:
        typer.echo(json.dumps({"format": 1, "command": command, "stale": names}))
    for name in names:
        typer.echo(f"error: {name} {remedy}", err=True)
    return bool(names)
