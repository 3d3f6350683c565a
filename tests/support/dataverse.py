"""Stands in for Dataverse, Customer Insights, Entra and GitHub's tokens on loopback, over TLS; it keeps a world.

What each switch does is what a real one was seen to do, or what its documentation threatens with.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
import secrets
import socket
import ssl
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from reconciler.clock import SystemClock
from reconciler.core.model import EnvSecret, Source
from reconciler.core.reads import AppSecret, Dataverse, Entity, EntityMemberships
from reconciler.secret import resolve
from reconciler.sources.dataverse import DataverseSource
from reconciler.sources.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from reconciler.core.ports import Clock
    from reconciler.core.reads import Identity

TENANT = "contoso.onmicrosoft.com"
CLIENT = "00000000-0000-0000-0000-000000000002"
INSTANCE = "00000000-0000-0000-0000-000000000003"
SECRET = "Zq8~client-secret-of-the-reader"
SUBSCRIPTION = "f00dfeedf00dfeedf00dfeedf00dfeed"
ASSERTION = "eyJhbGciOiJub25lIn0.of-github.signed"
JOB_TOKEN = "the-token-of-the-job"
ROOT = "/api/data/v9.2"
MOST = 5_000
AT_A_TIME = 52
TOO_MANY, TOO_LONG, TOO_BUSY = "0x80072322", "0x80072321", "0x80072326"

Attributes = dict[str, tuple[str, Any]]
"""Type and detail (DateTimeBehavior, Precision) by logical name."""


@dataclass
class Table:
    """An entity set."""

    logical: str
    attributes: Attributes
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class World:
    """What is so, and what goes wrong. `page` is called before each page is given: (world, set, number from 1)."""

    tables: dict[str, Table] = field(default_factory=dict)
    segments: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    base: str = ""
    certificate: bytes = b""
    cap: int = MOST
    page: Callable[[str, int], None] = lambda *_: None
    forbidden: set[str] = field(default_factory=set)
    statuses: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    repeats: set[tuple[str, int]] = field(default_factory=set)
    empties: set[tuple[str, int]] = field(default_factory=set)
    cuts: dict[tuple[str, int], int] = field(default_factory=dict)
    links: dict[tuple[str, int], str] = field(default_factory=dict)
    throttled: list[tuple[str, int]] = field(default_factory=list)
    grants: int = 1_000
    admits: bool = True
    refusal: str = "AADSTS7000215"
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    valid: set[str] = field(default_factory=set)
    reads: dict[str, tuple[str, int, int, tuple[str, ...], str]] = field(default_factory=dict)
    at_once: int = 0
    most_at_once: int = 0
    environ: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def expire(self) -> None:
        """Let every token that was given be good no more."""
        self.valid.clear()

    def refreshed(self, status: str = "Successful", ended: str = "2026-11-02T06:10:00Z") -> None:
        """Add a refresh."""
        self.jobs.append({"jobId": f"job-{len(self.jobs)}", "status": status, "endTime": ended})

    def count(self, path: str) -> int:
        """Count the requests whose path holds `path`."""
        return sum(path in each for _, each, _ in self.asked)


def segment(name: str, count: int, state: str = "Active", status: str = "Successful") -> dict[str, Any]:
    """Describe a segment as the Customer Insights API does."""
    told = {"jobStatus": status, "evaluationDate": "2026-11-02T06:00:00Z", "entityCount": count}
    return {"name": name, "state": state, "evaluationStatus": told}


class Handler(BaseHTTPRequestHandler):
    """Answers out of one world."""

    world: World
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
        self._note()
        self._sign_in({name: values[0] for name, values in form.items()})

    def do_GET(self) -> None:
        self._note()
        parts = urlsplit(self.path)
        match parts.path.split("/")[1:]:
            case [tenant, "v2.0", ".well-known", "openid-configuration"]:
                own = f"{self.world.base}/{tenant}"
                point = f"{own}/oauth2/v2.0"
                ends = {"authorization_endpoint": f"{point}/authorize", "token_endpoint": f"{point}/token"}
                self._answer(200, {"issuer": f"{own}/v2.0", **ends})
            case ["github"]:
                good = self.headers.get("Authorization") == f"Bearer {JOB_TOKEN}"
                good = good and parse_qs(parts.query)["audience"] == ["api://AzureADTokenExchange"]
                self._answer(200, {"value": ASSERTION}) if good else self._answer(401, {})
            case ["msi"]:
                self._machine(parse_qs(parts.query))
            case ["api", "data", "v9.2", *rest]:
                self._data("/".join(rest), parts.query)
            case ["v1", "instances", instance, "manage", *rest]:
                self._insights(instance, "/".join(rest))
            case _:
                self._answer(404, {})

    def _note(self) -> None:
        with self.world.lock:
            self.world.asked.append((self.command, unquote(self.path), dict(self.headers)))

    # signing in

    def _sign_in(self, form: Mapping[str, str]) -> None:
        known = form.get("client_secret") == SECRET or self._asserted(form.get("client_assertion", ""))
        if self.path != f"/{TENANT}/oauth2/v2.0/token" or form["grant_type"] != "client_credentials":
            self._answer(404, {})
        elif not known or form["client_id"] != CLIENT or self.world.grants <= len(self.world.issued):
            told = f"{self.world.refusal}: refused, with {form.get('client_secret')} in its words"
            self._answer(401, {"error": "invalid_client", "error_description": told})
        else:
            self._answer(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": self._token(form["scope"])})

    def _asserted(self, assertion: str) -> bool:
        if assertion == ASSERTION:
            return True
        if not assertion or not self.world.certificate:
            return False
        key: Any = x509.load_pem_x509_certificate(self.world.certificate).public_key()
        jwt.decode(
            assertion, key, algorithms=["RS256", "PS256"], audience=f"{self.world.base}/{TENANT}/oauth2/v2.0/token"
        )
        return True

    def _machine(self, query: Mapping[str, list[str]]) -> None:
        token = self._token(f"{query['resource'][0]}/.default")
        self._answer(200, {"access_token": token, "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"})

    def _token(self, scope: str) -> str:
        with self.world.lock:
            token = f"{scope}|{secrets.token_urlsafe(24)}"
            self.world.issued.append(token)
            self.world.valid.add(token)
        return token

    def _admitted(self, scope: str) -> bool:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.world.admits and token in self.world.valid and token.split("|")[0] == f"{scope}/.default":
            return True
        self._answer(401, {"error": {"code": "0x80072560", "message": f"The token {token} is not good"}})
        return False

    # Dataverse

    def _data(self, path: str, query: str) -> None:
        if not self._admitted(self.world.base):
            return
        with self.world.lock:
            self.world.at_once += 1
            self.world.most_at_once = max(self.world.most_at_once, self.world.at_once)
            told = self.world.throttled.pop(0) if self.world.throttled else None
            told = (TOO_BUSY, 1) if self.world.at_once > AT_A_TIME else told
        try:
            if told is not None:
                self._answer(429, _error(told[0], "too much"), {"Retry-After": str(told[1])})
            elif self.headers.get("OData-Version") != "4.0":
                self._answer(400, _error("0x0", "OData-Version is missing"))
            else:
                self._collection(path, parse_qs(query))
        finally:
            with self.world.lock:
                self.world.at_once -= 1

    def _collection(self, path: str, query: Mapping[str, list[str]]) -> None:
        if path.startswith("EntityDefinitions"):
            self._metadata(path, query)
        elif (table := self.world.tables.get(path)) is None:
            self._answer(404, _error("0x80060888", f"Resource not found for the segment '{path}'"))
        elif path in self.world.forbidden:
            self._answer(403, _error("0x80040220", "missing prvRead privilege"))
        else:
            self._rows(path, table, query)

    def _metadata(self, path: str, query: Mapping[str, list[str]]) -> None:
        if path == "EntityDefinitions":
            asked = re.fullmatch(r"EntitySetName eq '(.*)'", query["$filter"][0])
            found = self.world.tables.get(asked[1]) if asked else None
            self._answer(200, {"value": [{"LogicalName": found.logical}] if found else []})
            return
        asked = re.fullmatch(r"EntityDefinitions\(LogicalName='(.*?)'\)/Attributes(/.*)?", path)
        assert asked is not None
        (table,) = (each for each in self.world.tables.values() if each.logical == asked[1])
        of = (asked[2] or "").rpartition(".")[2].removesuffix("AttributeMetadata")
        detail = query["$select"][0].split(",")[-1]
        rows = [
            {"LogicalName": name, detail: told}
            if of
            else {"LogicalName": name, "AttributeType": kind, "IsValidForRead": True}
            for name, (kind, told) in table.attributes.items()
            if of in ("", kind)
        ]
        self._answer(200, {"value": rows})

    def _rows(self, path: str, table: Table, query: Mapping[str, list[str]]) -> None:
        if "$skiptoken" in query:
            _, start, number, select, filtered = self.world.reads[query["$skiptoken"][0]]
        else:
            start, number, filtered = 0, 1, query.get("$filter", [""])[0]
            select = tuple(query["$select"][0].split(","))
            if not set(select) <= set(table.attributes):
                self._answer(400, _error("0x80060888", "Could not find a property named so"))
                return
        self.world.page(path, number)
        if (path, number) in self.world.statuses and (statuses := self.world.statuses[path, number]):
            someone = json.dumps(table.rows[:1])
            self._answer(statuses.pop(0), _error("0x80040216", f"unexpected, at {someone}"))
            return
        self._page(path, table, (start, number, select, filtered))

    def _page(self, path: str, table: Table, read: tuple[int, int, tuple[str, ...], str]) -> None:
        start, number, select, filtered = read
        wanted = [row for row in table.rows if _passes(row, filtered)]
        size = min(self.world.cap, MOST, *map(int, re.findall(r"maxpagesize=(\d+)", self.headers.get("Prefer", ""))))
        size = 0 if (path, number) in self.world.empties else size
        given = wanted[start : start + size]
        value = [{"@odata.etag": 'W/"1"', **{c: row[c] for c in select if c in row}} for row in given]
        answer: dict[str, Any] = {"@odata.context": "$metadata", "value": value}
        if start + size < len(wanted):
            token = secrets.token_urlsafe(9)
            self.world.reads[token] = (path, start + size, number + 1, select, filtered)
            link = f"{self.world.base}{ROOT}/{path}?$select={quote(','.join(select))}&$skiptoken={token}"
            answer["@odata.nextLink"] = self.world.links.get((path, number), link)
            if (path, number) in self.world.repeats:
                self.world.reads[token] = (path, start, number, select, filtered)
                answer["@odata.nextLink"] = self._same(link)
        self._answer(200, answer, cut=self._cut(path, number))

    def _same(self, link: str) -> str:
        with self.world.lock:
            return self.world.links.setdefault(("", 0), link)

    def _cut(self, path: str, number: int) -> bool:
        with self.world.lock:
            left = self.world.cuts.get((path, number), 0)
            self.world.cuts[path, number] = left - 1
        return left > 0

    # Customer Insights

    def _insights(self, instance: str, path: str) -> None:
        if not self._admitted("https://api.ci.ai.microsoft.com"):
            return
        if self.headers.get("Ocp-Apim-Subscription-Key") != SUBSCRIPTION or instance != INSTANCE:
            self._answer(403, {"message": f"no subscription {self.headers.get('Ocp-Apim-Subscription-Key')}"})
            return
        found = {"segments": self.world.segments, "workflows/main/jobs": self.world.jobs}.get(path)
        self._answer(200, found) if found is not None else self._answer(404, {})

    def _answer(
        self, status: int, data: object, headers: Mapping[str, str] | None = None, *, cut: bool = False
    ) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _passes(row: Mapping[str, Any], filtered: str) -> bool:
    """Judge `contains(…) or contains(…)` as Dataverse does: without regard to case, and with its wildcards."""
    if not filtered:
        return True
    looked = re.findall(r"contains\((\w+),'((?:[^']|'')*)'\)", filtered)
    assert " or ".join(f"contains({column},'{text}')" for column, text in looked) == filtered, filtered
    return any(_like(row.get(column) or "", text.replace("''", "'")) for column, text in looked)


def _like(value: str, text: str) -> bool:
    pattern = "".join({"_": ".", "%": ".*"}.get(sign, re.escape(sign)) for sign in text)
    return re.search(pattern, value, re.IGNORECASE | re.DOTALL) is not None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """Say nothing: those who hang up are the tests' own doing."""


