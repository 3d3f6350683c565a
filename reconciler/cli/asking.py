"""Asks on a terminal; where there is none, nobody has agreed."""

from __future__ import annotations

import select
import sys

import typer

from reconciler.cli.exits import say

_LOOK = 0.2
"""Seconds between two looks at whether a signal came while an answer is waited for."""


def agreed(question: str, first: str = "if it is meant,", no: str = "") -> bool:
    """Ask a question; nothing but yes is one. Raises typer.Abort for an end of the input, and for ctrl-C.

    `first` is what to do before saying --yes where there is no terminal, `no` what is said to somebody who disagrees.
    What reads the line is called when there is one: a signal that comes just before it waits would not be seen until
    somebody presses a key.
    """
    if not sys.stdin.isatty():
        say(f"error: there is no terminal to ask on; {first} say --yes")
        return False
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
                if no:
                    say(no)
                return False
            case _:
                typer.echo("Error: invalid input", err=True)
