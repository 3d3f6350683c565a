"""Runs one command and says what it took; decides how several runs of it become one figure."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECONCILER = (str(Path(sysconfig.get_path("scripts")) / "reconciler"),)
"""The command, as it is installed beside the Python that runs this."""

KEY = "0123456789abcdef0123456789abcdef"
"""What the sandbox takes for a key."""

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run took: wall seconds from start to exit, requests sent, and resident bytes at their peak.

    `cpu` are the seconds of processor, which tell whether the machine was busy with something else.
    """

    seconds: float
    cpu: float
    requests: int
    memory: int


def measured(command: Sequence[str], environ: Mapping[str, str] | None = None) -> Sample:
    """Run a command to its end; the requests are not counted here. Raises RuntimeError when it fails.

    `environ` is this process's own, unless it is given.

    The peak is that of the process alone. Linux begins it at the size of who started it, so this one stays small: it
    streams the people and keeps nothing. Modules are kept compiled, as they are where pip installed them: this
    repository's would be compiled by each run anew where the environment forbids to keep them.
    """
    known = {**(os.environ if environ is None else environ), "AUTOPILOT_API_KEY": KEY}
    known.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile() as told:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told, env=known)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            told.seek(0)
            last = told.read().decode(errors="replace")[-2_000:]
            raise RuntimeError(f"{' '.join(command)} left with {process.returncode}:\n{last}")
    return Sample(seconds, usage.ru_utime + usage.ru_stime, 0, usage.ru_maxrss * MAXRSS_UNIT)


def together(samples: Sequence[Sample]) -> Sample:
    """Make one of several runs: the medians of the seconds, the most of requests and memory."""
    return Sample(
        statistics.median(sample.seconds for sample in samples),
        statistics.median(sample.cpu for sample in samples),
        max(sample.requests for sample in samples),
        max(sample.memory for sample in samples),
    )
