"""From a pull request to a push, everything real but GitHub itself: the workflow files are read and carried out."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.command import reconciler
from support.hub import ACTION, Hub, hub

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.hub import Pull
    from support.runner import Job

KEY = "0123456789abcdef0123456789abcdef"
STATE_KEY = "a" * 64
DAY = 86_400


@dataclass(frozen=True)
class Stage:
    """A repository as docs/github.md has it after the first push, and the account that it pushes to."""

    hub: Hub
    account: Sandbox

    @property
    def export(self) -> Path:
        return self.hub.clone / "exports" / "newsletter.yaml"

    @property
    def people(self) -> Path:
        return self.hub.clone / "data" / "customers.csv"

    def planned(self, pull: Pull) -> tuple[Job, str]:
        """Plan a pull request, and give its one comment."""
        job = self.hub.plan(pull)
        assert job is not None
        assert job.outcome == "success", job.log
        (comment,) = self.hub.forge.said(pull.number)
        return job, comment

    def applied(self, event: str, **inputs: object) -> dict[str, str]:
        """Apply on a fresh runner, and give the outputs."""
        self.account.forget_requests()
        job = self.hub.run("apply", event, {"inputs": inputs})
        assert job.outcome == "success", job.log
        return job.step("Apply").outputs

    def sent(self) -> int:
        """Count the contacts that the last run sent."""
        return sum(entry.contacts for entry in self.account.requests)


def local_state(made: Hub, folder: Path) -> None:
    """Carry `.reconciler/` from job to job, as a team would with a disk of its own."""

    def brought(workspace: Path) -> None:
        if folder.exists():
            shutil.copytree(folder, workspace / ".reconciler")

    def kept(workspace: Path) -> None:
        if (workspace / ".reconciler").exists():
            shutil.copytree(workspace / ".reconciler", folder, dirs_exist_ok=True)

    made.runner.brought, made.runner.kept = brought, kept
    project = made.clone / "exports" / "project.yaml"
    project.write_text("".join(line for line in project.read_text().splitlines(keepends=True) if "state:" not in line))


def branch_state(made: Hub, folder: Path) -> None:
    """Keep the state where `init --github` puts it: in a branch of the repository itself. No runner brings anything."""
    assert "git+branch://" in (made.clone / "exports" / "project.yaml").read_text()
    assert not folder.exists()


STATES: dict[str, Callable[[Hub, Path], None]] = {"a folder": local_state, "a branch": branch_state}


@pytest.fixture(params=STATES)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    secrets = {"AUTOPILOT_API_KEY": KEY, "RECONCILER_STATE_KEY": STATE_KEY}
    with Sandbox(key=KEY, switches=Switches(rate=0)) as account, hub(tmp_path, os.environ, secrets) as made:
        done = reconciler(made.clone, "init", "--github", "--administrator", "alice", "--action", ACTION)
        assert done.returncode == 0, done.stderr
        name = "  displayName: Autopilot, newsletter account\n"
        file = made.clone / "exports" / "connections" / "newsletter.yaml"
        replaced(file, name, f"{name}  baseUrl: {account.url}\n")
        STATES[request.param](made, tmp_path / "state")
        made.push("Start")
        yield Stage(made, account)


def replaced(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, text
    file.write_text(text.replace(old, new))


def test_a_change_goes_from_a_pull_request_to_the_lists(stage: Stage) -> None:
    pull = a_slip_of_the_pen_fails_the_check_at_its_line(stage)
    mended_it_passes_and_the_plan_is_commented(stage, pull)
    a_second_push_edits_the_comment(stage, pull)
    merged_the_lists_are_right(stage, pull)
    a_fresh_runner_sends_nothing(stage)
    the_schedule_pushes_only_what_changed_in_the_data(stage)
    what_was_changed_by_hand_has_one_issue_until_it_is_mended(stage)


def a_slip_of_the_pen_fails_the_check_at_its_line(stage: Stage) -> Pull:
    stage.hub.git("checkout", "--quiet", "-b", "first")
    replaced(stage.export, "  suspended: true # take this line out, and the export runs\n", "")
    replaced(stage.export, "FirstName: FirstName", "FirstName: FristName")
    stage.hub.push("Send the newsletter")
    pull = stage.hub.pull("first")
    job = stage.hub.check(pull)
    assert job.outcome == "failure"
    line = stage.export.read_text().splitlines().index("    FirstName: FristName") + 1
    (fault,) = job.annotations
    assert fault.startswith(f"::error file=exports/newsletter.yaml,line={line},")
    outputs = job.step("Validate").outputs
    assert outputs["exit-code"] == "1"
    assert f"exports/newsletter.yaml:{line}:" in outputs["failure-reason"]
    assert [step.outcome for step in job.steps[2:]] == ["success"] * 3
    return pull


def mended_it_passes_and_the_plan_is_commented(stage: Stage, pull: Pull) -> None:
    replaced(stage.export, "FirstName: FristName", "FirstName: FirstName")
    stage.hub.push("Mend it")
    assert stage.hub.check(pull).outcome == "success"
    job, comment = stage.planned(pull)
    assert "1 export to create. 8 new" in comment
    assert comment.splitlines()[1] in job.summary
    outputs = job.step("Plan").outputs
    assert outputs["changes"] == "true"
    assert outputs["checksum"] in comment
    assert outputs["failure-reason"] == ""


def a_second_push_edits_the_comment(stage: Stage, pull: Pull) -> None:
    replaced(stage.export, "    - {name: large-families, list: Large families}\n", "")
    stage.hub.push("Without families")
    _, comment = stage.planned(pull)
    assert "1 export to create. 5 new" in comment
    assert stage.account.requests == (), "a plan asks and sends nothing"


def merged_the_lists_are_right(stage: Stage, pull: Pull) -> None:
    stage.hub.merge(pull)
    assert stage.applied("push")["exit-code"] == "0"
    rows = [row.split(",") for row in stage.people.read_text().splitlines()[1:]]
    owners = {row[3] for row in rows if (row[4], row[6]) == ("Y", "true")}
    assert stage.account.world.members("home-owners") == owners


def a_fresh_runner_sends_nothing(stage: Stage) -> None:
    outputs = stage.applied("workflow_dispatch", export="newsletter", refresh=False)
    assert (outputs["changes"], stage.account.requests) == ("false", ())


def the_schedule_pushes_only_what_changed_in_the_data(stage: Stage) -> None:
    replaced(stage.people, "1003,Coral,", "1003,Cora,")
    stage.hub.push("Fresh data")
    stage.hub.runner.environ["REHEARSED_LATER"] = str(DAY)
    assert stage.applied("schedule")["changes"] == "true"
    assert stage.sent() == 1
    contact = stage.account.world.contact("coral.sample@example.com")
    assert contact is not None
    assert contact.fields["FirstName"] == "Cora"


def what_was_changed_by_hand_has_one_issue_until_it_is_mended(stage: Stage) -> None:
    world, issues = stage.account.world, stage.hub.forge.issues
    whole = world.members("home-owners")
    (list_id,) = world.lists_titled("home-owners")
    assert world.remove_member(list_id, "coral.sample@example.com")
    for _ in range(2):
        assert stage.hub.run("drift", "schedule", {}).outcome == "success"
    (issue,) = issues.values()
    assert issue["state"] == "open"
    assert "newsletter" in issue["body"]
    stage.applied("workflow_dispatch", export="", refresh=True)
    assert world.members("home-owners") == whole
    assert stage.hub.run("drift", "schedule", {}).outcome == "success"
    assert [each["state"] for each in issues.values()] == ["closed"]
