"""`reconciler authorize`: whether those who made a change may make it; and CODEOWNERS, which asks the right people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.options import Form
from reconciler.cli.screen import Output, color
from reconciler.cli.workflow import faulty
from reconciler.cli.written import stale, written

if TYPE_CHECKING:
    from reconciler.flow.authorize import Verdict
    from reconciler.revisions import Repository


@mapped
def command(  # noqa: PLR0913, PLR0917  # one parameter for each option
    context: typer.Context,
    base: Annotated[str, typer.Option(metavar="REF", help="The commit that the change is made to.")] = "",
    actor: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Who made it; give everybody who had a hand in it.")
    ] = None,
    head: Annotated[str, typer.Option(metavar="REF", help="The commit with the change.")] = "HEAD",
    bootstrap: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="An administrator for as long as the base names none.")
    ] = None,
    codeowners: Annotated[bool, typer.Option("--codeowners", help="Write .github/CODEOWNERS instead.")] = False,
    check: Annotated[bool, typer.Option("--check", help="With --codeowners: write nothing; 1 on drift.")] = False,
    output: Form = Output.TEXT,
) -> Exit:
    """Refuse, by file and line, what an actor may not change, by the roles of the base.

    Example: reconciler authorize --base origin/main --actor octocat
    """
    from reconciler.flow.authorize import Asked, authorize
    from reconciler.revisions import Repository

    root = Path(context.obj)
    if codeowners == bool(base or actor) or (check and not codeowners) or (not codeowners and not (base and actor)):
        raise typer.BadParameter("give --base and --actor, or --codeowners with or without --check")
    repository = Repository(root)
    if codeowners:
        return _codeowners(repository, root, output, check=check)
    verdict = authorize(repository, root, Asked(base, head, tuple(dict.fromkeys(actor or ())), tuple(bootstrap or ())))
    _show(verdict, repository.prefix, output)
    return Exit.DONE if verdict.allowed else Exit.BLOCKED if verdict.valid else Exit.ERROR


def _show(verdict: Verdict, prefix: str, output: Output) -> None:
    from reconciler.report import diagnostics as report
    from reconciler.report.access import access_json

    found = (*verdict.faults, *verdict.denials)
    faulty(found, prefix)
    if output is Output.JSON:
        shown = access_json(verdict.actors, found, base=verdict.base, head=verdict.head, allowed=verdict.allowed)
        typer.echo(shown, nl=False)
        return
    if found:
        typer.echo(report.diagnostics_text(found, color=color()), nl=False)
    if verdict.allowed:
        who = ", ".join(f"{name} ({role.value})" for name, role in verdict.actors)
        typer.echo(f"{verdict.documents} declarations and {verdict.files} other files differ: allowed for {who}")


def _codeowners(repository: Repository, root: Path, output: Output, *, check: bool) -> Exit:
    from reconciler.core.errors import ReconcilerError
    from reconciler.core.owners import FILE, drift
    from reconciler.flow.authorize import ownership

    text, path = ownership(repository, root), Path(repository.top) / FILE
    if path.is_symlink() or path.parent.is_symlink():
        raise ReconcilerError(f"{FILE}: this is a link; put the file itself there")
    differs = not path.is_file() or path.read_bytes() != text.encode()
    if not check:
        if differs:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode())
        written("authorize", [FILE] if differs else [], output)
        return Exit.DONE
    faulty([drift(FILE)] if differs else [])
    remedy = "is not what the roles and the declarations say; run `reconciler authorize --codeowners`"
    return Exit.ERROR if stale("authorize", [FILE] if differs else [], output, remedy) else Exit.DONE