@contextmanager
def serving(world: World, folder: Path) -> Iterator[World]:
    """Serve a world while the block runs, and let this process trust its certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert, key = certificate()
    (folder / "ca.pem").write_bytes(cert)
    (folder / "both.pem").write_bytes(key + cert)
    tls.load_cert_chain(folder / "both.pem")
    server = _Server(("127.0.0.1", 0), type("Serving", (Handler,), {"world": world}))
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    world.base = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))
            yield world
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def declared(world: World, identity: Identity | None = None, *, id: str = "customerid", **more: Any) -> Dataverse:  # noqa: A002  # as it is declared
    """Declare a world's tables."""
    profiles = Entity("msdynci_customerprofiles", id, "msdynci_")
    quote = more.pop("quote", '"')
    held = EntityMemberships("msdynci_segmentmemberships", "msdynci_customerid", "msdynci_segments", quote)
    who = identity or AppSecret(TENANT, CLIENT, EnvSecret("DATAVERSE_SECRET"))
    return Dataverse(world.base, who, profiles, held, authority=world.base, **more)


def opened(
    world: World,
    folder: Path,
    reads: Dataverse | None = None,
    clock: Clock | None = None,
    stop: Callable[[], bool] = lambda: False,
    **more: Any,
) -> DataverseSource:
    """Open a world as a source does; `more` is of the declaration."""
    around = surroundings(world, folder, clock, stop)
    return DataverseSource(Source("world", reads or declared(world, **more)), around, threads=2)


def surroundings(
    world: World, folder: Path, clock: Clock | None = None, stop: Callable[[], bool] = lambda: False
) -> Surroundings:
    """Give what a source is handed."""
    environ = {"DATAVERSE_SECRET": SECRET, "SUBSCRIPTION": SUBSCRIPTION, **world.environ}
    return Surroundings(folder, (), environ, clock or SystemClock(), lambda ref: resolve(ref, folder, environ), stop)


def certificate(host: str = "127.0.0.1") -> tuple[bytes, bytes]:
    """Make a certificate for loopback that signs itself, and its key."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), private
