"""`reconciler state`: checks, copies, replaces and restores what is recorded."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.exits import Exit, mapped, say
from reconciler.cli.options import Form
from reconciler.cli.screen import Output

if TYPE_CHECKING:
    from reconciler.wiring import Workshop

app = typer.Typer(help="Check, copy, replace and restore the state.", no_args_is_help=True, rich_markup_mode=None)

Wait = Annotated[float, typer.Option("--lock-timeout", min=0, metavar="SECONDS", help="Wait for a run to end.")]


def _opened(context: typer.Context) -> tuple[Workshop, Path]:
    from reconciler.wiring import workshop

    shop = workshop(context.obj)
    return shop, shop.state_folder(shop.declarations())


@app.command()
@mapped
def check(context: typer.Context, output: Form = Output.TEXT) -> Exit:
    """Look at the whole state: whether it is sound, what is in it, who holds its lock, and its copies.

    Example: reconciler state check
    """
    from reconciler.report import custody as report

    shop, folder = _opened(context)
    health = shop.custody(folder).check()
    typer.echo(report.check_json(health) if output is Output.JSON else report.check_text(health), nl=False)
    return Exit.ERROR if health.faults else Exit.DONE


@app.command()
@mapped
def pull(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Where to; without it, stdout.")] = None,
) -> Exit:
    """Write what is recorded now into one file, also beside a run.

    Example: reconciler state pull state.backup
    """
    shop, folder = _opened(context)
    if file is not None:
        shop.custody(folder).pull(file)
        return Exit.DONE
    if sys.stdout.isatty():
        say("error: it is no text for a terminal; name a file, or send it to one")
        return Exit.ERROR
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "state"
        shop.custody(folder).pull(whole)
        with whole.open("rb") as copy:
            shutil.copyfileobj(copy, sys.stdout.buffer)
            sys.stdout.flush()
    return Exit.DONE


@app.command()
@mapped
def push(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `state pull` wrote.")],
    force: Annotated[bool, typer.Option("--force", help="Also another lineage, or an older serial.")] = False,
    lock_timeout: Wait = 0.0,
) -> Exit:
    """Put a file in place of the state; the former is kept aside. Nobody is taken off a list who is not in it.

    Example: reconciler state push state.backup
    """
    shop, folder = _opened(context)
    with shop.lock(folder, lock_timeout):
        former = shop.custody(folder).push(file, force=force)
    _told(former)
    return Exit.DONE


@app.command()
@mapped
def restore(
    context: typer.Context,
    serial: Annotated[int | None, typer.Argument(metavar="[SERIAL]", help="Which; without it, a list.")] = None,
    connection: Annotated[str, typer.Option(metavar="NAME", help="Of which, where machines share the state.")] = "",
    lock_timeout: Wait = 0.0,
    output: Form = Output.TEXT,
) -> Exit:
    """List the good copies that the last runs left, or put one of them in place of the state.

    Example: reconciler state restore 12
    """
    from reconciler.report import custody as report

    shop, folder = _opened(context)
    if serial is None:
        copies = shop.custody(folder).copies()
        typer.echo(report.copies_json(copies) if output is Output.JSON else report.copies_text(copies), nl=False)
        return Exit.DONE
    with shop.lock(folder, lock_timeout):
        former = shop.custody(folder).restore(serial, connection)
    _told(former)
    return Exit.DONE


@app.command()
@mapped
def migrate(
    context: typer.Context,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="Where to: a folder, or a store (docs/stores.md).")],
    lock_timeout: Wait = 0.0,
) -> Exit:
    """Move the state to another place that holds none yet. Declare that place afterwards.

    Example: reconciler state migrate --to az://reconciler/production
    """
    shop, folder = _opened(context)
    moved = shop.moved(to)
    with shop.lock(folder, lock_timeout), tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "state"
        shop.custody(folder).pull(whole)
        there = moved.state_folder(moved.declarations())
        with moved.lock(there, lock_timeout):
            moved.custody(there).take_in(whole)
    say(f"moved; declare it in the Project now, for nothing is read from there before: state: {{url: {to}}}")
    return Exit.DONE


def _told(former: Path | None) -> None:
    if former is not None:
        say(f"the former state is kept in .reconciler/{former.parent.name}/{former.name}")
    say("the next run reads the lists again before it takes anybody off them")
