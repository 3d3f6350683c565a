from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent
STEPS = ["validate", "plan", "apply --yes", "plan", "apply --yes", "apply --yes"]


@dataclass(frozen=True)
class Played:
    """What one demo printed, what its page showed while it stayed, and what it left."""

    output: str
    page: str
    code: int
    temporary: Path
    before: Mapping[str, str]


def fingerprints() -> dict[str, str]:
    files = (path for part in ("exports", "data") for path in (ROOT / part).rglob("*") if path.is_file())
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}


def started(temporary: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "scripts/demo.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary), "RECONCILER_STATE_KEY": "not one that the demo may take"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            break
    return "".join(lines)


def address(output: str) -> str:
    found = re.search(r"http://([^/\s]+)/", output)
    assert found is not None, output
    return found[1]


def answers(where: str) -> bool:
    connection = http.client.HTTPConnection(where, timeout=10)
    try:
        connection.request("GET", "/")
    except ConnectionRefusedError:
        return False
    else:
        return True
    finally:
        connection.close()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    temporary, before = tmp_path_factory.mktemp("demo"), fingerprints()
    with started(temporary, "--stay") as process:
        output = read_until(process, "until you press Enter")
        connection = http.client.HTTPConnection(address(output), timeout=10)
        connection.request("GET", "/")
        page = connection.getresponse().read().decode()
        connection.close()
        rest, _ = process.communicate("\n")
    return Played(output + rest, page, process.returncode, temporary, before)


def test_it_plays_every_step_and_ends_well(played: Played) -> None:
    assert re.findall(r"^\[\d] \$ reconciler (.*)$", played.output, re.MULTILINE) == STEPS
    assert played.output.count("Look at: ") == len(STEPS)
    assert played.code == 0, played.output


def test_only_the_first_two_applies_send_anything(played: Played) -> None:
    counted = [(int(a), int(b)) for a, b in re.findall(r"counted (\d+) requests, (\d+) of them", played.output)]
    assert [bool(sent) for _, sent in counted] == [False, False, True, False, True, False]
    assert [total for total, _ in counted] == [sum(sent for _, sent in counted[: n + 1]) for n in range(len(counted))]


def test_the_second_plan_shows_just_who_was_changed(played: Played) -> None:
    said = {
        words: int(number)
        for number, words in re.findall(
            r"^      (\d) (?:people|person) (bought|sold|has|withdrew)", played.output, re.MULTILINE
        )
    }
    second = played.output.split("[4] $")[1].split("[5] $")[0]
    moved = re.search(r"\+ (\d+) new   ~ (\d+) changed   - (\d+) leave", second)
    assert moved is not None, second
    assert [int(n) for n in moved.groups()] == [said["bought"], said["has"], said["sold"] + said["withdrew"]]


def test_the_page_shows_the_lists_as_planned(played: Played) -> None:
    last = played.output.split("[5] $")[1]
    for title in ("home-owners", "Large families"):
        size = re.search(rf"{title} +(\d+)", last)
        assert size is not None, last
        assert re.search(rf"{title}</span><span[^>]*>{size[1]} members", played.page)


def test_it_leaves_nothing_and_changes_nothing(played: Played) -> None:
    assert list(played.temporary.iterdir()) == []
    assert fingerprints() == played.before
    assert not answers(address(played.output))


def test_it_leaves_nothing_when_it_is_ended_half_way(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        output = read_until(process, "[2] $")
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, output + rest
    assert list(tmp_path.iterdir()) == []
    assert not answers(address(output))


def test_without_the_command_it_says_what_to_run(tmp_path: Path) -> None:
    lonely = tmp_path / "python"
    lonely.symlink_to(sys.executable)
    done = subprocess.run([lonely, ROOT / "scripts" / "demo.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: reconciler is not installed beside this Python; run ./scripts/demo, which does that first"
    ]
