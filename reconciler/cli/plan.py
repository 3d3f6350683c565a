"""`reconciler plan`: what would change, and nothing else."""

from __future__ import annotations

import shlex
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.exits import Exit, mapped, say
from reconciler.cli.options import PARALLEL, Exports, Parallel, Part, Refreshed, RunTrigger, Triggers, part
from reconciler.cli.saving import Allow, Out, allowed
from reconciler.cli.screen import PlanOutput, color, width, workflow_prefix
from reconciler.cli.workflow import planned

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.core.plan import Plan
    from reconciler.flow.outside import Request
    from reconciler.wiring import Workshop


@mapped
def command(  # noqa: PLR0913, PLR0917  # one for each option; typer hands them over by name
    context: typer.Context,
    export: Exports = None,
    trigger: Triggers = RunTrigger.DEMAND,
    output: Annotated[PlanOutput, typer.Option(help="The form of the result.")] = PlanOutput.TEXT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every segment, changed or not.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Leave with 2 when there are changes.")] = False,
    out: Out = None,
    allow: Allow = None,
    refresh: Refreshed = False,
    shard: Part = "1/1",
    parallel: Parallel = PARALLEL,
) -> Exit:
    """Show what apply would do, and do nothing.

    Example: reconciler plan --export gold-newsletter --exit-code
    """
    from reconciler.flow.outside import Request
    from reconciler.wiring import workshop

    request = Request(
        tuple(export or ()),
        trigger.value,
        allowances=allowed(allow),
        refresh=refresh,
        shard=part(shard),
        parallel=parallel,
    )
    result = _planned(workshop(context.obj), request, out)
    typer.echo(_written(result, output, workflow_prefix(context.obj), verbose=verbose), nl=False)
    planned(result, context.obj)
    if out is not None:
        from reconciler.report.escape import visible

        say(f"saved, sealed and good for one use: reconciler apply {visible(shlex.quote(str(out)))}")
    if result.blocked:
        return Exit.BLOCKED
    return Exit.CHANGES if exit_code and result.changes else Exit.DONE


def _planned(shop: Workshop, request: Request, out: Path | None) -> Plan:
    """Plan with readers only, and save the plan if that is asked for."""
    from reconciler.flow import saved
    from reconciler.flow.opened import reach
    from reconciler.flow.plan import prepare
    from reconciler.flow.refresh import Refresh, look

    declarations = shop.declarations()
    folder = shop.state_folder(declarations)
    digests, key = shop.digests(folder, make=False)
    if out is not None:
        saved.check(out, digests)
    reached = reach(declarations, request.exports, request.shard)
    with closing(shop.reader(folder, key, reached.among, reached.only)) as reader:
        outside = shop.outside(declarations)
        found = look(declarations, reader, outside, digests, request) if request.refresh else Refresh()
        plan, prepared = prepare(declarations, found.over(reader), outside, digests, request)
        plan = found.told(plan, prepared)
        if out is not None:
            saved.save(out, plan, request, declarations, reader, shop, digests)
    return plan


def _written(plan: Plan, output: PlanOutput, prefix: str, *, verbose: bool) -> str:
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
        case PlanOutput.SARIF:
            from reconciler.report.sarif import plan_sarif

            return plan_sarif(plan, prefix)
