"""Takes apart what clients say to the stores: HTTP, and PostgreSQL's protocol. It decides of what kind a request is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ, WRITE, LIST, REMOVE, OTHER = KINDS = ("read", "write", "list", "remove", "other")

_TASTE = 200
"""Bytes of a body that tell what it asks for."""

_STARTS = {80877103, 80877104}
"""Codes of PostgreSQL's questions for encryption, which come before the one that starts the session."""


class Http:
    """HTTP/1.1 requests. `kind` judges by the method, the target, and how the body begins."""

    def __init__(self, kind: Callable[[str, str, bytes], str]) -> None:
        self._kind = kind
        self._buffer = b""
        self._about: tuple[str, str] | None = None
        self._taste = b""
        self._left = 0
        self._chunked = False

    def heard(self, data: bytes) -> Iterator[str]:
        """Take the next bytes, and give the kind of each request that is whole with them."""
        self._buffer += data
        while self._about is not None or b"\r\n\r\n" in self._buffer:
            if self._about is None:
                self._begin()
            if not self._body():
                return
            assert self._about is not None
            yield self._kind(*self._about, self._taste)
            self._about = None

    def _begin(self) -> None:
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._about, self._taste = (method, target), b""
        self._chunked = fields.get("transfer-encoding", "").lower() == "chunked"
        self._left = int(fields.get("content-length", 0))

    def _body(self) -> bool:
        """Take what there is of the body; tell whether that is all of it."""
        if not self._chunked:
            return self._taken()
        while self._taken():
            line, found, rest = self._buffer.removeprefix(b"\r\n").partition(b"\r\n")
            if not found:
                return False
            size = int(line.split(b";")[0], 16)
            if not size:
                if b"\r\n" not in rest:
                    return False
                self._buffer = rest.partition(b"\r\n")[2]
                return True
            self._left, self._buffer = size, rest
        return False

    def _taken(self) -> bool:
        piece, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
        self._left -= len(piece)
        self._taste = (self._taste + piece)[:_TASTE]
        return not self._left


class Postgres:
    """Statements of PostgreSQL's protocol, simple and prepared ones."""

    def __init__(self) -> None:
        self._buffer = b""
        self._begun = False

    def heard(self, data: bytes) -> Iterator[str]:
        """Take the next bytes, and give the kind of each statement that is whole with them."""
        self._buffer += data
        while (message := self._message()) is not None:
            what, body = message
            if what in {b"Q", b"P"}:
                yield statement(body.split(b"\0")[what == b"P"].decode())

    def _message(self) -> tuple[bytes, bytes] | None:
        ahead = 1 if self._begun else 0
        size = int.from_bytes(self._buffer[ahead : ahead + 4], "big")
        if len(self._buffer) < ahead + 4 or len(self._buffer) < ahead + size:
            return None
        what, body = self._buffer[:ahead], self._buffer[ahead + 4 : ahead + size]
        self._buffer = self._buffer[ahead + size :]
        if not self._begun:
            self._begun = int.from_bytes(body[:4], "big") not in _STARTS
        return what, body


def azure(method: str, target: str, _: bytes) -> str:
    """Say what a request to Azure is."""
    return LIST if "comp=list" in target else _by_method(method)


def s3(method: str, target: str, _: bytes) -> str:
    """Say what a request to S3 is."""
    return LIST if "list-type=" in target else _by_method(method)


def _by_method(method: str) -> str:
    """POST is what both remove several objects with."""
    return {"GET": READ, "HEAD": READ, "PUT": WRITE, "DELETE": REMOVE, "POST": REMOVE}[method]


def git(method: str, target: str, body: bytes) -> str:
    """Say what a request to a git remote is: what it has is asked in two, before a fetch or a push."""
    if method == "POST" and target.endswith("/git-receive-pack"):
        return WRITE
    return READ if b"command=fetch" in body else LIST


def statement(words: str) -> str:
    """Say what a statement is."""
    if words.startswith("SELECT name"):
        return LIST
    return {"SELECT": READ, "INSERT": WRITE, "UPDATE": WRITE, "DELETE": REMOVE}.get(words.split(maxsplit=1)[0], OTHER)
