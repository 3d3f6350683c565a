"""Answers of any shape to every call: our own errors, one line each, that name neither the key nor the person.

An input is one answer after the other, parted by a line `--`: a status, headers, an empty line, the body. `answers`
feeds them to the calls without a network; `wire` sends the bytes as they are from a server on loopback.
"""

from __future__ import annotations

import io
import random
import socket
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from fuzz.sentences import told
from requests.adapters import HTTPAdapter
from support.hasty import HastyClock
from urllib3 import HTTPHeaderDict, HTTPResponse

from reconciler.core.errors import DestinationError
from reconciler.core.ports import Item
from reconciler.destinations.autopilot import Autopilot
from reconciler.http import Outlet, Policy
from reconciler.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import requests

KEY = "0123456789abcdef0123456789abcdef"
NAME = "Perseverance"
LIST = "contactlist_1"
PEOPLE = tuple(
    Item(
        bytes([number]) * 16,
        f"person{number}@example.com",
        f'{{"Email":"person{number}@example.com","FirstName":"{NAME}"}}'.encode(),
    )
    for number in range(1, 4)
)
HIDDEN = (KEY, *(one.email for one in PEOPLE))
POLICY = Policy(retries=2, connect=5, read=5, body=1 << 20, give_up=1 << 30)
MOST = 30
"""Answers of one input; then there are none."""


@contextmanager
def answers(_: Path) -> Iterator[Callable[[bytes], None]]:
    """Give the target over answers that are read without a network."""

    def one(data: bytes) -> None:
        script = Script(data)
        outlet = way_out("http://127.0.0.1:9/v1")
        outlet._adapter = script
        calls(outlet, script.rewind)

    yield one


@contextmanager
def wire(_: Path) -> Iterator[Callable[[bytes], None]]:
    """Give the target over raw bytes from loopback."""
    with Server() as server:

        def one(data: bytes) -> None:
            server.say(data)
            with closing(way_out(server.url)) as outlet:
                calls(outlet, lambda: None)

        yield one


def way_out(url: str) -> Outlet:
    """Give the way out, with a key and without waits."""
    clock = HastyClock()
    headers, rng = {"autopilotapikey": KEY}, random.Random(1)
    return Outlet(url, headers, Pace(1e6, clock), clock, rng, secrets=(KEY,), policy=POLICY)


def calls(outlet: Outlet, rewind: Callable[[], None]) -> None:
    """Make every call once, by a caller who knows nothing from before."""
    account = Autopilot(outlet)
    for call in CALLS:
        rewind()
        try:
            call(account)
        except DestinationError as error:
            told(error, *HIDDEN, *([NAME] if call in SENDING else []))
            reason = getattr(error, "reason", "-")
            assert reason.isprintable(), "a reason holds what a terminal would obey"


def pushed(account: Autopilot, list_id: str | None) -> None:
    """Send a batch; everybody ends in one of the two, with an id or with a reason."""
    outcome = account.push(PEOPLE, list_id)
    judged(outcome.accepted, outcome.rejected, PEOPLE)


def put(account: Autopilot) -> None:
    """Send one person."""
    outcome = account.put(PEOPLE[0], LIST)
    judged(outcome.accepted, outcome.rejected, PEOPLE[:1])


def judged(accepted: Mapping[bytes, str], rejected: Mapping[bytes, str], people: tuple[Item, ...]) -> None:
    """Hold an outcome to naming everybody once."""
    assert accepted.keys() | rejected.keys() == {one.key for one in people}, "somebody was lost"
    assert not accepted.keys() & rejected.keys(), "somebody was taken and refused"
    assert all(isinstance(one, str) and one for one in accepted.values())
    for reason in rejected.values():
        assert reason.isprintable(), "a reason holds what a terminal would obey"
        assert not any(part.lower() in reason.lower() for part in (*HIDDEN, NAME)), "a reason names what nobody may see"


def listed(account: Autopilot) -> None:
    """Ask for the lists."""
    for title, ids in account.lists().items():
        assert isinstance(title, str)
        assert ids
        assert list(ids) == sorted(set(ids))


def membership(account: Autopilot) -> None:
    """Read a list to its end."""
    for page in account.members(LIST):
        for contact, address in page:
            assert isinstance(contact, str)
            assert address == address.strip().lower()


def tested(account: Autopilot) -> None:
    """Test the key; what it opens is shown on a terminal."""
    found = account.account()
    assert f"{found.instance}{found.name}".isprintable()


SENDING: tuple[Callable[[Autopilot], object], ...] = (
    lambda account: pushed(account, LIST),
    lambda account: pushed(account, None),
    put,
)
"""Calls that send what a person is called, so that an answer may echo it."""

CALLS: tuple[Callable[[Autopilot], object], ...] = (
    *SENDING,
    listed,
    membership,
    tested,
    lambda account: account.make_list("News"),
    lambda account: account.on_list(LIST, PEOPLE[0].email),
    lambda account: account.known(PEOPLE[0].email),
    lambda account: account.join(LIST, "person_1"),
    lambda account: account.leave(LIST, "person_1"),
    lambda account: account.erase(PEOPLE[0].email),
)


class Script(HTTPAdapter):
    """Answers in the order in which they are written down."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._written = data.split(b"\n--\n")[:MOST]
        self._next = 0

    def rewind(self) -> None:
        self._next = 0

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        written = self._written[self._next] if self._next < len(self._written) else b"503"
        self._next += 1
        head, _gap, body = written.partition(b"\n\n")
        status, *lines = head.decode("latin-1").split("\n")
        pairs = [line.partition(":") for line in lines]
        headers = HTTPHeaderDict([(name.strip(), value.strip()) for name, _, value in pairs if name.strip()])
        code = int(status[:3]) if status[:3].isascii() and status[:3].isdigit() else 200
        return self.build_response(
            request, HTTPResponse(io.BytesIO(body), headers, max(code, 200), preload_content=False)
        )


class Server:
    """Sends what it was told to each who connects and asks, and closes."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._written: list[bytes] = []
        self._next = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}/v1"

    def say(self, data: bytes) -> None:
        self._written, self._next = data.split(b"\n--\n")[:MOST], 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        request = connection.makefile("rb")
        length = 0
        while (line := request.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        request.read(length)
        said = self._written[self._next % len(self._written)]
        self._next += 1
        connection.sendall(said)
