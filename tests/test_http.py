from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import json
import logging
import random
import socket
import ssl
import struct
import subprocess
import threading
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.answers import Doubt, fault
from reconciler.core.errors import DestinationError, NotFound, Refused, Unauthorized, Unavailable
from reconciler.http import Outlet, Policy
from reconciler.pace import Pace
from reconciler.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KEY = "0123456789abcdef0123456789abcdef"


class Hours:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.slept = 0.0
        self._lock = threading.Lock()

    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.time, tz=dt.UTC)

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.time += seconds
            self.slept += seconds


@dataclass
class Reply:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    short: int = 0
    reset: bool = False
    silent: bool = False
    bare: bool = False


@dataclass(repr=False)
class Liar:
    """A server that answers by a script, the last reply again and again, and remembers what it was asked."""

    script: list[Reply] = field(default_factory=lambda: [Reply()])
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def next(self) -> Reply:
        with self.lock:
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


def handler(liar: Liar) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def setup(self) -> None:
            super().setup()
            with liar.lock:
                liar.connections += 1

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            with liar.lock:
                liar.asked.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
            reply = liar.next()
            if reply.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            if reply.silent:
                liar.over.wait(20)
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.bare:
                self.close_connection = True
            else:
                self.send_header("Content-Length", str(len(reply.body) + reply.short))
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = self.close_connection or bool(reply.short)

        do_POST = do_DELETE = do_GET  # noqa: N815  # the names that the base class looks for

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that hang up are what the tests are about."""


@contextlib.contextmanager
def serving(liar: Liar, tls: ssl.SSLContext | None = None) -> Iterator[Liar]:
    server = Server(("127.0.0.1", 0), handler(liar))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    liar.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/v1"
    try:
        yield liar
    finally:
        liar.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def liar() -> Iterator[Liar]:
    with serving(Liar()) as it:
        yield it


@contextlib.contextmanager
def outlet(url: str, clock: Hours | None = None, **policy: Any) -> Iterator[Outlet]:
    clock = clock or Hours()
    pace = Pace(1000, clock)
    out = Outlet(url, {"autopilotapikey": KEY}, pace, clock, random.Random(7), secrets=(KEY,), policy=Policy(**policy))
    try:
        yield out
    finally:
        out.close()


def test_json_comes_back_and_the_key_goes_out(liar: Liar) -> None:
    liar.script = [Reply(body=b'{"a": [1, null]}')]
    with outlet(liar.url + "/") as out:
        answer = out.request("POST", "/contacts", body=b'{"x":1}')
        assert (answer.status, answer.data) == (200, {"a": [1, None]})
        assert out.sent == 1
    method, path, headers, body = liar.asked[0]
    assert (method, path, body) == ("POST", "/v1/contacts", b'{"x":1}')
    assert headers["autopilotapikey"] == KEY
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520])
def test_what_may_pass_later_is_tried_again(liar: Liar, status: int) -> None:
    liar.script = [Reply(status), Reply(status), Reply(body=b'"ok"')]
    with outlet(liar.url) as out:
        assert out.request("GET", "/lists").data == "ok"
        assert out.sent == len(liar.asked) == 3


@pytest.mark.parametrize(
    "lie",
    [
        Reply(body=b"<html>hello</html>"),
        Reply(body=b'{"a": 1', short=10),
        Reply(body=b'{"a": "cut', bare=True),
        Reply(body=b"", bare=True),
        Reply(body=b"\xff\xfe\x00"),
        Reply(body=b"[" * 100_000),
        Reply(body=b"1" * 10_000),
        Reply(body=b"nonsense", headers={"Content-Encoding": "gzip"}),
        Reply(body=b'"' + b"a" * 2000 + b'"'),
        Reply(body=gzip.compress(b"0" * 2000), headers={"Content-Encoding": "gzip"}),
        Reply(reset=True),
    ],
    ids=["html", "cut", "cut-unframed", "empty-unframed", "binary", "deep", "digits", "gzip", "large", "bomb", "reset"],
)
def test_a_success_that_is_none_is_tried_again(liar: Liar, lie: Reply) -> None:
    liar.script = [lie, Reply(body=b'"ok"')]
    with outlet(liar.url, body=1000 if b"aaa" in lie.body or b"\x1f" in lie.body else 10**6) as out:
        assert out.request("GET", "/lists").data == "ok"
        assert out.sent == 2


def test_a_server_that_says_nothing_is_left_after_the_read_timeout(liar: Liar) -> None:
    liar.script = [Reply(silent=True), Reply(body=b'"ok"')]
    with outlet(liar.url, read=0.1) as out:
        assert out.request("GET", "/lists").data == "ok"
    liar.script = [Reply(silent=True)]
    with outlet(liar.url, read=0.05, retries=1) as out, pytest.raises(Unavailable, match=r"no answer within 0\.05 s"):
        out.request("GET", "/lists")


@pytest.mark.parametrize("reply", [Reply(204, b""), Reply(200, b""), Reply(200, b"{}")])
def test_an_empty_success_is_one_where_it_says_so_and_keeps_the_connection(liar: Liar, reply: Reply) -> None:
    liar.script = [reply]
    with outlet(liar.url) as out:
        for _ in range(5):
            assert not out.request("DELETE", "/list/{id}/contact/{id}", ("l", "c")).data
    assert liar.connections == 1


def test_connections_are_kept_alive_and_no_more_than_the_threads(liar: Liar) -> None:
    liar.script = [Reply(400), *[Reply()] * 50, Reply(404, b""), Reply(500), Reply()]
    with outlet(liar.url) as out:

        def work() -> None:
            for _ in range(20):
                with contextlib.suppress(Refused):
                    out.request("POST", "/contacts", body=b"{}")

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert out.sent == len(liar.asked) == 121
    assert liar.connections <= 6


def test_retries_are_bounded_and_say_so(liar: Liar) -> None:
    liar.script = [Reply(503)]
    with outlet(liar.url, retries=3) as out:
        with pytest.raises(Unavailable) as caught:
            out.request("GET", "/list/{id}/contact/{id}", ("l", "someone@example.com"))
        assert out.sent == 4
    text = str(caught.value)
    assert text == "GET /list/{id}/contact/{id} at 127.0.0.1: 503 Service Unavailable (tried 4 times)"


def test_what_may_not_be_repeated_is_sent_once(liar: Liar) -> None:
    liar.script = [Reply(500)]
    with outlet(liar.url) as out:
        with pytest.raises(Unavailable):
            out.request("POST", "/list", body=b"{}", repeatable=False)
        assert out.sent == len(liar.asked) == 1


def test_nobody_there(unused: str) -> None:
    with outlet(unused, retries=1) as out, pytest.raises(Unavailable, match="no connection"):
        out.request("GET", "/lists")


def test_a_connection_that_does_not_come_about_is_told_from_an_answer_that_does_not() -> None:
    refused = requests.exceptions.ConnectTimeout(f"https://api.contoso.com/v1/contact/{KEY}")
    assert fault(refused, 10, 60) == Doubt("no connection within 10 s")
    assert fault(requests.exceptions.ReadTimeout(), 10, 60) == Doubt("no answer within 60 s")


@pytest.fixture
def unused() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


@settings(max_examples=25)
@given(seed=st.integers(), attempts=st.integers(1, 6))
def test_backoff_grows_and_is_bounded(liar_forever: Liar, seed: int, attempts: int) -> None:
    clock = Hours()
    pace = Pace(1e6, clock)
    rng = random.Random(seed)
    out = Outlet(liar_forever.url, {}, pace, clock, rng, policy=Policy(retries=attempts, first=1, longest=4))
    with pytest.raises(Unavailable):
        out.request("GET", "/lists")
    out.close()
    assert 0 <= clock.slept <= sum(min(4, 2**n) for n in range(attempts)) + 0.1


@pytest.fixture(scope="module")
def liar_forever() -> Iterator[Liar]:
    with serving(Liar([Reply(500)])) as it:
        yield it


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("asked", "least", "most"), [("7", 7, 8), ("9999999999999999", 120, 121), ("0", 0, 0.1)])
def test_retry_after_in_seconds_is_honoured_up_to_a_bound(
    liar: Liar, status: int, asked: str, least: float, most: float
) -> None:
    clock = Hours()
    liar.script = [Reply(status, headers={"Retry-After": asked}), Reply()]
    with outlet(liar.url, clock) as out:
        out.request("GET", "/lists")
    assert least <= clock.slept <= most


def test_retry_after_as_a_date_is_honoured(liar: Liar) -> None:
    clock = Hours()
    date = format_datetime(clock.now() + dt.timedelta(seconds=30), usegmt=True)
    liar.script = [Reply(429, headers={"Retry-After": date}), Reply()]
    with outlet(liar.url, clock) as out:
        out.request("GET", "/lists")
    assert 29 <= clock.slept <= 31


@pytest.mark.parametrize(
    "asked", ["Thu, 01 Jan 1970 00:00:00 GMT", "soon", "-5", "1e9", "Mon, 32 Foo 99999 00:00:00", "٣", "²", ""]
)
def test_a_retry_after_that_is_none_falls_back_to_backoff(liar: Liar, asked: str) -> None:
    clock = Hours()
    liar.script = [Reply(429, headers={"Retry-After": asked.encode().decode("latin-1")}), Reply()]
    with outlet(liar.url, clock) as out:
        out.request("GET", "/lists")
    assert 0 < clock.slept <= 1


def test_a_429_slows_everybody(liar: Liar) -> None:
    clock = Hours()
    pace = Pace(1000, clock)
    with contextlib.closing(Outlet(liar.url, {}, pace, clock, random.Random(1), policy=Policy(retries=1))) as out:
        liar.script = [Reply(429, headers={"Retry-After": "50"})]
        with pytest.raises(Unavailable):
            out.request("GET", "/lists")
    start = clock.time
    pace.hold(20)
    pace.wait()
    assert clock.time - start >= 20


def test_a_429_without_retry_after_holds_the_pace_before_the_next_request_of_any_thread(liar: Liar) -> None:
    clock = Hours()
    liar.script = [Reply(429), Reply()]
    with outlet(liar.url, clock, first=8) as out:
        out.request("GET", "/lists")
    assert clock.slept >= 4


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Refused), (403, Refused), (404, NotFound), (409, Refused), (413, Refused), (418, Refused), (499, Refused)],
)
def test_a_refusal_is_told_once_with_the_servers_reason(liar: Liar, status: int, error: type[Refused]) -> None:
    liar.script = [Reply(status, b'{"error": "Bad Request", "message": "Too\\u0000many\\ncontacts \\u202e"}')]
    with outlet(liar.url) as out:
        with pytest.raises(error) as caught:
            out.request("POST", "/contacts", body=b"{}")
        assert out.sent == 1
    assert (caught.value.status, caught.value.reason) == (status, "Too\\x00many\\ncontacts \\u202e")
    assert str(caught.value) == f"POST /contacts at 127.0.0.1: {status} Too\\x00many\\ncontacts \\u202e"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": 5}', b'{"message": " "}', b"[" * 50_000])
def test_a_refusal_without_words_says_what_its_status_means(liar: Liar, body: bytes) -> None:
    liar.script = [Reply(404, body)]
    with outlet(liar.url) as out, pytest.raises(NotFound) as caught:
        out.request("GET", "/list/{id}/contacts", ("x",))
    assert caught.value.reason == "Not Found"


def test_the_error_stands_in_where_there_is_no_message(liar: Liar) -> None:
    liar.script = [Reply(400, b'{"error": "no such thing"}')]
    with outlet(liar.url) as out, pytest.raises(Refused, match="no such thing"):
        out.request("GET", "/account")


def test_an_endless_refusal_is_cut(liar: Liar) -> None:
    liar.script = [Reply(400, b'{"message": "' + b"a" * 5_000_000 + b'"}')]
    with outlet(liar.url) as out, pytest.raises(Refused) as caught:
        out.request("GET", "/account")
    assert len(str(caught.value)) < 300


def test_after_a_401_nothing_more_is_sent(liar: Liar) -> None:
    liar.script = [Reply(401, b'{"message": "not valid"}'), Reply()]
    told = set()
    with outlet(liar.url) as out:
        for pattern in ("/lists", "/account", "/lists"):
            with pytest.raises(Unauthorized) as caught:
                out.request("GET", pattern)
            told.add(str(caught.value))
        assert (out.sent, len(liar.asked)) == (1, 1)
    assert told == {"GET /lists at 127.0.0.1: 401 not valid"}


def test_a_wrong_key_is_unauthorized(liar: Liar) -> None:
    liar.script = [Reply(401, json.dumps({"message": f"Provided autopilotapikey {KEY} not valid."}).encode())]
    with outlet(liar.url) as out, pytest.raises(Unauthorized, match=r"401 Provided autopilotapikey \[key\] not valid"):
        out.request("GET", "/account")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(liar: Liar, status: int) -> None:
    with serving(Liar()) as elsewhere:
        liar.script = [Reply(status, headers={"Location": elsewhere.url + "/steal"})]
        with outlet(liar.url) as out, pytest.raises(Refused, match="redirect, which is never followed"):
            out.request("GET", "/account")
        assert len(liar.asked) == 1
        assert elsewhere.asked == []


def test_cookies_are_not_kept(liar: Liar) -> None:
    liar.script = [Reply(headers={"Set-Cookie": "a=b; Path=/"})]
    with outlet(liar.url) as out:
        out.request("GET", "/lists")
        out.request("GET", "/lists")
    assert "Cookie" not in liar.asked[1][2]


def test_the_environment_adds_no_password_and_no_proxy_on_loopback(
    liar: Liar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\ndefault login x password y\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    monkeypatch.delenv("no_proxy", raising=False)
    with outlet(liar.url) as out:
        out.request("GET", "/lists")
    assert "Authorization" not in liar.asked[0][2]


def test_a_proxy_of_the_environment_is_used_for_other_hosts(liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", liar.url.removesuffix("/v1"))
    monkeypatch.delenv("no_proxy", raising=False)
    with outlet("https://api.contoso.com/v1", retries=0) as out, pytest.raises(Unavailable, match="proxy"):
        out.request("GET", "/lists")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    names = ["-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key)]
    subprocess.run([*made, "-out", str(cert), *names], check=True, capture_output=True)
    return key, cert


def test_tls_is_verified(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    key, cert = certificate
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    with serving(Liar(), tls) as liar:
        with outlet(liar.url) as out:
            with pytest.raises(Unavailable, match="certificate cannot be verified"):
                out.request("GET", "/lists")
            assert out.sent == 1
        assert liar.asked == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cert))
        with outlet(liar.url) as out:
            assert out.request("GET", "/lists").data == {}


@pytest.mark.parametrize(
    "url",
    [
        "http://api.contoso.com/v1",
        "http://127.0.0.1.contoso.com/v1",
        "https://user:word@api.contoso.com/v1",
        "ftp://127.0.0.1/",
        "https:///v1",
        "",
        "http://[::2]/",
    ],
)
def test_an_unsafe_base_url_is_refused(url: str) -> None:
    with pytest.raises(DestinationError) as caught, outlet(url):
        pass
    assert "word" not in str(caught.value).replace("password", "")


@given(ids=st.lists(st.text(min_size=1, max_size=20), min_size=2, max_size=2))
@example(ids=["../../account", "a/b?c#d"])
@example(ids=["%2e%2e", "{id}"])
@example(ids=["..", "."])
@example(ids=["\ud800", "a"])
@example(ids=["contactlist_my list & more", "ö\r\nX: y"])
def test_an_id_never_changes_the_path(liar_kind: Liar, ids: list[str]) -> None:
    before = len(liar_kind.asked)
    with outlet(liar_kind.url) as out:
        try:
            out.request("DELETE", "/list/{id}/contact/{id}", ids)
        except NotFound:
            assert any(each in {".", ".."} or not each.isprintable() for each in ids)
            assert len(liar_kind.asked) == before
        else:
            parts = liar_kind.asked[-1][1].split("/")
            assert [unquote(part) for part in parts] == ["", "v1", "list", ids[0], "contact", ids[1]]


@pytest.fixture(scope="module")
def liar_kind() -> Iterator[Liar]:
    with serving(Liar()) as it:
        yield it


def test_a_server_that_is_gone_is_left_alone_for_the_rest_of_the_run(liar: Liar) -> None:
    liar.script = [Reply(500)]
    with outlet(liar.url, retries=1, give_up=3) as out:
        for _ in range(3):
            with pytest.raises(Unavailable, match="500"):
                out.request("GET", "/lists")
        liar.script = [Reply()]
        for _ in range(4):
            with pytest.raises(Unavailable, match=r"127\.0\.0\.1 is not answering"):
                out.request("GET", "/lists")
        assert out.sent == len(liar.asked) == 6


def test_an_answer_in_between_keeps_it_going(liar: Liar) -> None:
    with outlet(liar.url, retries=0, give_up=2) as out:
        for reply in (Reply(500), Reply(400), Reply(500), Reply(200)) * 3:
            liar.script = [reply]
            with contextlib.suppress(DestinationError):
                out.request("GET", "/lists")
        assert out.sent == 12


def test_all_threads_are_told_when_it_is_gone(liar: Liar) -> None:
    liar.script = [Reply(503)]
    told: list[str] = []
    with outlet(liar.url, retries=5, give_up=4) as out:

        def work() -> None:
            for _ in range(5):
                try:
                    out.request("GET", "/lists")
                except Unavailable as error:
                    told.append(str(error))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert out.sent <= (4 - 1 + 8) * 6
    assert len(told) == 40
    assert sum("is not answering" in text for text in told) >= 40 - (4 - 1 + 8)


def test_nothing_is_sent_once_the_run_is_to_stop(liar: Liar) -> None:
    clock = Hours()
    stopping = threading.Event()
    pace = Pace(10, clock, stopping.is_set)
    with contextlib.closing(Outlet(liar.url, {}, pace, clock, random.Random(1))) as out:
        out.request("GET", "/lists")
        stopping.set()
        for _ in range(10):
            with pytest.raises(Unavailable, match="stopped"):
                out.request("GET", "/lists")
        assert out.sent == 1


def test_the_key_and_addresses_appear_nowhere(liar: Liar, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = json.dumps({"message": f"key {KEY.upper()} sent by Some.One@example.com, some%40example.com {{{KEY}}}"})
    texts = []
    with outlet(liar.url, retries=1) as out:
        for reply in (Reply(400, echo.encode()), Reply(404, echo.encode()), Reply(500)):
            liar.script = [reply]
            with pytest.raises(DestinationError) as caught:
                out.request("GET", "/list/{id}/contact/{id}", ("l", "someone@example.com"))
            assert caught.value.__cause__ is None
            texts += [str(caught.value), repr(caught.value), str(caught.value.__context__)]
        for reply in (Reply(reset=True), Reply(200, b"{", headers={"A": KEY})):
            liar.script = [reply]
            with pytest.raises(Unavailable) as gone:
                out.request("GET", "/list/{id}/contact/{id}", ("l", "someone@example.com"))
            texts += [str(gone.value), repr(gone.value), repr(gone.value.__context__)]
        for reply in (Reply(401, echo.encode()), Reply()):
            liar.script = [reply]
            with pytest.raises(Unauthorized) as locked:
                out.request("GET", "/list/{id}/contact/{id}", ("l", "someone@example.com"))
            texts += [str(locked.value), repr(locked.value), str(locked.value.__context__)]
        texts.append(repr(out))
    everything = "\n".join([*texts, caplog.text]).lower()
    assert KEY not in everything
    assert "example.com" not in everything
    assert "[key]" in everything
    assert "[address]" in everything


def test_a_reason_is_cut_where_no_half_address_can_be_left() -> None:
    told = f"{'word ' * 799} someone@example.com {'a' * 50}"
    assert redact(told, secrets=(), sent=None) == ("word " * 40)[:199] + "…"
    assert redact("someone" * 600 + "@example.com", secrets=(), sent=None) == ""
    assert redact("x@y.z " * 300 + "person" * 500 + "@example.com", secrets=(), sent=None).count("person") == 0


def test_what_was_sent_is_recognised_in_every_writing() -> None:
    sent = json.dumps({"contact": {"LastName": 'Ö "Q" & co', "Status": None, "custom": {"boolean--X": True}}}).encode()
    told = 'Ö "Q" & co|%C3%96%20%22Q%22%20%26%20co|\\u00d6 \\"Q\\" & co: None is true'
    assert redact(told, secrets=(), sent=sent) == "[value]|[value]|[value]: None is true"


WORDS = st.text(st.characters(categories=("Lu", "Ll", "Nd", "Zs", "Po")), min_size=2, max_size=12).filter(
    lambda word: len(word.strip()) == len(word)
)


@given(first=WORDS, last=WORDS, income=st.integers(10, 10**9))
def test_a_reason_never_repeats_what_was_sent(first: str, last: str, income: int) -> None:
    contact = {"Email": "some.one@example.com", "FirstName": first, "LastName": last, "custom": {"integer--I": income}}
    told = f'row <{first}> ({last}) with {income} and {quoted(contact)} of "Some.One@Example.com" is refused'
    shown = redact(told, secrets=(KEY,), sent=json.dumps({"contacts": [contact]}).encode())
    assert f"<{first}>" not in shown
    assert f"({last})" not in shown
    assert str(income) not in shown
    assert "example" not in shown.lower()


def quoted(contact: Mapping[str, object]) -> str:
    return json.dumps(contact, separators=(",", ":"))


@given(text=st.text(max_size=6000) | st.text(alphabet="ab@ .", max_size=6000))
def test_a_reason_is_one_printable_line_without_addresses(text: str) -> None:
    shown = redact(text, secrets=(KEY,), sent=None)
    assert shown.isprintable()
    assert len(shown) <= 200
    assert "@" not in shown
