"""Decides what ctrl-C and SIGTERM do: the first lets the requests in flight end, the second leaves at once."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Self

from reconciler.cli.exits import Exit, say

if TYPE_CHECKING:
    from types import FrameType

SIGNALS = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}


class Stop:
    """Called, it tells whether the run is to end. A context manager, because it takes the signals over."""

    def __init__(self) -> None:
        self.exit_code: Exit | None = None
        self._former: dict[int, signal.Handlers | int | object] = {}

    def __call__(self) -> bool:
        """Tell whether a signal came."""
        return self.exit_code is not None

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._former[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)  # type: ignore[arg-type]  # what signal.signal gave back

    def _handle(self, number: int, _: FrameType | None) -> None:
        code = SIGNALS[signal.Signals(number)]
        if self.exit_code is not None:
            os._exit(code)
        self.exit_code = code
        say("stopping: the requests in flight are finished and recorded; once more leaves at once")
