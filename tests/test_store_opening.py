"""Opening a shared store: its URL, its settings, its library, and whether it keeps its word."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from support import servers

from reconciler.clouds.known import CLOUDS
from reconciler.core.errors import StateError, StoreConflict
from reconciler.state.stores import verify
from reconciler.state.stores.open import FORMS, KINDS, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from support.servers import Served

HERE = Path(__file__).parent.parent
PASSWORD = "v3rysecret"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "state",
        "./state",
        "/srv/state",
        "ftp://example.com/state",
        "http://example.com/state",
        "AZ://state",
        "sqlite:///state",
        f"mysql://me:{PASSWORD}@example.com/state",
    ],
)
def test_a_store_of_an_unknown_kind_is_refused_with_those_there_are(url: str) -> None:
    with pytest.raises(StateError) as caught:
        open_store(url, {}, HERE)
    assert FORMS in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "az://",
        "az:///prefix",
        "az://x",
        f"az://me:{PASSWORD}@state/prefix",
        f"az://state/prefix?sig={PASSWORD}",
        "s3://state/../other",
        "s3://state//prefix",
        "s3://state/prefix#part",
        "s3://state/pre fix",
        "s3://state/präfix",
        "gs://state/pre%2ffix",
        "gs://state:80/prefix",
        "postgresql://",
        "postgresql://example.com",
        "postgresql://example.com/",
        "postgresql:///database",
        f"postgresql://me:{PASSWORD}@example.com:port/database",
        f"postgresql://me:{PASSWORD}@example.com/database/more",
        f"postgresql://me:{PASSWORD}@example.com/database?host=example.net",
        f"postgresql://me:{PASSWORD}@example.com/database?schema=a;b",
        f"postgresql://me:{PASSWORD}@example.com/database?schema=a&schema=b",
        f"postgresql://me:{PASSWORD}@[::1/database",
        f"postgresql://me:{PASSWORD}@one,two/database",
    ],
)
def test_a_url_of_another_form_is_refused_with_the_form(url: str) -> None:
    with pytest.raises(StateError, match="it is not of the form") as caught:
        open_store(url, {}, HERE)
    assert KINDS[url.partition(":")[0]].form in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_a_database_elsewhere_is_spoken_to_by_tls_alone(mode: str) -> None:
    with pytest.raises(StateError, match="sslmode must be one of"):
        open_store(f"postgresql://me@example.com/state?sslmode={mode}", {}, HERE)


@pytest.mark.parametrize(
    ("url", "name", "address"),
    [
        ("az://state", "AZURE_ENDPOINT", "http://example.com/account"),
        ("az://state", "AZURE_STORAGE_ENDPOINT", "http://127.0.0.1.example.com/account"),
        ("s3://state", "AWS_ENDPOINT_URL", "http://example.com"),
        ("s3://state", "AWS_ENDPOINT_URL_S3", "HTTP://localhost@example.com"),
        ("gs://state", "GOOGLE_BASE_URL", "http://10.0.0.1"),
        ("gs://state", "GOOGLE_BASE_URL", "file:///etc"),
    ],
)
def test_plain_http_is_for_loopback_alone(url: str, name: str, address: str) -> None:
    with pytest.raises(StateError, match=f"^{name}: it must begin with https://"):
        open_store(url, {name: address}, HERE)


@pytest.mark.parametrize(
    ("url", "environ"),
    [
        ("az://state", {}),
        ("az://state", {"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_ACCOUNT_KEY": "not base 64!"}),
        ("gs://state", {"GOOGLE_SERVICE_ACCOUNT_KEY": f'{{"private_key": "{PASSWORD}"}}'}),
        ("gs://state", {"GOOGLE_APPLICATION_CREDENTIALS": f"/nowhere/{PASSWORD}.json"}),
    ],
)
def test_credentials_that_cannot_be_are_told_with_what_is_needed(url: str, environ: dict[str, str]) -> None:
    with pytest.raises(StateError) as caught:
        open_store(url, environ, HERE)
    assert CLOUDS[url[:2]].needs in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not any(value in str(caught.value) for value in ("not base 64!", PASSWORD))


@pytest.mark.parametrize(
    ("library", "extra", "url"),
    [("obstore", "objects", "s3://state"), ("psycopg", "postgres", "postgresql://me@localhost/state")],
)
def test_without_its_library_a_store_says_how_to_install_it(library: str, extra: str, url: str) -> None:
    program = f"""
