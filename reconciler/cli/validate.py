"""`reconciler validate`: everything that needs no network, all faults at once."""

from __future__ import annotations

import typer

from reconciler.cli.exits import Exit, mapped, say
from reconciler.cli.options import Form
from reconciler.cli.screen import Output, color, workflow_prefix
from reconciler.cli.workflow import faulty


@mapped
def command(context: typer.Context, output: Form = Output.TEXT) -> Exit:
    """Check the declarations, and the columns and predicates of every source that can be read.

    Example: reconciler validate
    """
    from reconciler.core.diagnostics import Severity
    from reconciler.flow.check import check
    from reconciler.report import diagnostics as report
    from reconciler.report.words import count
    from reconciler.wiring import workshop

    declarations, found, unread = check(workshop(context.obj))
    for line in unread:
        say(f"note: {line}")
    if output is Output.JSON:
        typer.echo(report.diagnostics_json(found), nl=False)
    elif found:
        typer.echo(report.diagnostics_text(found, color=color()), nl=False)
    faulty(found, workflow_prefix(context.obj))
    if any(d.severity is Severity.ERROR for d in found) or declarations is None:
        return Exit.ERROR
    if output is Output.TEXT:
        exports = count(len(declarations.exports), "export")
        typer.echo(f"{exports} over {count(len(declarations.connections), 'connection')}: valid")
    return Exit.DONE
