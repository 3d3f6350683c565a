"""Stands on loopback between a client and a store, and lets go wrong what a test wants to."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.servers import Served

ENDPOINTS = ("AZURE_ENDPOINT", "AWS_ENDPOINT_URL")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer in place of the store's: its status, and the store's word for it."""

    status: int
    code: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The store's own answer, of which so much of the body comes, and then the connection breaks off."""

    share: float


def every(_method: str, _path: str) -> bool:
    """Say yes."""
    return True


@dataclass
class Between:
    """What is done about a request, by its method and path: None lets it pass. `asked` are all that came."""

    served: Served
    rule: Callable[[str, str], Refusal | Cut | None] = lambda _method, _path: None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, answer: Refusal | Cut, which: Callable[[str, str], bool] = every) -> None:
        """Let every request fail of which `which` says so."""
        self.rule = lambda method, path: answer if which(method, path) else None


@contextmanager
def between(served: Served) -> Iterator[Between]:
    """Give a way to a store that leads through here; `served` of it has the environment."""
    (name,) = (name for name in ENDPOINTS if name in served.environ)
    behind = urlsplit(served.environ[name])
    made = Between(served)

    class Hop(_Hop):
        way, host, port = made, behind.hostname or "", behind.port or 0

    with ThreadingHTTPServer(("127.0.0.1", 0), Hop) as server:
        server.daemon_threads = True
        here = f"http://127.0.0.1:{server.server_port}{behind.path}"
        made.served = replace(served, environ={**served.environ, name: here})
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


class _Hop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    way: Between
    host: str
    port: int

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.way.asked.append((self.command, self.path))
        fault = self.way.rule(self.command, self.path)
        if isinstance(fault, Refusal):
            said = f"<?xml version='1.0'?><Error><Code>{fault.code}</Code><Message>no</Message></Error>".encode()
            self._answer(fault.status, [("Content-Type", "application/xml"), ("Content-Length", str(len(said)))], said)
            return
        with closing(HTTPConnection(self.host, self.port)) as connection:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            said = answer.read()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
        if answer.getheader("Content-Length") is None:
            headers.append(("Content-Length", str(len(said))))
        if isinstance(fault, Cut):
            said = said[: int(len(said) * fault.share)]
            self.close_connection = True
        self._answer(answer.status, headers, said)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        with suppress(OSError):  # the client may be gone
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def do_GET(self) -> None:
        self._pass()

    def do_HEAD(self) -> None:
        self._pass()

    def log_message(self, *_: object) -> None: ...


_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}
