"""What every shared store promises, tried on each of them: real servers on loopback, and a real git remote."""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import servers
from support.servers import Served

from reconciler.core.errors import StateError, StoreConflict, StoreUnreachable
from reconciler.core.store import Store
from reconciler.state.stores.open import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTERS = {"az": servers.azurite, "s3": servers.s3, "postgresql": servers.postgres, "git+branch": servers.bare_remote}

EVERY_SIGN = "abcdefghijklmnopqrstuvwxyz/0123456789/-/_/a.b/--__..--/_a-/z"
DEEPEST = "a/b/c/d/e/f/g/h"


@pytest.fixture(scope="session")
def started() -> Iterator[Callable[[str], Served]]:
    """Start each server when it is first asked for, once in this process."""
    running: dict[str, Served] = {}
    with ExitStack() as stack:

        def start(kind: str) -> Served:
            if kind not in running:
                running[kind] = stack.enter_context(STARTERS[kind]())
            return running[kind]

        yield start


@pytest.fixture(params=STARTERS)
def served(request: pytest.FixtureRequest, started: Callable[[str], Served]) -> Served:
    return started(request.param)


@pytest.fixture
def place(served: Served) -> str:
    return served.fresh()


Open = Callable[[Served, str], Store]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Open a store, which is closed after the test."""
    with ExitStack() as stack:

        def open_(served: Served, place: str) -> Store:
            return stack.enter_context(closing(open_store(place, served.environ, served.root)))

        yield open_


@pytest.fixture
def store(served: Served, place: str, opened: Open) -> Store:
    return opened(served, place)


@pytest.fixture
def another(served: Served, place: str, opened: Open) -> Callable[[], Store]:
    """Open the same place once more, as another run does."""
    return lambda: opened(served, place)


def wins(write: Callable[[], str]) -> bool:
    try:
        write()
    except StoreConflict:
        return False
    return True


def data(store: Store, name: str) -> bytes | None:
    found = store.read(name)
    return None if found is None else found.data


def test_a_store_is_empty_at_first(store: Store) -> None:
    assert store.names("") == ()
    assert store.names("log") == ()
    assert store.read("log/1") is None


def test_what_is_created_is_read_by_everybody_at_once(store: Store, another: Callable[[], Store]) -> None:
    other = another()
    assert other.read("a") is None
    version = store.create("a", b"one")
    assert store.read("a") == other.read("a") == (b"one", version)
    second = other.replace("a", b"two", version)
    assert store.read("a") == (b"two", second)
    assert second != version


def test_the_second_who_creates_loses(store: Store, another: Callable[[], Store]) -> None:
    store.create("a", b"one")
    for rival in (store, another()):
        with pytest.raises(StoreConflict):
            rival.create("a", b"two")
    assert data(store, "a") == b"one"


def test_who_replaces_a_version_that_is_gone_loses(store: Store, another: Callable[[], Store]) -> None:
    other = another()
    first = store.create("a", b"one")
    assert other.read("a") == (b"one", first)
    store.replace("a", b"two", first)
    for rival in (store, other):
        with pytest.raises(StoreConflict):
            rival.replace("a", b"three", first)
    assert data(other, "a") == b"two"


def test_what_is_not_there_cannot_be_replaced(store: Store) -> None:
    version = store.create("a", b"one")
    with pytest.raises(StoreConflict):
        store.replace("b", b"two", version)
    store.delete("a")
    with pytest.raises(StoreConflict):
        store.replace("a", b"two", version)
    assert store.names("") == ()


def test_after_it_is_deleted_it_can_be_created_again(store: Store) -> None:
    store.create("a", b"one")
    store.delete("a")
    store.delete("a")
    store.delete("never/was")
    assert store.read("a") is None
    store.create("a", b"two")
    assert data(store, "a") == b"two"


def test_several_are_deleted_at_once_and_those_that_are_not_there_do_not_matter(store: Store) -> None:
    for name in ("log/1", "log/2", "log/3", "logs/1"):
        store.create(name, name.encode())
    store.delete_all(["log/0", "log/1", "log/2", "log/2", "none"])
    store.delete_all([])
    assert store.names("") == ("log/3", "logs/1")


def test_names_are_those_of_the_folder_and_ascend(store: Store) -> None:
    names = ["a/b/2", "a/b/10", "a/bc", "a/b/c/d", "a/b-c/d", "a/b", "ab", "b/a/b"]
    for name in names:
        store.create(name, b"")
    assert store.names("") == tuple(sorted(names))
    assert store.names("a/b") == ("a/b/10", "a/b/2", "a/b/c/d")
    assert store.names("a") == ("a/b", "a/b-c/d", "a/b/10", "a/b/2", "a/b/c/d", "a/bc")
    assert store.names("c") == ()


def test_every_name_that_is_allowed_can_be_had(store: Store) -> None:
    names = [EVERY_SIGN, DEEPEST, "-", "_", "0", "a.b.c", "con", "x" * 120]
    versions = {name: store.create(name, name.encode()) for name in names}
    assert store.names("") == tuple(sorted(names))
    assert {name: store.read(name) for name in names} == {name: (name.encode(), versions[name]) for name in names}
    store.delete_all(names)
    assert store.names("") == ()


BAD = ["", "/a", "a/", "a//b", "..", "a/../b", ".git", "a.", "A", "ä", "a b", "a,b", "a\n", f"{DEEPEST}/i"]


def test_no_other_name_can(store: Store) -> None:
    for name in BAD:
        for call in (store.read, store.delete, lambda name: store.create(name, b"")):
            with pytest.raises(ValueError, match="not a name"):
                call(name)
    assert store.names("") == ()


@pytest.mark.parametrize("size", [0, 1, 8_000_000])
def test_data_is_kept_to_the_byte(store: Store, another: Callable[[], Store], size: int) -> None:
    every = bytes(range(256)) * (size // 256 + 1)
    version = store.create("a", every[:size])
    assert another().read("a") == (every[:size], version)
    again = store.replace("a", every[1 : size + 1], version)
    assert store.read("a") == (every[1 : size + 1], again)


def test_of_eight_threads_that_create_one_wins(store: Store) -> None:
    with ThreadPoolExecutor(8) as crew:
        won = [*crew.map(lambda n: wins(lambda: store.create("a", b"of %d" % n)), range(8))]
    assert won.count(True) == 1
    assert data(store, "a") == b"of %d" % won.index(True)


def test_of_eight_threads_that_replace_one_wins(store: Store, another: Callable[[], Store]) -> None:
    version = store.create("a", b"first")
    each = [another() for _ in range(8)]
    with ThreadPoolExecutor(8) as crew:
        won = [*crew.map(lambda n: wins(lambda: each[n].replace("a", b"of %d" % n, version)), range(8))]
    assert won.count(True) == 1
    assert data(store, "a") == b"of %d" % won.index(True)


def test_of_writers_with_the_same_bytes_one_wins_too(store: Store, another: Callable[[], Store]) -> None:
    each = [another() for _ in range(4)]
    with ThreadPoolExecutor(4) as crew:
        won = [*crew.map(lambda one: wins(lambda: one.create("a", b"same")), each)]
    assert won.count(True) == 1
    assert data(store, "a") == b"same"


def test_writers_of_different_objects_do_not_disturb_each_other(store: Store, another: Callable[[], Store]) -> None:
    each = [another() for _ in range(4)]
    with ThreadPoolExecutor(4) as crew:
        won = [*crew.map(lambda n: wins(lambda: each[n].create(f"log/{n}", b"%d" % n)), range(4))]
    assert won == [True] * 4
    assert store.names("log") == ("log/0", "log/1", "log/2", "log/3")


RIVAL = """
import os, sys
from pathlib import Path
from reconciler.core.errors import StoreConflict
from reconciler.core.store import Store
from reconciler.state.stores.open import open_store
url, root, who = sys.argv[1:]
store = open_store(url, os.environ, Path(root))
store.names("")
print("ready", flush=True)
sys.stdin.readline()
for number in range(5):
    try:
        store.create(f"log/{number}", who.encode())
        print(number)
    except StoreConflict:
        pass