import sys
from pathlib import Path
from reconciler.state.stores.open import open_store
from reconciler.core.errors import StateError
assert {library!r} not in sys.modules
sys.modules[{library!r}] = None
try:
    open_store({url!r}, {{}}, Path())
except StateError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=HERE)
    assert f"pip install 'reconciler[{extra}]'" in done.stdout


def test_a_store_that_ignores_conditional_writes_is_refused_before_it_is_written() -> None:
    with servers.s3_without_conditions() as served:
        place = served.fresh()
        with pytest.raises(StateError, match="ignores conditional writes"):
            open_store(place, served.environ, served.root, writing=True)
        with closing(open_store(place, served.environ, served.root)) as store:
            assert store.names("") == ()


@pytest.mark.parametrize("starter", [servers.azurite, servers.s3])
def test_a_store_that_honours_them_is_taken_and_left_clean(
    starter: Callable[[], AbstractContextManager[Served]],
) -> None:
    with starter() as served:
        place = served.fresh()
        with closing(open_store(place, served.environ, served.root, writing=True)) as store:
            assert store.names("") == ()
            store.create(f"{verify.FOLDER}/left", b"by a process that was killed")
        with closing(open_store(place, served.environ, served.root, writing=True)) as store:
            assert store.names("") == (f"{verify.FOLDER}/left",)


class Google(BaseHTTPRequestHandler):
    """What a Google bucket is asked, and as much of an answer as a write needs."""

    asked: list[dict[str, str]]

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
        wanted = self.headers["x-goog-if-generation-match"]
        self.send_response(200 if wanted in {"0", "41"} else 412)
        self.send_header("ETag", '"tag"')
        self.send_header("x-goog-generation", "42")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def google() -> Iterator[tuple[str, list[dict[str, str]]]]:
    asked: list[dict[str, str]] = []
    handler = type("Asked", (Google,), {"asked": asked})
    with ExitStack() as stack:
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        yield f"http://127.0.0.1:{server.server_port}", asked


def test_google_is_asked_by_generation() -> None:
    with google() as (address, asked):
        environ = {"GOOGLE_BASE_URL": address, "GOOGLE_BEARER_TOKEN": "token"}
        store = open_store("gs://state/of/project", environ, HERE)
        assert store.create("log/1", b"one") == "42"
        assert store.replace("log/1", b"two", "41") == "42"
        with pytest.raises(StoreConflict):
            store.replace("log/1", b"three", "40")
    assert [one["x-goog-if-generation-match"] for one in asked] == ["0", "41", "40"]
    assert {unquote(one["path"]) for one in asked} == {"/state/of/project/log/1"}
    assert {one["authorization"] for one in asked} == {"Bearer token"}


def test_every_variable_that_is_taken_is_told_of() -> None:
    page = (HERE / "docs" / "stores.md").read_text()
    assert [name for cloud in CLOUDS.values() for name in cloud.variables if f"`{name}`" not in page] == []
    assert [kind.form for kind in KINDS.values() if kind.form not in page] == []


def test_opening_a_branch_takes_no_library_along() -> None:
    program = """
import sys
import reconciler.state.stores.branch
import reconciler.state.stores.open
sys.exit(any(name in sys.modules for name in ("obstore", "psycopg")))
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=HERE, env=os.environ, check=False).returncode == 0
