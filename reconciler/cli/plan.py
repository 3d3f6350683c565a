"""`reconciler plan`: what would change, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.options import Exports, RunTrigger, Triggers
from reconciler.cli.screen import PlanOutput, color, width

if TYPE_CHECKING:
    from reconciler.core.plan import Plan


@mapped
def command(
    context: typer.Context,
    export: Exports = (),
    trigger: Triggers = RunTrigger.DEMAND,
    output: Annotated[PlanOutput, typer.Option(help="The form of the result.")] = PlanOutput.TEXT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every segment, changed or not.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Leave with 2 when there are changes.")] = False,
) -> Exit:
    """Show what apply would do, and do nothing.

    Example: reconciler plan --export gold-newsletter --exit-code
    """
    from reconciler.flow.outside import Request
    from reconciler.flow.plan import prepare
    from reconciler.wiring import workshop

    shop = workshop(context.obj)
    declarations = shop.declarations()
    folder = shop.state_folder(declarations)
    digests, key = shop.digests(folder, make=False)
    reader = shop.reader(folder, key)
    try:
        request = Request(tuple(export), trigger.value)
        result, _ = prepare(declarations, reader, shop.outside(declarations), digests, request)
    finally:
        reader.close()
    typer.echo(_written(result, output, verbose=verbose), nl=False)
    if result.blocked:
        return Exit.BLOCKED
    return Exit.CHANGES if exit_code and result.changes else Exit.DONE


def _written(plan: Plan, output: PlanOutput, *, verbose: bool) -> str:
    match output:
        case PlanOutput.TEXT:
            from reconciler.report.text import plan_text

            return plan_text(plan, color=color(), verbose=verbose, width=width())
        case PlanOutput.JSON:
            from reconciler.report.document import plan_json

            return plan_json(plan)
        case PlanOutput.MARKDOWN:
            from reconciler.report.markdown import plan_markdown

            return plan_markdown(plan)
