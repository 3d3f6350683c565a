"""From a pull request to a push, everything real but GitHub itself: the workflow files are read and carried out."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support import servers
from support.command import reconciler
from support.hub import ACTION, Hub, hub
from support.runner import Lost

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from support.hub import Pull
    from support.runner import Job

KEY = "0123456789abcdef0123456789abcdef"
STATE_KEY = "a" * 64
QUARTER, DAY = 900, 86_400
"""Seconds between two looks of the schedule, and between two runs of the export."""
NEWCOMERS = 3_000


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


@contextmanager
def azure_state(made: Hub) -> Iterator[None]:
    """Keep the state in a container, whose credentials are where a login to Azure leaves them: on the runner."""
    with servers.azurite() as served:
        made.runner.environ |= {name: value for name, value in served.environ.items() if name.startswith("AZURE_")}
        project = made.clone / "exports" / "project.yaml"
        replaced(project, "git+branch://reconciler-state", served.fresh())
        yield


@contextmanager
def branch_state(made: Hub) -> Iterator[None]:
    """Keep the state where `init --github` puts it: in a branch of the repository itself."""
    assert "git+branch://" in (made.clone / "exports" / "project.yaml").read_text()
    yield


STATES: dict[str, Callable[[Hub], AbstractContextManager[None]]] = {"azure": azure_state, "a branch": branch_state}


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    secrets = {"AUTOPILOT_API_KEY": KEY, "RECONCILER_STATE_KEY": STATE_KEY}
    with Sandbox(key=KEY, switches=Switches(rate=0)) as account, hub(tmp_path, os.environ, secrets) as made:
        done = reconciler(made.clone, "init", "--github", "--administrator", "alice", "--action", ACTION)
        assert done.returncode == 0, done.stderr
        name = "  displayName: Autopilot, newsletter account\n"
        file = made.clone / "exports" / "connections" / "newsletter.yaml"
        replaced(file, name, f"{name}  baseUrl: {account.url}\n")
        with STATES[request.param](made):
            made.push("Start")
            yield Stage(made, account)


def replaced(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize("stage", ["azure"], indirect=True)
def test_a_change_goes_from_a_pull_request_to_the_lists(stage: Stage) -> None:
    pull = a_slip_of_the_pen_fails_the_check_at_its_line(stage)
    mended_it_passes_and_the_plan_is_commented(stage, pull)
    a_second_push_edits_the_comment(stage, pull)
    merged_the_lists_are_right(stage, pull)
    a_fresh_runner_sends_nothing(stage)
    the_schedule_pushes_only_what_changed_in_the_data(stage)
    what_was_changed_by_hand_has_one_issue_until_it_is_mended(stage)
    a_runner_is_killed_half_way(stage)
    the_next_one_ends_the_work(stage)


@pytest.mark.parametrize("stage", ["a branch"], indirect=True)
def test_a_repository_is_all_that_it_takes(stage: Stage) -> None:
    stage.hub.git("checkout", "--quiet", "-b", "first")
    replaced(stage.export, "  suspended: true # take this line out, and the export runs\n", "")
    stage.hub.push("Send the newsletter")
    pull = stage.hub.pull("first")
    _, comment = stage.planned(pull)
    assert "1 export to create. 8 new" in comment
    merged_the_lists_are_right(stage, pull)
    a_runner_is_killed_half_way(stage)
    the_next_one_ends_the_work(stage)
    a_fresh_runner_sends_nothing(stage)


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
    assert stage.account.world.members("home-owners") == owners(stage)


def owners(stage: Stage) -> set[str]:
    rows = [row.split(",") for row in stage.people.read_text().splitlines()[1:]]
    return {row[3] for row in rows if (row[4], row[6]) == ("Y", "true")}


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


def a_runner_is_killed_half_way(stage: Stage) -> None:
    with stage.people.open("a") as table:
        table.writelines(f"{n},Umber,Sample,umber.{n}@example.com,Y,0,true\n" for n in range(2_000, 2_000 + NEWCOMERS))
    stage.hub.push("Many more")
    stage.account.forget_requests()
    stage.hub.runner.environ["REHEARSED_LATER"] = str(2 * DAY)
    # One answer is late, so that the run is not over before it is killed
    stage.account.switches = Switches(rate=0, faults=(Fault("slow-after", "POST", "/contacts", nth=20, seconds=3),))
    stage.hub.runner.lives = lambda: stage.sent() < NEWCOMERS // 2
    with pytest.raises(Lost):
        stage.hub.run("apply", "schedule", {})
    stage.hub.runner.lives = lambda: True
    stage.account.switches = Switches(rate=0)
    assert stage.account.world.members("home-owners") < owners(stage)


def the_next_one_ends_the_work(stage: Stage) -> None:
    """Another machine, when the schedule looks again: by then the lease of the dead one has run out."""
    stage.hub.runner.environ["REHEARSED_LATER"] = str(2 * DAY + QUARTER)
    assert stage.applied("schedule")["exit-code"] == "0"
    assert stage.account.world.members("home-owners") == owners(stage)
    assert 0 < stage.sent() < NEWCOMERS
