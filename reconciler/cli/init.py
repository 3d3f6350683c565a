"""`reconciler init`: writes a small project that validates as it stands, and the workflows that run it at GitHub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.options import Form
from reconciler.cli.screen import Output
from reconciler.cli.written import written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.manifest.workflows import Place


@mapped
def command(
    context: typer.Context,
    folder: Annotated[str | None, typer.Argument(metavar="[DIR]", help="Where to; default: here.")] = None,
    github: Annotated[bool, typer.Option("--github", help="Write the GitHub workflows too.")] = False,
    administrator: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="With --github: an administrator's account; several times.")
    ] = None,
    action: Annotated[
        str,
        typer.Option(
            metavar="OWNER/REPO@COMMIT", help="With --github: where the action is.", show_default="as installed"
        ),
    ] = "",
    branch: Annotated[str, typer.Option(metavar="NAME", help="With --github: the branch that is pushed.")] = "main",
    output: Form = Output.TEXT,
) -> Exit:
    """Write a small project that validates as it stands, and runs against the sandbox.

    With --github also the workflows that check, plan, apply and look for drift; in a folder that has exports/ already,
    the workflows alone.

    Example: reconciler init my-project
    """
    root = Path(folder if folder is not None else context.obj)
    if github:
        written("init", _for_github(root, administrator or (), action, branch), output)
        return Exit.DONE
    if administrator or action:
        raise typer.BadParameter("--administrator and --action go with --github")
    written("init", _project(root), output)
    return Exit.DONE


def _project(root: Path, administrators: Sequence[str] = ()) -> list[Path]:
    from reconciler.manifest.schema import write as write_schemas
    from reconciler.manifest.starter import write
    from reconciler.report.schema import documents

    return [*write(root, administrators), *write_schemas(root, documents())]


def _for_github(root: Path, administrators: Sequence[str], action: str, branch: str) -> list[Path]:
    from reconciler.core.roles import is_person
    from reconciler.manifest.workflows import installed_from, workflows, write

    action = action or installed_from()
    if not action:
        raise typer.BadParameter("say where the action is: --action OWNER/REPO@COMMIT")
    fresh = not (root / "exports").exists()
    if fresh and (not administrators or not all(map(is_person, administrators))):
        raise typer.BadParameter("name who may change everything: --administrator and the name of a GitHub account")
    place = _place(root, action, branch)
    workflows(place)  # raises for what does not fit, before anything is written
    return [*(_project(root, administrators) if fresh else ()), *write(place)]


def _place(root: Path, action: str, branch: str) -> Place:
    """Find the repository's top; a folder that is in none yet will be one."""
    from reconciler.core.errors import ReconcilerError
    from reconciler.manifest.workflows import Place
    from reconciler.revisions import Repository

    try:
        repository = Repository(root)
    except ReconcilerError:
        return Place(root, "", branch, action)
    return Place(Path(repository.top), repository.prefix, branch, action)
