"""What was reviewed is carried out once, and nothing else is: every refusal is one sentence, and sends nothing."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from support.command import PROGRAM
from support.project import KEY, Project, connection, document, export, segment, source
from typer.testing import CliRunner

from reconciler.cli.main import app
from reconciler.core.digest import Digests
from reconciler.core.seal import sealed, unsealed
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

STATE_KEY = "ab" * 32
DIGESTS = Digests(bytes.fromhex(STATE_KEY))
COLUMNS = ("id", "email", "first", "half")
NOW = dt.datetime.now(dt.UTC)


@dataclass
class Shop:
    """One project and its sandbox; commands run in this process."""

    project: Project
    sandbox: Sandbox
    environ: dict[str, str | None]

    @property
    def file(self) -> Path:
        return self.project.root.parent / "saved.plan"

    def run(self, *words: str) -> Result:
        return CliRunner(env=self.environ).invoke(app, ["-C", str(self.project.root), *words])

    def declare(self, **spec: Any) -> None:
        self.project.declare(
            connection(url=self.sandbox.url, fields=("Email", "FirstName")),
            source(),
            segment("half", "half = 'Y'"),
            export("news", ["half"], {"Email": "email", "FirstName": "first"}, **spec),
        )

    def people(self, number: int, *, first: str = "Firstname", start: int = 0) -> None:
        rows = [(f"{i:04}", f"person{i}@example.com", f"{first}{i}", "Y") for i in range(start, start + number)]
        self.project.people(COLUMNS, rows)

    def save(self, *words: str) -> None:
        done = self.run("plan", "--out", str(self.file), *words)
        assert done.exit_code == 0, done.output

    def apply(self, *words: str) -> Result:
        self.sandbox.forget_requests()
        return self.run("apply", str(self.file), "--yes", *words)

    def refused(self, *words: str) -> str:
        """Apply the saved plan, and give the one line by which it was refused; nothing was sent or changed."""
        before = self.sandbox.world.snapshot()
        done = self.apply(*words)
        assert done.exit_code == 1, done.output
        assert self.sandbox.requests == ()
        assert self.sandbox.world.snapshot() == before
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert "Traceback" not in done.output
        return line

    def reseal(self, **changes: Any) -> None:
        self.file.write_bytes(sealed(replace(unsealed(self.file.read_bytes(), DIGESTS), **changes), DIGESTS))


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(key=KEY, switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def sandbox(server: Sandbox) -> Sandbox:
    for title in ("half",):
        for list_id in server.world.lists_titled(title):
            server.world.remove_list(list_id)
    server.switches = Switches(rate=0)
    return server


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox) -> Shop:
    root = tmp_path / "project"
    root.mkdir()
    made = Shop(Project(root, sandbox.url), sandbox, {"AUTOPILOT_API_KEY": KEY, "RECONCILER_STATE_KEY": STATE_KEY})
    made.declare()
    made.people(20)
    return made


def test_a_first_plan_is_saved_reviewed_and_applied_once(shop: Shop) -> None:
    shop.save()
    assert not (shop.project.root / ".reconciler").exists()
    done = shop.apply()
    assert done.exit_code == 0, done.output
    assert len(shop.sandbox.world.members("half")) == 20
    line = shop.refused()
    (run,) = json.loads(shop.run("history", "--output", "json").stdout)["runs"]
    assert "used already" in line
    assert run["id"] in line


def test_the_file_is_for_its_owner_and_names_nobody(shop: Shop) -> None:
    shop.people(20, first="Lovelace")
    shop.save()
    assert shop.file.stat().st_mode & 0o777 == 0o600
    text = shop.file.read_text().lower()
    for secret in ("@", "lovelace", "person1", KEY, STATE_KEY, "privacy"):
        assert secret.lower() not in text
    told = json.loads(text)
    assert told["request"] == {"exports": [], "trigger": "demand", "refresh": False, "allow": []}
    assert told["exports"][0][3]["new"] == 20
    assert list(shop.file.parent.glob(".saved*")) == []


def test_a_plan_that_looked_at_autopilot_is_applied_after_another_look(shop: Shop) -> None:
    assert shop.run("apply", "--yes").exit_code == 0
    (list_id,) = shop.sandbox.world.lists_titled("half")
    for number in (3, 4):
        shop.sandbox.world.remove_member(list_id, f"person{number}@example.com")
    shop.save("--refresh")
    done = shop.apply()
    assert done.exit_code == 0, done.output
    assert len(shop.sandbox.world.members("half")) == 20


def test_what_was_taken_off_after_the_review_is_not_mended_unseen(shop: Shop) -> None:
    assert shop.run("apply", "--yes").exit_code == 0
    (list_id,) = shop.sandbox.world.lists_titled("half")
    shop.sandbox.world.remove_member(list_id, "person3@example.com")
    shop.save("--refresh")
    shop.sandbox.world.remove_member(list_id, "person4@example.com")
    done = shop.apply()
    assert done.exit_code == 1
    assert "news: 1" in done.stderr
    assert len(shop.sandbox.world.members("half")) == 18


def test_what_is_asked_for_comes_from_the_file(shop: Shop) -> None:
    shop.declare(triggers=["merge"])
    shop.save("--trigger", "merge", "--export", "news")
    done = shop.run("apply", str(shop.file), "--yes", "--output", "json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["trigger"], told["exports"][0]["sent"]) == (0, "merge", 20)


@pytest.mark.parametrize(
    "words", [("--export", "news"), ("--trigger", "demand"), ("--allow", "news:removals=because"), ("--refresh",)]
)
def test_what_the_file_says_is_not_said_again(shop: Shop, words: tuple[str, ...]) -> None:
    shop.save()
    done = shop.apply(*words)
    assert (done.exit_code, shop.sandbox.requests) == (2, ())
    assert words[0] in done.stderr


@pytest.mark.parametrize("words", [("--drift", "5"), ("--max-age", "1h")])
def test_what_is_about_a_saved_plan_needs_one(shop: Shop, words: tuple[str, str]) -> None:
    done = shop.run("apply", "--yes", *words)
    assert done.exit_code == 2
    assert words[0] in done.stderr
    assert not (shop.project.root / ".reconciler").exists()


@pytest.mark.parametrize("age", ["", "24", "0h", "-1h", "1.5h", "24H", "1w", "1h ", "9999999d"])
def test_an_age_that_is_none_is_a_usage_error(shop: Shop, age: str) -> None:
    shop.save()
    done = shop.apply(f"--max-age={age}")
    assert (done.exit_code, shop.sandbox.requests) == (2, ())


@pytest.mark.parametrize("drift", ["-1", "101", "much", "nan"])
def test_a_drift_that_is_none_lets_nothing_pass(shop: Shop, drift: str) -> None:
    shop.save()
    shop.people(21)
    done = shop.apply(f"--drift={drift}")
    assert done.exit_code in {1, 2}
    assert shop.sandbox.requests == ()


def test_without_a_state_key_a_plan_cannot_be_sealed_and_no_state_is_made(shop: Shop) -> None:
    shop.environ["RECONCILER_STATE_KEY"] = None
    done = shop.run("plan", "--out", str(shop.file))
    assert done.exit_code == 1
    assert "RECONCILER_STATE_KEY" in done.stderr
    assert not shop.file.exists()
    assert not (shop.project.root / ".reconciler").exists()


def test_the_key_that_the_first_apply_made_will_do(shop: Shop) -> None:
    shop.environ["RECONCILER_STATE_KEY"] = None
    assert shop.run("apply", "--yes").exit_code == 0
    shop.people(22)
    shop.save()
    assert shop.apply().exit_code == 0
    assert len(shop.sandbox.world.members("half")) == 22


def test_a_file_that_is_something_else_is_not_overwritten(shop: Shop) -> None:
    shop.file.write_text("a letter\n")
    done = shop.run("plan", "--out", str(shop.file))
    assert (done.exit_code, shop.file.read_text()) == (1, "a letter\n")
    shop.file.unlink()
    shop.file.symlink_to(shop.project.root / "exports" / "all.yaml")
    assert shop.run("plan", "--out", str(shop.file)).exit_code == 1
    shop.file.unlink()
    shop.file.mkdir()
    assert shop.run("plan", "--out", str(shop.file)).exit_code == 1
    shop.file.rmdir()
    os.mkfifo(shop.file)
    assert shop.run("plan", "--out", str(shop.file)).exit_code == 1
    assert "not a saved plan" in shop.refused()
    shop.file.unlink()
    shop.save()
    shop.save()


def test_a_place_that_cannot_be_written_is_one_line(shop: Shop) -> None:
    done = shop.run("plan", "--out", str(shop.file / "below" / "saved.plan"))
    assert done.exit_code == 1
    assert done.stderr.startswith("error: --out: the saved plan cannot be written")


def test_a_file_that_is_not_there_or_no_plan_is_refused(shop: Shop) -> None:
    assert "cannot be read" in shop.refused()
    shop.file.write_text('{"kind": "letter"}')
    assert "not a saved plan" in shop.refused()
    assert not (shop.project.root / ".reconciler").exists()


def test_an_edited_plan_is_refused(shop: Shop) -> None:
    shop.save()
    shop.file.write_text(shop.file.read_text().replace('"new": 20', '"new": 21'))
    assert "edited" in shop.refused()
    assert not (shop.project.root / ".reconciler").exists()


def test_a_newer_format_is_refused(shop: Shop) -> None:
    shop.save()
    shop.file.write_text(shop.file.read_text().replace('"format": 1', '"format": 2'))
    assert "newer version" in shop.refused()


def test_a_seal_that_cannot_be_checked_is_refused(shop: Shop) -> None:
    shop.save()
    shop.environ["RECONCILER_STATE_KEY"] = None
    assert "cannot be checked" in shop.refused()
    assert not (shop.project.root / ".reconciler").exists()
    shop.environ["RECONCILER_STATE_KEY"] = "cd" * 32
    assert "another state key" in shop.refused()


def test_a_plan_of_another_project_under_the_same_key_is_refused(shop: Shop) -> None:
    shop.save()
    shop.project.declare(document("Project", "other", {}), file="project.yaml")
    assert "another project" in shop.refused()


def test_a_plan_over_another_state_is_refused(shop: Shop) -> None:
    assert shop.run("apply", "--yes").exit_code == 0
    shop.people(22)
    shop.save()
    shutil.rmtree(shop.project.root / ".reconciler")
    assert "another state" in shop.refused()
    assert not (shop.project.root / ".reconciler").exists()


@pytest.mark.parametrize(
    ("age", "words", "said"),
    [
        (dt.timedelta(hours=25), (), "25 hours old, and --max-age is 24 hours"),
        (dt.timedelta(minutes=31), ("--max-age", "30m"), "31 minutes old"),
        (dt.timedelta(days=8), ("--max-age", "7d"), "8 days old"),
        (dt.timedelta(minutes=-12), (), "from now"),
    ],
)
def test_a_plan_that_is_too_old_or_from_the_future_is_refused(
    shop: Shop, age: dt.timedelta, words: tuple[str, ...], said: str
) -> None:
    shop.save()
    shop.reseal(created=dt.datetime.now(dt.UTC) - age)
    assert said in shop.refused(*words)


def test_a_plan_that_is_old_enough_for_its_reader_is_applied(shop: Shop) -> None:
    shop.save()
    shop.reseal(created=NOW - dt.timedelta(days=6))
    assert shop.apply("--max-age", "7d").exit_code == 0


def test_other_declarations_are_refused_and_other_comments_are_not(shop: Shop) -> None:
    shop.save()
    path = shop.project.root / "exports" / "all.yaml"
    path.write_text("# reviewed by everybody\n\n" + path.read_text())
    path.rename(path.with_name("renamed.yaml"))
    shop.project.declare(document("Segment", "unused", {"source": "profiles", "where": "true"}), file="more.yaml")
    assert "declarations" in shop.refused()
    path.with_name("more.yaml").unlink()
    assert shop.apply().exit_code == 0


def test_another_commit_with_the_same_declarations_is_only_noted(shop: Shop) -> None:
    root = shop.project.root

    def git(*words: str) -> None:
        settings = ("-c", "user.name=tests", "-c", "user.email=tests@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *settings, *words], cwd=root, check=True, capture_output=True)

    git("init", "-q")
    git("add", "exports")
    git("commit", "-qm", "one")
    shop.save()
    assert len(json.loads(shop.file.read_text())["commit"]) == 40
    git("commit", "-qm", "two", "--allow-empty")
    git("pack-refs", "--all")
    done = shop.apply()
    assert done.exit_code == 0, done.output
    assert "the declarations are the same" in done.stderr


def test_a_state_that_has_moved_on_is_refused(shop: Shop) -> None:
    shop.save()
    assert shop.run("apply", "--yes").exit_code == 0
    assert "somebody applied since" in shop.refused()


def test_a_state_that_was_only_made_has_not_moved_on(shop: Shop) -> None:
    shop.save()
    assert shop.run("apply").exit_code == 1  # there is no terminal to ask on
    assert (shop.project.root / ".reconciler").exists()
    assert shop.apply().exit_code == 0


def test_other_people_at_equal_counts_are_refused(shop: Shop) -> None:
    shop.save()
    shop.people(20, start=1)
    assert "the people or their fields are not" in shop.refused()
    shop.people(20, first="Other")
    assert "the people or their fields are not" in shop.refused()
    assert shop.apply("--drift", "1").exit_code == 0


def test_a_count_that_strays_is_named_with_its_export(shop: Shop) -> None:
    shop.save()
    shop.people(21)
    line = shop.refused()
    assert "news: 20 new when reviewed, 21 now" in line
    assert "--drift" in line


@pytest.mark.parametrize(
    ("people", "drift", "goes"),
    [(22, "10", True), (23, "10", False), (18, "10", True), (17, "10", False), (21, "4.9", False), (40, "100", True)],
)
def test_counts_stray_by_so_much_and_no_more(shop: Shop, people: int, drift: str, *, goes: bool) -> None:
    shop.save()
    shop.people(people)
    if goes:
        assert shop.apply("--drift", drift).exit_code == 0
        assert len(shop.sandbox.world.members("half")) == people
    else:
        assert f"{people} now; --drift lets it stray by {drift} %" in shop.refused("--drift", drift)


def test_nothing_may_become_something_whatever_the_drift(shop: Shop) -> None:
    assert shop.run("apply", "--yes").exit_code == 0
    shop.people(30)
    shop.save()
    shop.people(30, start=1)
    assert "0 leaving when reviewed, 1 now" in shop.refused("--drift", "100")


def test_what_a_rule_blocks_now_is_refused_whatever_the_drift(shop: Shop) -> None:
    shop.declare(safety={"maxRemovals": 3})
    assert shop.run("apply", "--yes").exit_code == 0
    shop.people(17)
    shop.save()
    shop.people(14)
    assert "is “blocked” now" in shop.refused("--drift", "100")


def test_who_is_blocked_in_the_saved_plan_stays_blocked(shop: Shop) -> None:
    shop.declare(safety={"maxRemovals": 3})
    assert shop.run("apply", "--yes").exit_code == 0
    shop.people(14)
    assert shop.run("plan", "--out", str(shop.file)).exit_code == 3
    done = shop.apply()
    assert done.exit_code == 3
    assert len(shop.sandbox.world.members("half")) == 20


def test_a_run_that_was_killed_has_used_its_plan_and_the_next_goes_on(shop: Shop) -> None:
    shop.people(800)
    shop.save()
    shop.sandbox.switches = Switches(rate=0, latency=0.1)
    shop.sandbox.forget_requests()
    command = [sys.executable, "-c", PROGRAM, "-C", str(shop.project.root), "apply", str(shop.file), "--yes"]
    environ = os.environ | {name: value for name, value in shop.environ.items() if value is not None}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while not any(entry.method == "POST" for entry in shop.sandbox.requests) and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    shop.sandbox.switches = Switches(rate=0)
    (run,) = json.loads(shop.run("history", "--output", "json").stdout)["runs"]
    assert run["status"] == "Interrupted"
    assert run["id"] in shop.refused()
    assert shop.run("apply", "--yes").exit_code == 0
    assert len(shop.sandbox.world.members("half")) == 800
