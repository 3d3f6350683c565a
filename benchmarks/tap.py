"""Stands between a client and a server on loopback, and counts. It decides nothing: all is handed on as it is."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_PIECE = 1 << 16


class Listener(Protocol):
    """Understands what one client says on one connection."""

    def heard(self, data: bytes) -> Iterable[str]:
        """Take the next bytes, and give the kind of each request that is whole with them."""
        ...


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went to a server and came back. `up` and `down` are bytes, with all that the protocol adds."""

    requests: Counter[str] = field(default_factory=Counter)
    up: int = 0
    down: int = 0


class Tap:
    """Listens at `port`, in front of the server at `behind`; counts from the last `forget` on."""

    def __init__(self, behind: int, listener: Callable[[], Listener]) -> None:
        self._behind, self._listener = behind, listener
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._mutex = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._up = self._down = 0
        threading.Thread(target=self._welcome, daemon=True).start()

    def forget(self) -> None:
        """Count from zero."""
        with self._mutex:
            self._requests.clear()
            self._up = self._down = 0

    def traffic(self) -> Traffic:
        """Give what was counted."""
        with self._mutex:
            return Traffic(Counter(self._requests), self._up, self._down)

    def close(self) -> None:
        """Let nobody else in."""
        self._door.close()

    def _welcome(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:  # it was closed
                return
            server = socket.create_connection(("127.0.0.1", self._behind))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener = self._listener()
            threading.Thread(target=self._pump, args=(client, server, listener), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, None), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, listener: Listener | None) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE):
                self._count(data, listener)
                target.sendall(data)
        for end, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
            with suppress(OSError):
                end.shutdown(how)

    def _count(self, data: bytes, listener: Listener | None) -> None:
        with self._mutex:
            if listener is None:
                self._down += len(data)
            else:
                self._up += len(data)
                self._requests.update(listener.heard(data))


@contextmanager
def tapped(behind: int, listener: Callable[[], Listener]) -> Iterator[Tap]:
    """Put a tap in front of a server, until the end."""
    tap = Tap(behind, listener)
    try:
        yield tap
    finally:
        tap.close()
