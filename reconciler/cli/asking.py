"""Asks on a terminal; where there is none, nobody has agreed."""

from __future__ import annotations

import sys

import typer

from reconciler.cli.exits import say


def agreed(question: str) -> bool:
    """Ask a question that is answered with yes or no."""
    if not sys.stdin.isatty():
        say("error: there is no terminal to ask on; if it is meant, say --yes")
        return False
    return typer.confirm(question, err=True)
