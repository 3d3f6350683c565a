"""A repository at GitHub, without GitHub: a bare remote, a clone, pull requests, workflows, and the API."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.forge import REPOSITORY, TOKEN, serving
from support.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.forge import Forge
    from support.runner import Job

ROOT = Path(__file__).parent.parent.parent
COMMIT = "1" * 40
ACTION = f"contoso/reconciler@{COMMIT}"
PLACE = "contoso/reconciler/.github/actions/reconcile"

_PROGRAM = """\
#!{python}
import datetime as dt, os, sys
sys.path.insert(0, {root!r})
from reconciler.clock import SystemClock
now = SystemClock.now
SystemClock.now = lambda self: now(self) + dt.timedelta(seconds=float(os.environ.get("REHEARSED_LATER", "0")))
from reconciler.cli.main import main
main()
"""


@dataclass
class Pull:
    """A pull request. `source` is the repository of its branch."""

    number: int
    branch: str
    author: str
    source: str = REPOSITORY


@dataclass
class Hub:
    """Everything about one repository. `clone` is a developer's."""

    folder: Path
    forge: Forge
    clone: Path
    remote: Path
    runner: Runner
    pulls: dict[int, Pull] = field(default_factory=dict)

    def git(self, *words: str, at: Path | None = None) -> str:
        """Run git in the clone, or elsewhere."""
        who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *who, *words],
            cwd=at or self.clone,
            env=self.runner.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def tip(self, branch: str) -> str | None:
        """Give the newest commit of a branch at the remote."""
        found = self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}", at=self.remote)
        return found or None

    def push(self, message: str = "change") -> str:
        """Commit everything in the clone and push its branch."""
        self.git("add", "--all", "--force", ".", ":!.reconciler")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        self.git("push", "--quiet", "--force", "origin", "HEAD")
        return self.git("rev-parse", "HEAD")

    def pull(self, branch: str, author: str = "alice", source: str = REPOSITORY) -> Pull:
        """Open a pull request of a branch that was pushed."""
        made = Pull(len(self.pulls) + 1, branch, author, source)
        self.pulls[made.number] = made
        return made

    def merge(self, pull: Pull) -> str:
        """Press the button, and give the merge's commit."""
        commit = self._merged(pull)
        self.git("update-ref", "refs/heads/main", commit, at=self.remote)
        self.git("checkout", "--quiet", "main")
        self.git("pull", "--quiet", "--ff-only", "origin", "main")
        return commit

    def check(self, pull: Pull, **github: Any) -> Job:
        """Run the checks of a pull request: on what would be merged, with no secret."""
        merged = self._merged(pull)
        self.git("update-ref", f"refs/pull/{pull.number}/merge", merged, at=self.remote)
        secrets, self.runner.secrets = self.runner.secrets, {"GITHUB_TOKEN": self.runner.secrets["GITHUB_TOKEN"]}
        try:
            return self.run(
                "check", "pull_request", self._payload(pull), ref=f"refs/pull/{pull.number}/merge", **github
            )
        finally:
            self.runner.secrets = secrets

    def plan(self, pull: Pull, **github: Any) -> Job | None:
        """Run the plan of a pull request, as the workflow of the base says."""
        head = self.tip(pull.branch)
        assert head is not None
        self.forge.heads[pull.number] = (head, "main")
        payload = self._payload(pull)
        return self.maybe("plan", "pull_request_target", payload, ref="refs/heads/main", base_ref="main", **github)

    def run(self, name: str, event: str, payload: Mapping[str, Any], **github: Any) -> Job:
        """Run a workflow that must run."""
        job = self.maybe(name, event, payload, **github)
        assert job is not None
        return job

    def maybe(self, name: str, event: str, payload: Mapping[str, Any], **github: Any) -> Job | None:
        """Run a workflow as the branch says that GitHub takes it from; a pull request may bring its own."""
        ref = github.setdefault("ref", "refs/heads/main")
        text = self.git("show", f"{ref}:.github/workflows/reconciler-{name}.yml", at=self.remote)
        file = self.folder / f"{name}.yml"
        file.write_text(text)
        known = {"repository": REPOSITORY, "actor": "alice", **github}
        return self.runner.run(file, event, payload, **known)

    def _payload(self, pull: Pull) -> dict[str, Any]:
        head = {"sha": self.tip(pull.branch), "ref": pull.branch, "repo": {"full_name": pull.source}}
        return {"pull_request": {"number": pull.number, "head": head, "user": {"login": pull.author}}}

    def _merged(self, pull: Pull) -> str:
        tree = self.git("merge-tree", "--write-tree", "main", pull.branch, at=self.remote)
        parents = ("-p", "main", "-p", pull.branch)
        return self.git("commit-tree", tree, *parents, "-m", f"Merge #{pull.number}", at=self.remote)


@contextmanager
def hub(folder: Path, environ: Mapping[str, str], secrets: Mapping[str, str]) -> Iterator[Hub]:
    """Make an empty repository at GitHub. `environ` is that of a runner."""
    remote, clone = folder / "remote.git", folder / "clone"
    home = folder / "home"
    home.mkdir()
    with serving() as forge:
        known = {
            "PATH": environ["PATH"],
            "HOME": str(home),
            "GITHUB_API_URL": forge.url,
            "GITHUB_REPOSITORY": REPOSITORY,
            **{name: value for name, value in environ.items() if name.startswith("COVERAGE")},
        }
        actions = {PLACE: _action(folder / "action")}
        runner = Runner(folder / "jobs", remote, actions, known, {"GITHUB_TOKEN": TOKEN, **secrets})
        made = Hub(folder, forge, clone, remote, runner)
        made.git("init", "--quiet", "--bare", "--initial-branch=main", str(remote), at=folder)
        made.git("config", "uploadpack.allowAnySHA1InWant", "true", at=remote)
        made.git("clone", "--quiet", str(remote), str(clone), at=folder)
        made.git("checkout", "--quiet", "-B", "main")
        forge.branches = made.tip
        yield made


def _action(folder: Path) -> Path:
    """Give the action's checkout, installed already: `reconciler` there runs the working tree."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("pyproject.toml", "requirements", "scripts", ".github/actions"):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    program = folder / ".venv" / "bin" / "reconciler"
    program.write_text(_PROGRAM.format(python=sys.executable, root=str(ROOT)))
    program.chmod(0o755)
    told = (folder / "requirements" / "full.lock").read_bytes() + (folder / "pyproject.toml").read_bytes()
    mark = subprocess.run(["git", "hash-object", "--stdin"], input=told, capture_output=True, check=True)
    (folder / ".venv" / "installed").write_bytes(mark.stdout)
    return folder / ".github" / "actions" / "reconcile"
