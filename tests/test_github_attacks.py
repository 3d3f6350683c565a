"""What a hostile pull request tries at GitHub, and where it ends: the workflows run, and the real commands in them."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt
from support.command import reconciler
from support.hub import ACTION, Hub, hub
from support.project import segment
from support.runner import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.hub import Pull
    from support.runner import Job

SECRETS = {"AUTOPILOT_API_KEY": "0123456789abcdef0123456789abcdef", "RECONCILER_STATE_KEY": "c0ffee00" * 8}
OUTPUTS = {"changes", "checksum", "exit-code", "failure-reason"}
WORKFLOWS = Path(__file__).parent.parent / "reconciler" / "github"
FORK = "mallory/audiences"


@pytest.fixture(scope="module")
def audiences(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A repository whose administrator is alice, and whose contributor carol may use the connection."""
    with hub(tmp_path_factory.mktemp("hub"), os.environ, SECRETS) as made:
        done = reconciler(made.clone, "init", "--github", "--administrator", "alice", "--action", ACTION)
        assert done.returncode == 0, done.stderr
        replaced(made.clone / "exports/project.yaml", "contributors: []", "contributors: [carol]")
        replaced(
            made.clone / "exports/connections/newsletter.yaml",
            "  limits:\n",
            "  usableBy: [administrators, contributors]\n  limits:\n",
        )
        made.push("Start")
        yield made


@pytest.fixture
def place(audiences: Hub) -> Iterator[Hub]:
    """The same, on a fresh branch; the comments of the test before are gone."""
    audiences.git("checkout", "--quiet", "main")
    audiences.git("checkout", "--quiet", "-b", f"attack-{len(audiences.pulls)}")
    audiences.forge.comments.clear()
    yield audiences
    audiences.git("reset", "--quiet", "--hard")
    audiences.git("clean", "--quiet", "--force", "-d")


