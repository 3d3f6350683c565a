"""Decides where the stand-in listens, and on loopback alone; ties the accounts, the service and the wire together."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import socketserver
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

from reconciler.sandbox.accounts import Accounts
from reconciler.sandbox.routes import BASE
from reconciler.sandbox.service import Service
from reconciler.sandbox.switches import Switches
from reconciler.sandbox.wire import LOOPBACK_NAMES, Connection

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from reconciler.sandbox.accounts import Account
    from reconciler.sandbox.service import Entry
    from reconciler.sandbox.world import World

DEFAULT = Switches()
POLL = 0.02


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Takes connections, one thread each, and knows which are open."""

    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], service: Service) -> None:
        self.service = service
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        super().__init__(address, Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread that is known before the next one is taken."""
        thread = threading.Thread(target=self._answered, args=(request, client_address), daemon=True)
        with self._lock:
            self._open[request] = thread
        thread.start()

    def _answered(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._open[request]

    def hang_up(self) -> None:
        """End every connection, and wait for the request that each is in."""
        with self._lock:
            threads = list(self._open.values())
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)  # an answer on its way still goes out
        for thread in threads:
            thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Write nothing to the console; the connection is closed."""


class Sandbox:
    """A stand-in for Autopilot on loopback. Use it as a context manager, or call `start` and `close`.

    `port` 0 takes a free one. With `key` that key alone is valid; without, each key of 32 hexadecimal digits opens an
    account of its own. `file` keeps the worlds. `clock` gives the seconds that the rate is judged by. Raises OSError
    when the port or the file cannot be had, ValueError when the key, the host or the file is not what it should be.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str | None = None,
        file: str | os.PathLike[str] | None = None,
        switches: Switches = DEFAULT,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if host not in LOOPBACK_NAMES:
            raise ValueError("the sandbox listens on loopback only: 127.0.0.1 or localhost")
        self._accounts = Accounts(key, None if file is None else Path(file))
        self._service = Service(self._accounts, switches, clock)
        try:
            self._listener = Listener((host, port), self._service)
        except OSError as fault:
            self._accounts.close(save=False)
            if fault.errno == errno.EADDRINUSE:
                raise OSError(f"port {port} is in use") from None
            raise
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The base URL, ending in /v1."""
        return f"{self.root}{BASE}"

    @property
    def root(self) -> str:
        """The URL below which the page and the stand-in's own paths are, without a slash at its end."""
        host, port = self._listener.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def world(self) -> World:
        """The world of the one valid key or, when any is, the first account's; the first key to come gets it."""
        return self._accounts.first().world

    def account(self, key: str) -> World:
        """Give the world that a key opens. Raises KeyError when the key is not valid."""
        found = self._accounts.of(key)
        if found is None:
            raise KeyError("the key is not valid")
        return found.world

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Every account, the oldest first."""
        return self._accounts.all()

    @property
    def switches(self) -> Switches:
        """How it behaves; may be replaced while it runs. New faults count from zero and give revoked keys back."""
        return self._service.switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        self._service.switches = switches

    @property
    def requests(self) -> tuple[Entry, ...]:
        """The log of requests, the oldest first."""
        return self._service.requests

    def forget_requests(self) -> None:
        """Empty the log of requests."""
        self._service.forget_requests()

    def start(self) -> Self:
        """Answer from now on, in threads of its own."""
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(POLL,), name="sandbox", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Finish the requests in flight, end the connections and save the file. May be called twice."""
        self._service.stopping.set()
        if self._thread is not None:
            self._listener.shutdown()
            self._thread.join()
            self._thread = None
        self._listener.hang_up()
        self._listener.server_close()
        self._accounts.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(
    *,
    port: int = 0,
    key: str | None = None,
    file: str | os.PathLike[str] | None = None,
    switches: Switches = DEFAULT,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> None:
    """Run a stand-in until SIGINT or SIGTERM; the first line on `out` is its base URL. Raises as Sandbox does."""
    stop = threading.Event()
    with Sandbox(port=port, key=key, file=file, switches=switches) as sandbox:
        kept = {each: signal.signal(each, lambda *_: stop.set()) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            _say(out or sys.stdout, sandbox.url)
            _say(err or sys.stderr, f"Its lists and their members: {sandbox.root}/")
            stop.wait()
        finally:
            for each, handler in kept.items():
                signal.signal(each, handler)


def _say(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()
