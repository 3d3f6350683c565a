"""`reconciler apply`: plans afresh, then carries it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from reconciler.cli.alerting import tell, told_of
from reconciler.cli.asking import agreed
from reconciler.cli.exits import Exit, mapped, say
from reconciler.cli.interrupt import Stop
from reconciler.cli.options import (
    PARALLEL,
    Exports,
    Form,
    LockTimeout,
    Parallel,
    Part,
    Refreshed,
    RunTrigger,
    Triggers,
    Yes,
    part,
)
from reconciler.cli.progress import shown
from reconciler.cli.saving import Allow, Drift, MaxAge, Saved, allowed, ticket
from reconciler.cli.screen import Output, color, width
from reconciler.cli.workflow import carried_out

if TYPE_CHECKING:
    from reconciler.core.outcome import Erased
    from reconciler.core.plan import Plan
    from reconciler.core.record import Run
    from reconciler.flow.outside import Request
    from reconciler.flow.saved import Ticket
    from reconciler.flow.session import Session
    from reconciler.wiring import Workshop


@mapped
def command(  # noqa: PLR0913, PLR0917  # one for each option; typer hands them over by name
    context: typer.Context,
    file: Saved = None,
    drift: Drift = None,
    max_age: MaxAge = None,
    export: Exports = None,
    trigger: Triggers = RunTrigger.DEMAND,
    refresh: Refreshed = False,
    yes: Yes = False,
    lock_timeout: LockTimeout = 0.0,
    allow: Allow = None,
    shard: Part = "1/1",
    parallel: Parallel = PARALLEL,
    output: Form = Output.TEXT,
) -> Exit:
    """Plan afresh, ask, and push what changed. With FILE only if that is what was reviewed.

    Example: reconciler apply --trigger merge --yes
    """
    from reconciler.flow.outside import Request
    from reconciler.wiring import workshop

    with Stop() as stop:
        shop = workshop(context.obj, stop)
        named = tuple(export or ())
        asked = Request(named, trigger.value, allowances=allowed(allow), refresh=refresh, shard=part(shard))
        reviewed = ticket(context, shop, file, max_age, drift)
        if reviewed is not None:
            asked = reviewed.request
        with _session(shop, asked, reviewed, lock_timeout, parallel) as session:
            plan = session.plan(asked.exports, asked.trigger, asked.allowances, refresh=asked.refresh)
            _remind(session.unerased)
            if output is Output.TEXT:
                _show(plan)
            if plan.changes and not yes and not _agreed(plan):
                say("nothing was sent")
                return Exit.ERROR
            with stop.gently(), shown(plan) as progress:
                run = session.carry_out(plan, asked.trigger, progress)
            told = told_of(session, run, say)
        _report(plan, run, output)
        carried_out(plan, run, context.obj)
        tell(shop, told, session.project, say)
        return stop.exit_code or _code(plan, run, unerased=bool(session.unerased))


def _session(shop: Workshop, asked: Request, reviewed: Ticket | None, lock_timeout: float, parallel: int) -> Session:
    from reconciler.flow.session import Session

    return Session(
        shop,
        lock_timeout=lock_timeout,
        ticket=reviewed,
        exports=asked.exports,
        shard=asked.shard,
        parallel=parallel,
    )


def _agreed(plan: Plan) -> bool:
    exports = sum(1 for e in plan.exports if e.action.value in {"create", "update", "retire"})
    question = f"Push these changes of {exports} {'export' if exports == 1 else 'exports'}?"
    return agreed(question, "look at the plan, and")


def _show(plan: Plan) -> None:
    from reconciler.report.text import plan_text

    typer.echo(plan_text(plan, color=color(), width=width()), nl=False)


def _report(plan: Plan, run: Run, output: Output) -> None:
    from reconciler.report.applied import apply_text
    from reconciler.report.document import plan_json

    if output is Output.JSON:
        typer.echo(plan_json(plan, run), nl=False)
    elif plan.changes:
        typer.echo(apply_text(plan, run, color=color(), width=width()), nl=False)


def _remind(unerased: tuple[Erased, ...]) -> None:
    for one in unerased:
        say(f"an erasure in {one.connection} is not done: {one.fault}")


def _code(plan: Plan, run: Run, *, unerased: bool) -> Exit:
    """Work that failed is said first, because the next run takes it up; what is blocked waits for somebody."""
    blocked = {(e.connection, e.name) for e in plan.blocked}
    if unerased or any(e.status.value == "Failed" and (e.connection, e.export) not in blocked for e in run.exports):
        return Exit.FAILED
    return Exit.BLOCKED if blocked else Exit.DONE
