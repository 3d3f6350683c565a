"""Asks on a terminal; where there is none, nobody has agreed."""

from __future__ import annotations

import select
import sys

import typer

from reconciler.cli.exits import say

_LOOK = 0.2
"""Seconds between two looks at whether a signal came while an answer is waited for."""


def agreed(question: str) -> bool:
    """Ask a question that is answered with yes or no."""
    if not sys.stdin.isatty():
        say("error: there is no terminal to ask on; if it is meant, say --yes")
        return False
    return confirmed(question)


def confirmed(question: str) -> bool:
    """Ask on the terminal that there is; nothing but yes is one. Raises typer.Abort for an end of it, and for ctrl-C.

    What reads the line is called when there is one: a signal that comes just before it waits would not be seen until
    somebody presses a key.
    """
    while True:
        typer.echo(f"{question} [y/N]: ", nl=False, err=True)
        try:
            while not select.select([sys.stdin], [], [], _LOOK)[0]:
                pass
            answer = sys.stdin.readline()
        except KeyboardInterrupt:
            raise typer.Abort from None
        if not answer:
            raise typer.Abort
        match answer.strip().lower():
            case "y" | "yes":
                return True
            case "n" | "no" | "":
                return False
            case _:
                typer.echo("Error: invalid input", err=True)
