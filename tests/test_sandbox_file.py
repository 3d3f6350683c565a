"""The stand-in's world outlives it, also when it is killed, and its command leaves cleanly."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.sandbox.server import Sandbox, serve
from reconciler.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.sandbox.state import Op

KEY = "0123456789abcdef" * 2
HEADERS = {"autopilotapikey": KEY}
ROOT = Path(__file__).parents[1]
START = "import sys; from reconciler.sandbox.server import serve; serve(file=sys.argv[1])"


@contextmanager
def started(file: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the stand-in as a process of its own, and give it with its base URL."""
    with subprocess.Popen(
        [sys.executable, "-c", START, str(file)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "world"
    with started(file) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert url.endswith("/v1")
        made = requests.post(f"{url}/list", json={"name": "news"}, headers=HEADERS, timeout=10).json()
        people = [{"Email": f"p{i}@example.com", "_autopilot_list": made["list_id"]} for i in range(50)]
        assert requests.post(f"{url}/contacts", json={"contacts": people}, headers=HEADERS, timeout=10).ok
        process.kill()
        process.wait(timeout=10)
    with Sandbox(file=file) as sandbox:
        assert len(sandbox.account(KEY).members("news")) == 50
        assert sandbox.account(KEY).lists_titled("news") == (made["list_id"],)
    assert KEY not in file.read_text()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_where_it_is_and_leaves_cleanly(tmp_path: Path, sent: signal.Signals) -> None:
    file = tmp_path / "world"
    with started(file) as (process, url), requests.Session() as session:
        assert session.post(f"{url}/list", json={"name": "news"}, headers=HEADERS, timeout=10).ok
        process.send_signal(sent)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out) == (0, "")
        assert err == f"Its lists and their members: {url.removesuffix('/v1')}/\n"
    assert len(file.read_text().splitlines()) == 3  # rewritten: what it is, whose it is, the list


def test_serve_is_told_of_a_port_that_is_taken_and_a_file_that_is_none_of_its_own(tmp_path: Path) -> None:
    foreign = tmp_path / "letter.txt"
    foreign.write_text('{"dear": "reader"}\n')
    out = io.StringIO()
    with Sandbox() as sandbox, pytest.raises(OSError, match=r"^port \d+ is in use$"):
        serve(port=int(sandbox.root.rpartition(":")[2]), out=out)
    with pytest.raises(ValueError, match=r"letter\.txt is not the world of a sandbox$"):
        serve(file=foreign, out=out)
    with pytest.raises(FileNotFoundError):
        serve(file=tmp_path / "no" / "where", out=out)
    assert foreign.read_text() == '{"dear": "reader"}\n'
    assert out.getvalue() == ""


def test_bad_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32 hexadecimal digits"):
        Sandbox(key="short")
    with pytest.raises(ValueError, match="loopback only"):
        Sandbox(host="0.0.0.0")
    with Sandbox(file=tmp_path / "world"), pytest.raises(OSError, match="in use by another sandbox"):
        Sandbox(file=tmp_path / "world")


@pytest.mark.parametrize(
    "line", ['[1,[["contact"]]]', '[1,[["fly","x"]]]', '["x",[]]', "[1]", "{", '[1,[["join","x",[]]]]']
)
def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path, line: str) -> None:
    file = tmp_path / "world"
    file.write_text(f'{{"reconciler-sandbox": 1}}\n{line}\n')
    before = file.read_bytes()
    with pytest.raises(ValueError, match="sandbox"):
        Sandbox(file=file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


def test_a_last_line_that_was_cut_off_is_dropped_and_the_rest_kept(tmp_path: Path) -> None:
    file = tmp_path / "world"
    with Sandbox(file=file) as sandbox:
        sandbox.world.add_list("news")
    file.write_bytes(file.read_bytes() + b'[1,[["list","contactlist_x","hal')
    for _ in range(2):
        with Sandbox(file=file) as sandbox:
            assert len(sandbox.world.lists_titled("news")) == 1
            assert len(sandbox.world.snapshot().lists) == 1


def test_accounts_stay_apart_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "world"
    with Sandbox(file=file) as sandbox:
        for number in range(3):
            sandbox.account(f"{number}" * 32).add_list(f"list {number}")
    with Sandbox(file=file, key="2" * 32) as sandbox:
        assert len(sandbox.world.lists_titled("list 2")) == 1
        assert [len(account.world.snapshot().lists) for account in sandbox.accounts] == [1, 1, 1]


ADDRESS = st.sampled_from([f"{c}@example.com" for c in "abcdef"])
STEP = st.one_of(
    st.tuples(st.just("write"), ADDRESS, st.sampled_from(["A", "B", None]), st.sampled_from(["x", "ü\u2028", None])),
    st.tuples(st.just("leave"), ADDRESS, st.sampled_from(["A", "B"]), st.none()),
    st.tuples(st.just("delete"), ADDRESS, st.none(), st.none()),
    st.tuples(st.just("unsubscribe"), ADDRESS, st.none(), st.none()),
    st.tuples(st.just("unlist"), ADDRESS, st.sampled_from(["A", "B"]), st.none()),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(STEP, max_size=30))
def test_a_world_is_rebuilt_from_its_writes_and_from_its_compact_form(
    steps: list[tuple[str, str, str | None, str | None]],
) -> None:
    told: list[Op] = []
    world = World(told.extend)
    for verb, email, title, name in steps:
        lists = world.lists_titled(title) if title else ()
        match verb:
            case "write":
                joined = (lists[0] if lists else world.add_list(title)) if title else None
                fields = {"Email": email, "FirstName": name, "custom": {"string--Tier": name}}
                world.add_contact({**fields, "_autopilot_list": joined})
            case "leave" if lists and world.contact(email):
                world.remove_member(lists[0], email)
            case "delete":
                world.remove_contact(email)
            case "unsubscribe":
                world.unsubscribe(email)
            case "unlist" if lists:
                world.remove_list(lists[0])
    with world.reading() as state:
        compact = list(state.ops())
    for ops in (told, compact):
        again = World()
        again.replay(json.loads(json.dumps(ops)))
        with again.reading() as rebuilt:
            assert list(rebuilt.ops()) == compact
        assert again.snapshot() == world.snapshot()
