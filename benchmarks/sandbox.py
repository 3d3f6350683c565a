"""Runs the stand-in for Autopilot in a process of its own, so that its time and memory count for nobody."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.measuring import RECONCILER

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Terms:
    """How the stand-in answers: seconds for each answer, requests a second (0: no limit), lists in bulk items."""

    latency: float = 0.0
    rate: int = 0
    bulk_lists: str = "honoured"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A stand-in that is running. `url` is the base URL of its accounts."""

    url: str

    def forget_requests(self) -> None:
        """Count from zero."""
        self._ask("DELETE")

    def requests(self) -> int:
        """Count the requests that came, as the server saw them."""
        return len(json.loads(self._ask("GET"))["requests"])

    def _ask(self, method: str) -> bytes:
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, "/_sandbox/requests")
            return connection.getresponse().read()
        finally:
            connection.close()


@contextmanager
def running(terms: Terms) -> Iterator[Sandbox]:
    """Start a stand-in with an empty world, and end it. Raises RuntimeError when it does not start."""
    options = ("--latency", str(terms.latency), "--rate", str(terms.rate), "--bulk-lists", terms.bulk_lists)
    command = [*RECONCILER, "sandbox", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError("the sandbox did not start")
            yield Sandbox(url)
        finally:
            process.terminate()
