"""`reconciler sandbox`: the stand-in for Autopilot."""

from __future__ import annotations

import io
import json
from enum import StrEnum
from typing import Annotated

import typer

from reconciler.cli.exits import Exit, mapped, say
from reconciler.cli.options import Form
from reconciler.cli.screen import Output


class BulkLists(StrEnum):
    """What the server does with a list inside the items of a bulk request: nobody knows what Autopilot does."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    FIRST = "first"


class _Announced(io.StringIO):
    """Turns the one line on stdout, the base URL, into JSON."""

    def write(self, line: str) -> int:
        """Write the line as JSON, at once."""
        if line.strip():
            typer.echo(json.dumps({"format": 1, "command": "sandbox", "url": line.strip()}))
        return len(line)


@mapped
def command(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on loopback; 0 takes a free one.")] = 8787,
    key: Annotated[
        str | None, typer.Option(help="The one API key; without it, any 32 hexadecimal digits open an account.")
    ] = None,
    file: Annotated[str | None, typer.Option(metavar="FILE", help="Keep the world in this file.")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Requests a second for each key; 0: no limit.")] = 20.0,
    latency: Annotated[float, typer.Option(min=0, help="Seconds that every answer takes.")] = 0.0,
    bulk_lists: Annotated[BulkLists, typer.Option(help="What a list inside bulk items does.")] = BulkLists.HONOURED,
    output: Form = Output.TEXT,
) -> Exit:
    """Run a server on loopback that answers as Autopilot does, and shows its lists at /.

    Example: reconciler sandbox --port 8787 --file world.json
    """
    from reconciler.sandbox.server import serve
    from reconciler.sandbox.switches import from_json

    try:
        switches = from_json({"rate": rate, "latency": latency, "bulk_lists": bulk_lists.value})
        out = _Announced() if output is Output.JSON else None
        serve(port=port, key=key, file=file, switches=switches, out=out)
    except (OSError, ValueError) as error:
        say(f"error: {error}")
        return Exit.ERROR
    return Exit.DONE
