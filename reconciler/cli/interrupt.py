"""Decides what ctrl-C, SIGTERM and a terminal that is gone do: at once, or when what is in flight has ended.

While people are pushed, the first signal lets the requests in flight end, and the second leaves at once. Else the
first one leaves at once too: whatever the run waits for, be it a lock, an engine, an answer or somebody who agrees.
Whatever does not let go, such as an engine deep in a pattern or a disk that hangs, is left when the time is up.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

import typer

from reconciler.cli.exits import Exit, Interrupted, unwritten
from reconciler.core.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

SIGNALS = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED, signal.SIGHUP: Exit.HUNG_UP}

PROMISED = 5.0
"""Seconds from the first signal to the end, at most; what is not recorded by then is in doubt, as after a crash."""

_STOPPING = b"stopping: the requests in flight are finished and recorded; once more leaves at once\n"


class Stop:
    """Called, it tells whether the run is to end. A context manager, because it takes the signals over."""

    def __init__(self) -> None:
        self.exit_code: Exit | None = None
        self._gentle = False
        self._former: dict[int, signal.Handlers | int | object] = {}

    def __call__(self) -> bool:
        """Tell whether a signal came."""
        return self.exit_code is not None

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._former[number] = signal.signal(number, self._handle)
        if self._former[signal.SIGHUP] is signal.SIG_IGN:  # as nohup asks for
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)  # type: ignore[arg-type]  # what signal.signal gave back
        if self.exit_code is None:
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        if isinstance(error, OSError):
            unwritten(error)
        if isinstance(error, Stopped | typer.Abort | OSError):
            raise typer.Exit(self.exit_code) from None

    @contextmanager
    def gently(self) -> Iterator[None]:
        """Let what is done inside end in its own good order. Raises Interrupted when a signal was lost before."""
        if self.exit_code is not None:  # raised where Python cannot let it through, such as a finalizer
            raise Interrupted(self.exit_code)
        self._gentle = True
        try:
            yield
        finally:
            self._gentle = False

    def _handle(self, number: int, _: FrameType | None) -> None:
        code = SIGNALS[signal.Signals(number)]
        if self.exit_code is not None:
            os._exit(code)
        self.exit_code = code
        signal.signal(signal.SIGALRM, lambda *_: os._exit(code))
        signal.setitimer(signal.ITIMER_REAL, PROMISED)
        if not self._gentle:
            raise Interrupted(code)
        with suppress(OSError):  # the terminal may be gone; and a stream may be in the middle of a write
            os.write(2, _STOPPING)
