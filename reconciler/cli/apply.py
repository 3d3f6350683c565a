"""`reconciler apply`: plans afresh, then carries it out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.exits import Exit, mapped, say
from reconciler.cli.interrupt import Stop
from reconciler.cli.options import Exports, Form, RunTrigger, Triggers
from reconciler.cli.screen import Output, color, width

if TYPE_CHECKING:
    from reconciler.core.model import Run
    from reconciler.core.plan import Plan


@mapped
def command(
    context: typer.Context,
    export: Exports = (),
    trigger: Triggers = RunTrigger.DEMAND,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    lock_timeout: Annotated[
        float, typer.Option("--lock-timeout", min=0, metavar="SECONDS", help="Wait for another run to end.")
    ] = 0.0,
    output: Form = Output.TEXT,
) -> Exit:
    """Plan afresh, ask, and push what changed.

    Example: reconciler apply --trigger merge --yes
    """
    from reconciler.flow.session import Session
    from reconciler.wiring import workshop

    with Stop() as stop:
        shop = workshop(context.obj, stop)
        with Session(shop, lock_timeout=lock_timeout) as session:
            plan = session.plan(tuple(export), trigger.value)
            if output is Output.TEXT:
                _show(plan)
            if plan.changes and not yes and not _agreed(plan):
                say("nothing was sent")
                return Exit.ERROR
            run = session.carry_out(plan, trigger.value)
        _report(plan, run, output)
        return stop.exit_code or _code(plan, run)


def _agreed(plan: Plan) -> bool:
    if not sys.stdin.isatty():
        say("error: there is no terminal to ask on; look at the plan, and say --yes")
        return False
    exports = sum(1 for e in plan.exports if e.action.value in {"create", "update", "retire"})
    return typer.confirm(f"Push these changes of {exports} exports?", err=True)


def _show(plan: Plan) -> None:
    from reconciler.report.text import plan_text

    typer.echo(plan_text(plan, color=color(), width=width()))


def _report(plan: Plan, run: Run, output: Output) -> None:
    from reconciler.report.applied import apply_text
    from reconciler.report.document import plan_json

    if output is Output.JSON:
        typer.echo(plan_json(plan, run), nl=False)
    elif plan.changes:
        typer.echo(apply_text(plan, run, color=color(), width=width()), nl=False)


def _code(plan: Plan, run: Run) -> Exit:
    """Work that failed is said first, because the next run takes it up; what is blocked waits for somebody."""
    blocked = {(e.connection, e.name) for e in plan.blocked}
    if any(e.status.value == "Failed" and (e.connection, e.export) not in blocked for e in run.exports):
        return Exit.FAILED
    return Exit.BLOCKED if blocked else Exit.DONE