"""


def test_of_two_processes_that_create_one_wins_each_time(store: Store, served: Served, place: str) -> None:
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", RIVAL, place, str(served.root), who],
            env={**served.environ, "PYTHONPATH": str(servers.NODE.parents[1])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in ("left", "right")
    ]
    for rival in rivals:
        assert rival.stdout is not None
        assert rival.stdout.readline() == "ready\n"
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write("\n")
        rival.stdin.flush()
    won = dict(zip(("left", "right"), [rival.communicate()[0].split() for rival in rivals], strict=True))
    assert sorted(won["left"] + won["right"]) == ["0", "1", "2", "3", "4"]
    for who, numbers in won.items():
        assert {data(store, f"log/{number}") for number in numbers} <= {who.encode()}


NAMES = st.sampled_from(["a", "a/b", "a/bc", "log/1"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "replace", "stale", "delete", "delete_all"]), NAMES, st.binary(max_size=3)),
    max_size=10,
)


@settings(max_examples=6)
@given(steps=STEPS)
def test_any_sequence_leaves_what_a_dictionary_would_hold(
    served: Served, opened: Open, steps: list[tuple[str, str, bytes]]
) -> None:
    place = served.fresh()
    ours, theirs = opened(served, place), opened(served, place)
    absent = ours.create("other", b"")
    model = {"other": b""}
    for turn, (verb, name, some) in enumerate(steps):
        store, other = (ours, theirs) if turn % 2 else (theirs, ours)
        there = name in model
        match verb:
            case "create":
                assert wins(lambda: store.create(name, some)) is not there  # noqa: B023  # called at once
                model.setdefault(name, some)
            case "replace" | "stale":
                found = other.read(name)
                version = found.version if found else absent
                if verb == "stale" and found:
                    store.replace(name, found.data + b"!", version)
                    model[name] += b"!"
                fits = there and verb == "replace"
                assert wins(lambda: store.replace(name, some, version)) is fits  # noqa: B023  # called at once
                model.update({name: some} if fits else {})
            case "delete":
                store.delete(name)
                model.pop(name, None)
            case _:
                store.delete_all([name, "a"])
                model = {one: value for one, value in model.items() if one not in {name, "a"}}
        assert other.names("") == tuple(sorted(model))
    assert {name: data(ours, name) for name in theirs.names("")} == model


def test_it_may_be_left_twice(store: Store) -> None:
    store.create("a", b"one")
    store.close()
    store.close()


def calls(store: Store) -> list[Callable[[], object]]:
    return [
        lambda: store.read("a"),
        lambda: store.create("a", b""),
        lambda: store.replace("a", b"", "1"),
        lambda: store.delete("a"),
        lambda: store.delete_all(["a", "b"]),
        lambda: store.names(""),
    ]


SECRET = "v3rysecret/pass+word"


def test_a_server_that_is_gone_is_told_in_one_line(served: Served, place: str, opened: Open) -> None:
    store = opened(*gone(served, place))
    for call in calls(store):
        with pytest.raises(StoreUnreachable) as caught:
            call()
        assert "\n" not in str(caught.value)
        assert not leaks(served, str(caught.value))


def test_credentials_that_are_wrong_are_told_in_one_line(served: Served, place: str, opened: Open) -> None:
    with wrong_credentials(served, place) as (changed, at):
        store = opened(changed, at)
        for call in calls(store):
            with pytest.raises(StateError) as caught:
                call()
            assert not isinstance(caught.value, StoreUnreachable | StoreConflict)
            assert "\n" not in str(caught.value)
            assert not leaks(served, str(caught.value))


def leaks(served: Served, said: str) -> bool:
    """Tell whether a secret is in what was said."""
    secret = {"AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "RECONCILER_STATE_PASSWORD"} & served.environ.keys()
    return any(one in said for one in (SECRET, "v3rysecret", *(served.environ[name] for name in secret)))


def gone(served: Served, place: str) -> tuple[Served, str]:
    """Give a place of a server that no longer listens."""
    nowhere = f"http://127.0.0.1:{servers.free_port()}"
    match place.partition(":")[0]:
        case "az":
            served = replace(served, environ={**served.environ, "AZURE_ENDPOINT": f"{nowhere}/{servers.ACCOUNT}"})
        case "s3":
            served = replace(served, environ={**served.environ, "AWS_ENDPOINT_URL": nowhere})
        case "postgresql":
            place = f"postgresql://runner:v3rysecret@{nowhere.removeprefix('http://')}/postgres"
        case _:
            address = nowhere.replace("//", "//someone:v3rysecret@")
            place = with_remote(served, "gone", f"{address}/remote.git", place)
    return served, place


@contextmanager
def wrong_credentials(served: Served, place: str) -> Iterator[tuple[Served, str]]:
    """Give a place with a secret that the server does not take."""
    with ExitStack() as stack:
        match place.partition(":")[0]:
            case "az":
                wrong = {"AZURE_STORAGE_ACCOUNT_KEY": base64.b64encode(SECRET.encode()).decode()}
            case "s3":
                wrong = {"AWS_SECRET_ACCESS_KEY": SECRET}
            case "postgresql":
                wrong = {"RECONCILER_STATE_PASSWORD": SECRET}
            case _:
                address = stack.enter_context(refusing()).replace("//", "//someone:v3rysecret@")
                wrong, place = {}, with_remote(served, "closed", f"{address}/remote.git", place)
        served = replace(served, environ={**served.environ, **wrong})
        assert not any(served.environ[name] in place for name in wrong)
        yield served, place


def with_remote(served: Served, name: str, address: str, place: str) -> str:
    """Give the clone one more remote, and the place at it."""
    servers.git(served.root, "config", f"remote.{name}.url", address)
    return f"{place}?remote={name}"


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def refusing() -> Iterator[str]:
    """Serve nobody."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
