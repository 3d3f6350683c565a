"""Decides which exit code an outcome or an error has, and shows an error as one line."""

from __future__ import annotations

import functools
import os
import sys
import threading
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import typer

from reconciler.cli.workflow import ended
from reconciler.core.errors import InvalidDeclarations, ReconcilerError, StateLocked

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")


class Exit(IntEnum):
    """The exit codes that scripts may depend on."""

    DONE = 0
    ERROR = 1
    CHANGES = 2
    BLOCKED = 3
    FAILED = 4
    LOCKED = 5
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class Interrupted(KeyboardInterrupt):
    """A signal came while nothing was in flight that is worth waiting for."""

    def __init__(self, code: Exit) -> None:
        super().__init__(code)
        self.code = code


def mapped(command: Callable[P, Exit]) -> Callable[P, None]:
    """Run a command and leave with its code; every error of ours is one line on stderr."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except InvalidDeclarations as error:
            for diagnostic in error.diagnostics:
                say(str(diagnostic))
            ended(failure_reason=f"{error}: {error.diagnostics[0]}" if error.diagnostics else error)
            code = Exit.ERROR
        except StateLocked as error:
            say(f"error: {error}")
            ended(failure_reason=error)
            code = Exit.LOCKED
        except ReconcilerError as error:
            say(f"error: {error}")
            ended(failure_reason=error)
            code = Exit.ERROR
        except KeyboardInterrupt as signal:
            say("interrupted")
            code = signal.code if isinstance(signal, Interrupted) else Exit.INTERRUPTED
        except OSError as error:
            unwritten(error)
            code = Exit.ERROR
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:  # noqa: BLE001  # the last resort: a traceback may hold people or a key
            say(_defect(error))
            ended(failure_reason=_defect(error))
            code = Exit.ERROR
        raise typer.Exit(code)

    return run


def unwritten(error: OSError) -> None:
    """Take it that stdout cannot be written any more: files have errors of ours. It must not be flushed at exit."""
    if not isinstance(error, BrokenPipeError):  # else whoever read has left, as `| head` does
        say(f"error: the output cannot be written: {os.strerror(error.errno or 0)}")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def hush() -> None:
    """Let no traceback be shown, whatever is raised where no command takes it: on a thread, or in what is let go."""
    sys.excepthook = lambda _, error, __: _last(error)
    threading.excepthook = lambda fault: _last(fault.exc_value)
    sys.unraisablehook = lambda fault: _last(fault.exc_value)


def _last(error: BaseException | None) -> None:
    if error is not None:
        say("interrupted" if isinstance(error, KeyboardInterrupt) else _defect(error))


def _defect(error: BaseException) -> str:
    """Name a fault of ours by its kind and place only: its text may hold what must not be shown."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "an unknown place"
    return f"error: {type(error).__name__} at {place}: this is a defect of reconciler, please report this line"


def say(line: str) -> None:
    """Write a message to stderr; stdout is for results. Where it cannot be written, nobody can be told."""
    with suppress(OSError):
        typer.echo(line, err=True)
