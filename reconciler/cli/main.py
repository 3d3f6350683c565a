"""The command line: one row for each command. It decides nothing."""

from __future__ import annotations

import gc
import resource
from typing import Annotated

import typer

from reconciler.cli import (
    adopt,
    apply,
    authorize,
    connect,
    consent,
    fmt,
    forget,
    github,
    history,
    init,
    plan,
    sandbox,
    schema,
    show,
    state,
    status,
    unlock,
    validate,
)
from reconciler.cli.exits import hush
from reconciler.cli.workflow import ended

app = typer.Typer(
    name="reconciler",
    help="Push who is in each segment now to Autopilot: declared in YAML, planned, judged, sent where it changed.",
    epilog="Start with: reconciler init my-project",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},
)


def _version(value: bool) -> None:  # noqa: FBT001  # typer hands it over by position
    if value:
        from importlib.metadata import version  # 20 ms that only --version needs

        typer.echo(f"reconciler {version('reconciler')}")
        raise typer.Exit


@app.callback()
def _project(
    context: typer.Context,
    folder: Annotated[
        str, typer.Option("-C", metavar="DIR", help="The project's folder, which holds exports/.", show_default="here")
    ] = ".",
    version: Annotated[  # noqa: ARG001  # eager: its callback answers
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    context.obj = folder


for _module in (
    *(init, validate, plan, apply, status, history, show, connect, consent, authorize, forget, unlock),
    *(schema, fmt, sandbox),
):
    app.command(_module.__name__.rpartition(".")[2])(_module.command)
app.command("import")(adopt.command)
app.add_typer(state.app, name="state")
app.add_typer(github.app, name="github")


def main() -> None:
    """Run the command line. No crash is dumped and no traceback shown: they hold people and the key."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hush()
    try:
        app()
    except SystemExit as left:
        ended(exit_code=left.code or 0)
        gc.freeze()  # or the interpreter looks through 100,000 people for cycles on its way out
        raise
