"""`reconciler state` as a user runs it: one line for each error, JSON where it helps, and a right world after it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.account import Account, crowd
from support.command import PROGRAM, reconciler

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """A project with two runs behind it."""
    with Sandbox(switches=Switches(rate=0)) as running:
        opened = Account(running, tmp_path_factory.mktemp("project"))
        for size in (4, 6):
            opened.declare(crowd(size))
            opened.apply()
        yield opened


def test_a_broken_state_is_found_and_restored_with_one_command(account: Account) -> None:
    root, environ = account.project.root, account.project.environ
    sound = json.loads(reconciler(root, "state", "check", "--output", "json").stdout)
    assert (sound["sound"], sound["serial"], sound["counts"]["contacts"]) == (True, 2, 6)
    assert reconciler(root, "state", "check").stdout.startswith("The state is sound, and as the last run left it.\n")
    database = root / ".reconciler" / "state.sqlite"
    content = bytearray(database.read_bytes())
    content[len(content) // 2] ^= 1
    database.write_bytes(content)
    refused = reconciler(root, "apply", "--yes", environ=environ)
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "`reconciler state restore` brings back a good copy" in refused.stderr
    found = reconciler(root, "state", "check")
    assert found.returncode == 1
    assert found.stdout.startswith("fault: ")
    listed = json.loads(reconciler(root, "state", "restore", "--output", "json").stdout)
    assert [(copy["serial"], copy["people"], copy["good"]) for copy in listed["copies"]] == [(2, 6, True), (1, 4, True)]
    assert reconciler(root, "state", "restore").stdout.splitlines()[0].split() == ["COPY", "MADE", "PEOPLE", "STATE"]
    restored = reconciler(root, "state", "restore", "2")
    assert restored.returncode == 0
    assert "the former state is kept in .reconciler/aside/" in restored.stderr
    assert "lists are read again before anybody is taken off" in reconciler(root, "state", "check").stdout
    assert reconciler(root, "apply", "--yes", environ=environ).returncode == 0
    account.check_declared()


def test_what_is_pulled_to_a_pipe_can_be_pushed(account: Account, tmp_path: Path) -> None:
    root = account.project.root
    command = [sys.executable, "-c", PROGRAM, "-C", str(root), "state", "pull"]
    whole = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    (tmp_path / "backup").write_bytes(whole)
    assert reconciler(root, "state", "pull", str(tmp_path / "other")).returncode == 0
    assert (tmp_path / "other").read_bytes() == whole
    assert reconciler(root, "state", "push", str(tmp_path / "backup")).returncode == 0
    (tmp_path / "backup").write_bytes(whole[:5000])
    refused = reconciler(root, "state", "push", str(tmp_path / "backup"))
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1


def test_a_push_beside_a_run_leaves_with_5(account: Account, tmp_path: Path) -> None:
    root = account.project.root
    reconciler(root, "state", "pull", str(tmp_path / "backup"))
    shop = account.project.shop()
    with shop.lock(root, 0):
        for words in (("push", str(tmp_path / "backup")), ("restore", "1")):
            refused = reconciler(root, "state", *words)
            assert refused.returncode == 5
            assert refused.stderr.startswith("error: .reconciler/lock: the state is locked by ")
            assert len(refused.stderr.splitlines()) == 1


def test_a_project_without_state_has_nothing_to_look_at(account: Account, tmp_path: Path) -> None:
    fresh = Account(account.server, tmp_path)
    root = fresh.project.root
    assert reconciler(root, "state", "check").stdout == "Nothing is recorded yet.\nNo copies are kept yet.\n"
    pulled = reconciler(root, "state", "pull", "backup")
    assert (pulled.returncode, pulled.stderr) == (1, "error: there is no state yet; nothing was ever applied here\n")
    missing = reconciler(root, "state", "restore", "3")
    assert missing.returncode == 1
    assert missing.stderr == "error: .reconciler/copies: there is no copy of serial 3; there is none\n"
