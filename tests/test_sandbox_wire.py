"""The stand-in's connections are kept alive, serve many clients at once, and stay in bounds whatever is sent."""

from __future__ import annotations

import http.client
import json
import socket
import threading

import pytest
import requests

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

HEADERS = {"autopilotapikey": "0123456789abcdef" * 2}
FREE = Switches(rate=0)


def connect(sandbox: Sandbox) -> http.client.HTTPConnection:
    host, port = sandbox.root.removeprefix("http://").split(":")
    return http.client.HTTPConnection(host, int(port), timeout=10)


def test_one_connection_serves_many_requests() -> None:
    with Sandbox(switches=FREE) as sandbox:
        connection = connect(sandbox)
        connection.connect()
        own = connection.sock.getsockname()
        for number in range(20):
            body = json.dumps({"contact": {"Email": f"p{number}@example.com"}})
            connection.request("POST", "/v1/contact", body, HEADERS)
            assert connection.getresponse().read()
        assert connection.sock.getsockname() == own
        connection.close()


def test_many_clients_at_once_lose_nothing() -> None:
    with Sandbox(switches=FREE) as sandbox:
        news = sandbox.world.add_list("news")

        def send(worker: int) -> None:
            connection = connect(sandbox)
            for number in range(10):
                people = [{"Email": f"{worker}.{number}.{i}@example.com", "_autopilot_list": news} for i in range(20)]
                connection.request("POST", "/v1/contacts", json.dumps({"contacts": people}), HEADERS)
                connection.getresponse().read()
            connection.close()

        workers = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
        assert len(sandbox.world.members("news")) == 8 * 10 * 20


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /v1/lists HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET /v1/lists HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/list HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /v1/list HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET /v1/lists HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET /_sandbox/world HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET /v1/lists HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"BREW /v1/lists HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 501),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_a_malformed_request_gets_json_and_no_traceback(
    head: bytes, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with Sandbox() as sandbox:
        host, port = sandbox.root.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.sendall(head)
            raw.shutdown(socket.SHUT_WR)
            answer = raw.makefile("rb").read()
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.split()[1] == str(status).encode()
    assert set(json.loads(body)) == {"error", "message"}
    assert capfd.readouterr() == ("", "")


def test_a_body_over_the_limit_is_refused() -> None:
    with Sandbox() as sandbox:
        answer = requests.post(
            f"{sandbox.url}/contacts", data=b"x" * (8 * 1024 * 1024 + 1), headers=HEADERS, timeout=30
        )
    assert answer.status_code == 413
