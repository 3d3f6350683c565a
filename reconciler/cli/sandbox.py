"""`reconciler sandbox`: the stand-in for Autopilot."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from reconciler.cli.exits import Exit, mapped, say


class BulkLists(StrEnum):
    """What the server does with a list inside the items of a bulk request: nobody knows what Autopilot does."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    FIRST = "first"


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
) -> Exit:
    """Run a server on loopback that answers as Autopilot does, and shows its lists at /.

    Example: reconciler sandbox --port 8787 --file world.json
    """
    from reconciler.sandbox.server import serve
    from reconciler.sandbox.switches import from_json

    try:
        switches = from_json({"rate": rate, "latency": latency, "bulk_lists": bulk_lists.value})
        serve(port=port, key=key, file=file, switches=switches)
    except (OSError, ValueError) as error:
        say(f"error: {error}")
        return Exit.ERROR
    return Exit.DONE
