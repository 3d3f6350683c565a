"""Stands in for Slack, Teams and a plain webhook on loopback, and keeps what each was sent.

Slack and Teams are reached by their own names over TLS, through a proxy that answers in their place.
"""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

SLACK, TEAMS = "hooks.slack.com", "prod-1.westeurope.logic.azure.com"
SECRET = "TIiajkdnlazkcOXrIdevi7FQ"
"""Stands in every URL, and may stand nowhere else."""


@dataclass(frozen=True, slots=True)
class Got:
    """One request: the host that it was for, the whole of its path, and its JSON."""

    host: str
    path: str
    data: dict[str, Any]

    @property
    def text(self) -> str:
        """What people would read, as it was sent."""
        return json.dumps(self.data, ensure_ascii=False)


@dataclass
class Webhooks:
    """All three. `status` is what they answer, after `held` is set; `location` goes with it."""

    folder: Path
    status: int = 200
    location: str = ""
    got: list[Got] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self.held.set()
        self._tls = _certificate(self.folder)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.held.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where they listen."""
        return self._server.server_port

    @property
    def urls(self) -> dict[str, str]:
        """Give the URL of each, as a user would keep it."""
        workflow = "0123456789abcdef0123456789abcdef"
        return {
            "SLACK": f"https://{SLACK}/services/T1JJ3T3L2/A1BRTD4JD/{SECRET}",
            "TEAMS": f"https://{TEAMS}:443/workflows/{workflow}/triggers/manual/paths/invoke"
            f"?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SECRET}",
            "PLAIN": f"json://127.0.0.1:{self.port}/hooks/{SECRET}",
        }

    @property
    def environ(self) -> dict[str, str]:
        """Give what leads a process here."""
        return self.urls | {
            "HTTPS_PROXY": f"http://127.0.0.1:{self.port}",
            "REQUESTS_CA_BUNDLE": str(self.folder / "ca.pem"),
        }

    def take(self) -> dict[str, Got]:
        """Give what came by host, one message each, and forget it."""
        found, self.got = self.got, []
        assert len({got.host for got in found}) == len(found), "more than one message for a target"
        return {got.host: got for got in found}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hooks, tls = self, self._tls

        class Handler(BaseHTTPRequestHandler):
            host = "127.0.0.1"

            def do_CONNECT(self) -> None:
                self.host = self.path.partition(":")[0]
                self.send_response(200)
                self.end_headers()
                try:
                    self.connection = tls.wrap_socket(self.connection, server_side=True)
                except OSError:  # whoever called does not trust us
                    self.close_connection = True
                    return
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                self.handle_one_request()
                self.close_connection = True

            def finish(self) -> None:
                super().finish()
                self.connection.close()  # the server knows of the one below TLS alone

            def do_POST(self) -> None:
                data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hooks.got.append(Got(self.host, self.path, data))
                hooks.held.wait(30)
                self.send_response(hooks.status)
                if hooks.location:
                    self.send_header("Location", hooks.location)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        return Handler


def _certificate(folder: Path) -> ssl.SSLContext:
    """Make a certificate for the hosts that signs itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SLACK), x509.DNSName(TEAMS)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(public)
    (folder / "both.pem").write_bytes(public + private)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "both.pem")
    return tls
