"""Decides nothing about the API: one connection of HTTP/1.1, kept alive, with bounds on what it reads."""

from __future__ import annotations

import contextlib
import socket
import struct
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from reconciler.sandbox.answers import FAILED, Answer, Cut, Outcome, Reset, error
from reconciler.sandbox.control import control, is_control
from reconciler.sandbox.service import Request

if TYPE_CHECKING:
    from reconciler.sandbox.server import Listener

BODY_LIMIT = 8 * 1024 * 1024
DRAINED = 64 * 1024 * 1024
CHUNK = 64 * 1024
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1"})


class Connection(BaseHTTPRequestHandler):
    """Reads requests, has them met, writes what comes back."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75

    def finish(self) -> None:
        """Give the connection up, also one that is gone."""
        with contextlib.suppress(OSError):
            super().finish()

    def handle(self) -> None:
        """Answer requests until the other side, or a fault, ends it."""
        with contextlib.suppress(OSError):
            super().handle()

    def _serve(self) -> None:
        body = self._body()
        if isinstance(body, Answer):
            self.close_connection = True
            self._send(body)
        elif urlsplit(f"//{self.headers.get('Host', '')}").hostname not in LOOPBACK_NAMES:
            self._send(error(400, "The stand-in is reached as 127.0.0.1 or localhost only."))
        else:
            self._send(self._met(Request(self.command, self.path, self.headers.get("autopilotapikey"), body)))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _serve  # noqa: N815  # names of the library

    def _met(self, request: Request) -> Outcome:
        service = cast("Listener", self.server).service
        try:
            return control(service, request) if is_control(request.target) else service.meet(request)
        except Exception:  # noqa: BLE001  # the caller gets JSON, and the console stays quiet
            return FAILED

    def _body(self) -> bytes | Answer:
        """Read the body, or say why it is not read."""
        if "Transfer-Encoding" in self.headers:
            return error(411, "Send the body with its Content-Length.")
        stated = self.headers.get_all("Content-Length") or ["0"]
        if (
            len(set(stated)) != 1
            or not (stated[0].isascii() and stated[0].isdigit())
            or len(stated[0]) > len(str(2**63))
        ):
            return error(400, "The Content-Length is malformed.")
        length = int(stated[0])
        if length <= BODY_LIMIT:
            return self.rfile.read(length)
        for _ in range(0, min(length, DRAINED), CHUNK):  # an answer is lost when the sender is cut off while it writes
            self.rfile.read(min(CHUNK, length))
            length -= CHUNK
        return error(413, f"A body may hold {BODY_LIMIT} bytes.")

    def _send(self, outcome: Outcome) -> None:
        match outcome:
            case Answer():
                self.wfile.write(self._head(outcome) + (b"" if self.command == "HEAD" else outcome.body))
            case Cut(answer):
                self.wfile.write(self._head(answer) + answer.body[: len(answer.body) // 2])
                self.close_connection = True
            case Reset():
                self._reset()

    def _head(self, answer: Answer) -> bytes:
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
        if answer.status != HTTPStatus.NO_CONTENT:
            lines += [f"Content-Type: {answer.type}", f"Content-Length: {len(answer.body)}"]
        if self.close_connection:
            lines.append("Connection: close")
        lines += [f"{name}: {value}" for name, value in answer.headers]
        return "\r\n".join([*lines, "\r\n"]).encode("latin-1")

    def _reset(self) -> None:
        """Close so that the other side sees a reset: no lingering, and no reference to the socket left."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the library finds wrong in a request with JSON, too."""
        del message, explain
        self.close_connection = True
        self._send(error(code, "The request is malformed."))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Write nothing: requests are remembered without what they carry."""
