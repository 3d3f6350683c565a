"""A stand-in for the few calls of GitHub's API that are made: it keeps a world of comments and issues."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BOT = "github-actions[bot]"
TOKEN = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"
REPOSITORY = "contoso/audiences"
LONGEST = 65_536


@dataclass
class Forge:
    """What one repository at GitHub holds. `tokens` says who writes with which."""

    url: str = ""
    tokens: dict[str, str] = field(default_factory=lambda: {TOKEN: BOT})
    heads: dict[int, tuple[str, str]] = field(default_factory=dict)
    """The newest commit and the base branch of each pull request."""
    branches: Callable[[str], str | None] = lambda _: None
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Given to the next requests, instead of an answer."""
    lost: set[str] = field(default_factory=set)
    """Methods whose requests are carried out, and answered by a fault."""
    _last: int = 0

    def comment(self, pull: int, body: str, author: str = BOT) -> dict[str, Any]:
        """Write a comment, as somebody."""
        self._last += 1
        made = {"id": self._last, "pull": pull, "user": {"login": author}, "body": body}
        self.comments[self._last] = made
        return made

    def issue(self, title: str, body: str, author: str = BOT, **more: Any) -> dict[str, Any]:
        """Open an issue, as somebody."""
        self._last += 1
        made = {"number": self._last, "state": "open", "title": title, "user": {"login": author}, "body": body, **more}
        self.issues[self._last] = made
        return made

    def said(self, pull: int) -> list[str]:
        """Give the comments on a pull request, the oldest first."""
        return [each["body"] for each in self.comments.values() if each["pull"] == pull]

    def writes(self) -> list[str]:
        """Give the requests that were not questions."""
        return [request for request in self.requests if not request.startswith("GET ")]

    def answer(self, method: str, path: str, query: dict[str, str], sent: Any, author: str) -> tuple[int, Any]:
        """Do what one request asks for."""
        route = f"{method} {re.sub(r'(?<=/)[0-9]+', 'N', path)}"
        number = int((re.findall(r"/([0-9]+)", path) or ["0"])[0])
        if sent is not None and len(sent.get("body") or "") > LONGEST:
            return 422, {"message": "Validation Failed"}
        if "issues/" in path:
            found = self._of_comments(route, number, query, sent, author)
        elif path == "issues":
            found = self._of_issues(route, query, sent, author)
        else:
            found = self._of_pulls(route, number, path)
        return found or (404, {"message": "Not Found"})

    def _of_pulls(self, route: str, number: int, path: str) -> tuple[int, Any] | None:
        tip = self.branches(path.removeprefix("branches/"))
        match route:
            case "GET pulls/N" if number in self.heads:
                head, base = self.heads[number]
                return 200, {"number": number, "head": {"sha": head}, "base": {"ref": base, "sha": "0" * 40}}
            case _ if route.startswith("GET branches/") and tip:
                return 200, {"commit": {"sha": tip}}
        return None

    def _of_comments(
        self, route: str, number: int, query: dict[str, str], sent: Any, author: str
    ) -> tuple[int, Any] | None:
        match route:
            case "GET issues/N/comments":
                return 200, _page([each for each in self.comments.values() if each["pull"] == number], query)
            case "POST issues/N/comments":
                return 201, self.comment(number, sent["body"], author)
            case "PATCH issues/comments/N" if number in self.comments:
                self.comments[number] |= sent
                return 200, self.comments[number]
            case "DELETE issues/comments/N" if number in self.comments:
                del self.comments[number]
                return 204, None
            case "PATCH issues/N" if number in self.issues:
                self.issues[number] |= sent
                return 200, self.issues[number]
        return None

    def _of_issues(self, route: str, query: dict[str, str], sent: Any, author: str) -> tuple[int, Any] | None:
        match route:
            case "GET issues":
                return 200, _page([each for each in self.issues.values() if each["state"] == query["state"]], query)
            case "POST issues":
                return 201, self.issue(sent["title"], sent["body"], author)
        return None


def _page(found: list[Any], query: dict[str, str]) -> list[Any]:
    size, page = int(query.get("per_page", "30")), int(query.get("page", "1"))
    return found[(page - 1) * size : page * size]


@contextmanager
def serving() -> Iterator[Forge]:
    """Serve one repository on loopback."""
    forge = Forge()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(size)) if size else None
            forge.requests.append(f"{self.command} {self.path}")
            author = forge.tokens.get((self.headers.get("Authorization") or "").removeprefix("Bearer "))
            top = f"/repos/{REPOSITORY}/"
            if forge.refusals:
                status, message = forge.refusals.pop(0)
                self._give(status, {"message": message})
            elif author is None:
                self._give(401, {"message": "Bad credentials"})
            elif not parts.path.startswith(top):
                self._give(404, {"message": "Not Found"})
            else:
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                path = unquote(parts.path.removeprefix(top))
                done = forge.answer(self.command, path, query, sent, author)
                self._give(*((502, None) if self.command in forge.lost else done))

        def _give(self, status: int, document: Any) -> None:
            body = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815  # named by the library

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    forge.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