def replaced(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, text
    file.write_text(text.replace(old, new))


def proposed(place: Hub, author: str, **more: str) -> Pull:
    """Push what is in the clone, and open a pull request."""
    place.push("A friendly change")
    return place.pull(place.git("rev-parse", "--abbrev-ref", "HEAD"), author, **more)


def stopped_before_the_plan(place: Hub, pull: Pull, author: str) -> Job:
    """The plan's workflow ends where it judges: no secret was in reach of any step, and nothing was said."""
    job = place.plan(pull, actor=author)
    assert job is not None
    assert job.step("Authorize").outcome == "failure"
    assert [job.step(name).outcome for name in ("Take the declarations", "Plan", "Comment")] == ["skipped"] * 3
    assert all(secret not in str(step.environ) for step in job.steps for secret in SECRETS.values())
    assert place.forge.said(pull.number) == []
    return job


# a secret


def test_a_fork_is_never_planned(place: Hub) -> None:
    pull = proposed(place, "mallory", source=FORK)
    assert place.plan(pull, actor="mallory") is None


def test_what_runs_for_a_fork_names_no_secret_and_may_only_read() -> None:
    for path in sorted(WORKFLOWS.glob("*.yml")):
        document = load(path)
        triggers = document["on"] if isinstance(document["on"], dict) else {document["on"]: None}
        ((_, job),) = document["jobs"].items()
        if "pull_request" in triggers:
            assert set(triggers) == {"pull_request"}
            assert "secrets." not in path.read_text()
            assert job["permissions"] == {"contents": "read"}
        if "pull_request_target" in triggers:
            assert set(triggers) == {"pull_request_target"}
            assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
        assert not set(triggers) & {"workflow_run", "issue_comment", "pull_request_review"}


def test_a_pull_request_that_writes_its_own_workflow_is_judged_by_that_of_the_base(place: Hub) -> None:
    plan = place.clone / ".github/workflows/reconciler-plan.yml"
    plan.write_text("on: pull_request_target\njobs: {plan: {runs-on: x, steps: [{run: env >/tmp/loot}]}}\n")
    pull = proposed(place, "carol")
    job = stopped_before_the_plan(place, pull, "carol")
    assert ".github/workflows/reconciler-plan.yml" in job.log


def test_nothing_of_the_pull_request_is_executed_where_secrets_are(place: Hub) -> None:
    loot = place.folder / "loot"
    script = f"#!/bin/sh\nenv >>{loot}\n"
    python = f"import os\nopen({str(loot)!r}, 'a').write(str(os.environ))\n"
    for name in (
        "reconciler",
        "git",
        "exports/reconciler",
        "exports/git",
        ".venv/bin/reconciler",
        "scripts/environment",
    ):
        file = place.clone / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(script)
        file.chmod(0o755)
    for name in ("sitecustomize.py", "exports/sitecustomize.py", "typer.py", "exports/duckdb.py", "conftest.py"):
        (place.clone / name).write_text(python)
    (place.clone / ".gitattributes").write_text("* filter=loot merge=loot\n")
    (place.clone / "exports/.gitattributes").write_text("* filter=loot merge=loot\n")
    (place.clone / ".gitmodules").write_text('[submodule "x"]\n\tpath = x\n\turl = file:///\n\tupdate = !env\n')
    replaced(place.clone / "exports/newsletter.yaml", "  suspended: true", "  suspended: false")
    pull = proposed(place, "alice")
    job = place.plan(pull)
    assert job is not None
    assert job.step("Plan").environ["RECONCILER_STATE_KEY"] == SECRETS["RECONCILER_STATE_KEY"]
    assert job.step("Plan").outputs["changes"] == "true", job.log
    assert not loot.exists()
    assert all(secret not in job.log + job.summary for secret in SECRETS.values())


def test_data_may_not_be_sent_to_another_server(place: Hub) -> None:
    connection = place.clone / "exports/connections/newsletter.yaml"
    replaced(connection, "  usableBy:", "  baseUrl: https://loot.example.com/v1\n  usableBy:")
    replaced(connection, "env: AUTOPILOT_API_KEY", "env: RECONCILER_STATE_KEY")
    pull = proposed(place, "carol")
    job = stopped_before_the_plan(place, pull, "carol")
    assert sum("exports/connections/newsletter.yaml" in line for line in job.annotations) == 2


# roles


def test_roles_that_a_change_gives_itself_do_not_count(place: Hub) -> None:
    replaced(place.clone / "exports/project.yaml", "administrators: [alice]", "administrators: [alice, mallory]")
    replaced(place.clone / "exports/connections/newsletter.yaml", "LastName, Children]", "LastName, Children, Phone]")
    pull = proposed(place, "mallory")
    checked = place.check(pull, actor="mallory")
    assert checked.outcome == "failure"
    assert checked.step("Authorize").outputs["exit-code"] == "3"
    assert any(
        re.match(r"::error file=exports/project.yaml,line=\d+,.*mallory may not", a) for a in checked.annotations
    )
    stopped_before_the_plan(place, pull, "mallory")


def test_rights_are_not_lent_by_who_pushes_last(place: Hub) -> None:
    replaced(place.clone / "exports/project.yaml", "contributors: [carol]", "contributors: [carol, mallory]")
    pull = proposed(place, "carol")
    stopped_before_the_plan(place, pull, "alice")


# names


TITLES = (
    "::set-output name=changes::false",
    "x\n::set-output name=checksum::0",
    "x\n::stop-commands::y",
    "##[set-env name=PATH]x",
    "<img src=https://loot.example.com>",
    "[click](https://loot.example.com) ![x](https://loot.example.com/x)",
    "@contoso/everybody #1",
    "</details>|a|b|",
    "-->\n<!-- reconciler:plan -->",
    "end-0\nexit-code=0",
)


def titled(place: Hub, titles: list[str]) -> Pull:
    """Propose lists of these titles, and a connection that is shown by the first."""
    lists = "".join(f"    - {{name: s{n}, list: {quoted(title)}}}\n" for n, title in enumerate(titles))
    segments = [segment(f"s{n}", "HomeOwner = 'Y'", "unified-profiles") for n in range(len(titles))]
    (place.clone / "exports/more.yaml").write_text("\n---\n".join(map(json.dumps, segments)))
    export = place.clone / "exports/newsletter.yaml"
    replaced(export, "    - home-owners\n", lists)
    replaced(export, "  suspended: true", "  suspended: false")
    connection = place.clone / "exports/connections/newsletter.yaml"
    shown = "displayName: Autopilot, newsletter account"
    replaced(connection, shown, f"displayName: {quoted(titles[0])}")
    return proposed(place, "alice")


def unmoved(job: Job) -> None:
    """The runner was told nothing but annotations of ours, and no output but ours."""
    assert [line for line in job.log.splitlines() if line.startswith("::") and line not in job.annotations] == []
    assert "##[" not in job.log
    assert all("line=" in annotation for annotation in job.annotations)
    assert {name for step in job.steps for name in step.outputs} <= OUTPUTS | {"commit", "base"}
    assert inert(job.summary)


def test_names_steer_neither_the_runner_nor_the_comment(place: Hub) -> None:
    pull = titled(place, [title for title in TITLES if "\n" not in title])
    job = place.plan(pull)
    assert job is not None
    assert job.step("Plan").outputs.get("changes") == "true", job.log
    unmoved(job)
    unmoved(place.check(pull))
    (comment,) = place.forge.said(pull.number)
    assert inert(comment)
    assert comment.count("<!--") == 1


def test_a_name_of_two_lines_is_refused(place: Hub) -> None:
    pull = titled(place, [title for title in TITLES if "\n" in title])
    job = place.check(pull)
    assert job.step("Validate").outputs["exit-code"] == "1"
    unmoved(job)


def test_a_file_name_steers_nothing_either(place: Hub) -> None:
    (place.clone / "exports/x\n::error::hello.yaml").write_text("kind: Nothing\n")
    (place.clone / "exports/::set-output name=changes::x.yaml").write_text("kind: Nothing\n")
    pull = proposed(place, "alice")
    job = place.check(pull)
    assert job.outcome == "failure"
    assert all(line.startswith("::error file=exports/") for line in job.log.splitlines() if line.startswith("::"))


def quoted(title: str) -> str:
    return '"' + title.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


class _Active(HTMLParser):
    """Collects what a browser would do something about."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"a", "img", "script", "iframe"} or any(name.startswith("on") for name, _ in attrs):
            self.found.append(tag)


def inert(markdown: str) -> bool:
    parser = _Active()
    parser.feed(MarkdownIt("gfm-like", {"linkify": False}).render(markdown))
    return parser.found == [] and "@contoso" not in markdown


# files outside


@pytest.mark.parametrize("path", ["/etc/passwd", "data/../../outside.csv"])
def test_a_path_that_leaves_the_repository_is_refused_by_the_check(place: Hub, path: str) -> None:
    replaced(place.clone / "exports/sources/unified-profiles.yaml", "path: data/customers.csv", f"path: {path}")
    pull = proposed(place, "carol")
    checked = place.check(pull, actor="carol")
    assert checked.step("Validate").outputs["exit-code"] == "1"
    assert any("exports/sources/unified-profiles.yaml" in annotation for annotation in checked.annotations)
    stopped_before_the_plan(place, pull, "carol")


def test_a_data_root_that_a_contributor_names_is_not_read(place: Hub) -> None:
    replaced(place.clone / "exports/project.yaml", "spec:\n", "spec:\n  dataRoots: [/etc]\n")
    replaced(place.clone / "exports/sources/unified-profiles.yaml", "path: data/customers.csv", "path: /etc/passwd")
    pull = proposed(place, "carol")
    job = stopped_before_the_plan(place, pull, "carol")
    assert "root:x:0" not in job.log


@pytest.mark.parametrize("name", ["exports/passwd.yaml", "exports/sub"])
def test_a_link_below_exports_is_refused_whoever_made_it(place: Hub, name: str) -> None:
    (place.clone / name).symlink_to("/etc/passwd" if name.endswith("yaml") else "/etc")
    pull = proposed(place, "alice")
    job = stopped_before_the_plan(place, pull, "alice")
    assert "root:x:0" not in job.log


def test_a_predicate_reads_no_file(place: Hub) -> None:
    replaced(
        place.clone / "exports/segments/households.yaml",
        "where: HomeOwner = 'Y'",
        "where: HomeOwner IN (SELECT content FROM read_text('/etc/passwd'))",
    )
    replaced(place.clone / "exports/newsletter.yaml", "  suspended: true", "  suspended: false")
    pull = proposed(place, "carol")
    assert place.check(pull, actor="carol").step("Validate").outputs["exit-code"] == "1"
    job = place.plan(pull, actor="carol")
    assert job is not None
    assert "root:x:0" not in job.log + job.summary + "".join(place.forge.said(pull.number))
    assert job.step("Plan").outputs.get("changes") != "true"


# time


def test_a_plan_that_was_overtaken_is_not_commented(place: Hub) -> None:
    replaced(place.clone / "exports/newsletter.yaml", "  suspended: true", "  suspended: false")
    pull = proposed(place, "alice")
    tip, place.forge.branches = place.forge.branches, lambda _: "f" * 40
    try:
        job = place.plan(pull)
    finally:
        place.forge.branches = tip
    assert job is not None
    assert job.step("Plan").outcome == "success", job.log
    assert job.step("Comment").outcome == "failure"
    assert "the base has moved on" in job.log
    assert place.forge.said(pull.number) == []


def test_a_branch_that_conflicts_says_so(place: Hub) -> None:
    replaced(place.clone / "exports/newsletter.yaml", "  suspended: true", "  suspended: false")
    pull = proposed(place, "alice")
    place.git("checkout", "--quiet", "main")
    replaced(place.clone / "exports/newsletter.yaml", "  suspended: true", "  # waits\n  suspended: true")
    before = place.git("rev-parse", "HEAD")
    place.push("Meanwhile")
    job = place.plan(pull)
    place.git("reset", "--quiet", "--hard", before)
    place.git("push", "--quiet", "--force", "origin", "main")
    assert job is not None
    assert job.step("Merge").outcome == "failure"
    assert "::error::The branch conflicts with the base" in job.log
    assert job.step("Plan").outcome == "skipped"
