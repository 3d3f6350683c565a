"""`reconciler show`: one run with the profiles that Autopilot refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.options import Form
from reconciler.cli.screen import Output, color, width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.core.outcome import Revealed
    from reconciler.core.record import Reject, Run


@mapped
def command(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or the beginning of it.")],
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Name the rejected people, as far as the source still has them.")
    ] = False,
    output: Form = Output.TEXT,
) -> Exit:
    """Show one run, with whom Autopilot refused and why, by keyed digest.

    Example: reconciler show 20261102T060000Z
    """
    from reconciler.wiring import workshop

    shop = workshop(context.obj)
    declarations = shop.declarations()
    with shop.recorded(declarations) as reader:
        found, rejects = reader.run(run)
        people = None
        if reveal:
            from reconciler.flow.reveal import reveal as join

            digests, _ = shop.digests(shop.state_folder(declarations), make=False)
            people = join(rejects, declarations, reader, shop.outside(declarations), digests)
    typer.echo(_written(found, rejects, people, output), nl=False)
    return Exit.DONE


def _written(run: Run, rejects: Sequence[Reject], people: Sequence[Revealed] | None, output: Output) -> str:
    from reconciler.report import reveals, runs

    if output is Output.JSON:
        return runs.run_json(run, rejects) if people is None else reveals.revealed_json(run, people, rejects)
    told = runs.run_text(run, rejects, color=color(), width=width())
    return told if people is None else told + reveals.revealed_text(people, rejects)
