"""A whole run against a server that is away, redirects, is not who it says, or takes the key no more; and the next."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.account import Account, crowd
from support.inside import at_request, goes_on, told
from support.project import connection, export

from reconciler.clock import SystemClock
from reconciler.flow.courier import width
from reconciler.http import Policy
from reconciler.sandbox.answers import Answer, error
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAILED = 4
RATE = 20
TRIES = 1 + Policy().retries


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def account(server: Sandbox, tmp_path: Path) -> Account:
    return Account(server, tmp_path)


def port(server: Sandbox) -> int:
    return int(server.root.rpartition(":")[2])


def faults(said: str) -> list[str]:
    """Give the lines on what went wrong, but not those on how much is left."""
    return [line.strip() for line in said.splitlines() if re.search(r"127\.0\.0\.1[: ]", line)]


class Deaf:
    """Takes every connection on a port and resets it; counts them."""

    def __init__(self, port: int = 0) -> None:
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", port), backlog=200)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._reset_all, daemon=True)
        self._thread.start()

    def _reset_all(self) -> None:
        while True:
            try:
                taken, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            taken.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


@contextmanager
def deaf(port: int = 0) -> Iterator[Deaf]:
    it = Deaf(port)
    try:
        yield it
    finally:
        it.close()


@pytest.mark.parametrize("bulk_lists", ["honoured", "ignored"])
@pytest.mark.parametrize("requests", [3, 9, 14])
def test_a_server_that_goes_away_in_the_middle_costs_what_was_in_flight(
    tmp_path: Path, requests: int, bulk_lists: str
) -> None:
    world, ways = tmp_path / "world", Switches(rate=0, bulk_lists=bulk_lists)  # type: ignore[arg-type]  # as there
    server = Sandbox(file=world).start()
    account = Account(server, tmp_path)
    account.behave(bulk_lists=bulk_lists)
    account.declare(crowd(1300 if bulk_lists == "honoured" else 40))
    leaving = threading.Thread(target=server.close)
    at_request(server, requests, leaving.start)
    code, said = told(account, "apply", "--yes")
    leaving.join()
    assert code == FAILED, said
    assert 1 <= len(faults(said)) <= 2, said  # what broke, and that no more is sent
    assert "Failed" in told(account, "status")[1]
    with Sandbox(port=port(server), file=world, switches=ways) as back:
        account.server, account.world = back, back.account(account.project.environ["AUTOPILOT_API_KEY"])
        done = sum(len(slots) == 1 + account.table[mail][1] for mail, slots in account.recorded().items())
        goes_on(account)
        assert account.sent() <= 2 * (len(account.table) - done)


def declare_three(account: Account, down: str) -> None:
    """Beside `news` on a server that is sound, declare three exports over two connections to one that is down."""
    for name, limit in (("second", "AUTOPILOT_SECOND"), ("third", "AUTOPILOT_THIRD")):
        account.project.environ[limit] = f"{len(name):032x}"
    paced = {"requestsPerSecond": RATE}
    account.project.declare(
        connection("second", down, apiKey={"env": "AUTOPILOT_SECOND"}, limits=paced),
        connection("third", down, apiKey={"env": "AUTOPILOT_THIRD"}, limits=paced),
        export("b1", ["all", "odd"], connection="second"),
        export("b2", ["odd"], connection="second"),
        export("c1", ["all", "odd"], connection="third"),
        file="down.yaml",
    )


@pytest.mark.parametrize("known", [False, True])
def test_a_server_that_is_down_is_not_hammered_and_stops_no_other(account: Account, known: bool) -> None:  # noqa: FBT001
    account.declare(crowd(40))
    with Sandbox(switches=Switches(rate=0, bulk_lists="ignored")) as other:
        declare_three(account, other.url)
        if known:
            assert told(account, "apply", "--yes")[0] == 0
    account.declare(crowd(200))
    with deaf(port(other)) as down:
        code, said = told(account, "apply", "--yes")
        attempts = down.connections
    assert code == FAILED, said
    account.check_declared()
    # until the breaker opens each request is tried so often; nothing else can be begun before lists are known
    bound = 2 * TRIES * (Policy().give_up - 1 + width(RATE) if known else 1)
    assert 2 * TRIES <= attempts <= bound
    assert 1 <= len(faults(said)) <= 2 * 3 * 2, said
    rows = {line.split()[0]: line for line in told(account, "status")[1].splitlines() if "autopilot" in line}
    assert [name for name, row in rows.items() if "Failed" in row] == ["b1", "b2", "c1"]
    assert "Successful" in rows["news"]
    with Sandbox(port=port(other), switches=Switches(rate=0)):
        assert told(account, "apply", "--yes")[0] == (FAILED if known else 0)  # lists and contacts went with the world
        goes_on(account, "account", "second", "third")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("bulk_lists", ["honoured", "ignored"])
def test_a_key_that_is_revoked_half_way_stops_at_once(account: Account, status: int, bulk_lists: str) -> None:
    account.behave(bulk_lists=bulk_lists)
    account.declare(crowd(1200 if bulk_lists == "honoured" else 30))
    declared = account.project.root / "exports" / "all.yaml"
    unpaced, hasty = declared.read_text(), account.project.clock
    declared.write_text(unpaced.replace("100000", str(RATE)))
    account.project.clock = SystemClock()  # at the real pace, so that most of the crew waits for its turn
    meet = account.server._service.meet
    at_request(account.server, 12, lambda: None, lambda *_: error(status, "Provided autopilotapikey not valid."))
    code, said = told(account, "apply", "--yes")
    account.server._service.meet = meet  # type: ignore[method-assign]  # the key is good again
    assert code == FAILED
    assert len(faults(said)) == 1, said
    assert f"{status} Provided autopilotapikey not valid." in said
    if status == 401:  # 403 may be about one thing only
        assert len(account.server.requests) <= 12 + 1
    account.recorded()
    declared.write_text(unpaced)
    account.project.clock = hasty
    account.behave(bulk_lists=bulk_lists)
    goes_on(account)


def test_a_key_that_is_wrong_from_the_start_is_told_in_one_line(account: Account) -> None:
    account.declare(crowd(300))
    account.behave(Fault("401-from-now", count=None))
    code, said = told(account, "apply", "--yes")
    assert (code, len(account.server.requests), len(faults(said))) == (FAILED, 1, 1), said
    account.behave()
    goes_on(account)


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("requests", [1, 9])
def test_a_redirect_leads_nowhere(account: Account, status: int, requests: int) -> None:
    account.declare(crowd(400))
    with Sandbox(switches=Switches(rate=0)) as elsewhere:
        away = Answer(status, headers=(("Location", f"{elsewhere.url}/contacts"),))
        meet = account.server._service.meet
        at_request(account.server, requests, lambda: None, lambda *_: away)
        code, said = told(account, "apply", "--yes")
        account.server._service.meet = meet  # type: ignore[method-assign]  # it answers itself again
        assert elsewhere.requests == ()
    assert (code, len(faults(said))) == (FAILED, 1), said
    assert f"{status} a redirect, which is never followed" in said
    assert len(account.server.requests) < requests + width(100_000)
    account.behave()
    goes_on(account)


def test_a_server_that_cannot_prove_who_it_is_is_told_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    names = ["-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key)]
    subprocess.run([*made, "-out", str(cert), *names], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    server = Sandbox()
    server._listener.socket = tls.wrap_socket(server._listener.socket, server_side=True)
    with server:
        account = Account(server, tmp_path)
        exports = tmp_path / "exports" / "all.yaml"
        exports.write_text(exports.read_text().replace("http://", "https://"))
        account.declare(crowd(30))
        code, said = told(account, "apply", "--yes")
        assert (code, server.requests) == (FAILED, ())
        assert len(faults(said)) == 1, said
        assert "its certificate cannot be verified" in said
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cert))
        goes_on(account)
