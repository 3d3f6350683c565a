"""`reconciler github`: keeps a plan where people look, as one comment on a pull request or as one issue."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.exits import Exit, mapped
from reconciler.cli.workflow import forge

app = typer.Typer(
    name="github",
    help="Keep a plan where people look: a comment on a pull request, or an issue.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

PlanFile = Annotated[
    str, typer.Option("--plan", metavar="FILE", help="What `plan --output json` printed; - for standard input.")
]
Author = Annotated[str, typer.Option(metavar="NAME", help="Who writes with this token.", show_default=True)]
BOT = "github-actions[bot]"


@app.command("comment")
@mapped
def comment(
    plan: PlanFile,
    pull: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="The pull request.")],
    head: Annotated[str, typer.Option(metavar="COMMIT", help="Its newest commit, when the plan was made.")],
    base: Annotated[str, typer.Option(metavar="COMMIT", help="What it is to be merged into, when the plan was made.")],
    author: Author = BOT,
) -> Exit:
    """Keep one comment on a pull request: make it, or edit it; make none when nothing would change.

    Refuses when somebody has pushed since the plan was made, to the pull request or to its base: the next plan is then
    on its way. An empty FILE is a plan that could not be made, and the comment says so.

    Example: reconciler github comment --plan plan.json --pull 7 --head "$HEAD_COMMIT" --base "$BASE_COMMIT"
    """
    from reconciler.report.comment import Comment, commented
    from reconciler.report.markdown import MARKER

    told: Comment = commented(_read(plan), head, base)
    repository = forge(author)
    repository.unmoved(pull, head, base)
    typer.echo(repository.keep_comment(pull, MARKER, told.body, needed=told.needed))
    return Exit.DONE


@app.command("issue")
@mapped
def issue(plan: PlanFile, author: Author = BOT) -> Exit:
    """Keep one open issue while the lists at Autopilot are not as they were left; close it when they are.

    The plan is to be made with `plan --refresh`, which looks.

    Example: reconciler github issue --plan plan.json
    """
    from reconciler.report.comment import DRIFT, drifted

    told = drifted(_read(plan))
    typer.echo(forge(author).keep_issue(DRIFT, told.title, told.body, needed=told.needed))
    return Exit.DONE


def _read(file: str) -> str:
    from reconciler.core.errors import ReconcilerError

    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ReconcilerError("--plan: the file cannot be read") from None
