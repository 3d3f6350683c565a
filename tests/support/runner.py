"""Runs the jobs of a workflow as GitHub's runner does: `if`, `env`, `run`, `uses`, outputs, path, summary, exit code.

Of actions it knows `actions/checkout`, done by git, and the composite ones whose folder it is given.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from support.expressions import condition, expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


_BETWEEN = 0.02
_LOOKS = 6_000
"""How often a step is looked at, and the seconds between two looks: two minutes in all."""


@dataclass
class Step:
    """One step that was carried out. `outcome` is success, failure or skipped."""

    name: str
    outcome: str
    log: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)


@dataclass
class Job:
    """What came of one job: its steps in their order, the annotations of its log, its summary."""

    outcome: str
    steps: list[Step]
    summary: str = ""

    @property
    def log(self) -> str:
        return "".join(step.log for step in self.steps)

    @property
    def annotations(self) -> list[str]:
        return [line for line in self.log.splitlines() if re.match(r"::(?:error|warning|notice)\b", line)]

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)


class Lost(Exception):  # noqa: N818  # says what is so
    """The machine went away in the middle of a step; no later step of the job was carried out."""


@dataclass
class Runner:
    """A machine that is fresh for every job. `actions` leads from OWNER/REPO/PATH to a folder."""

    folder: Path
    remote: Path
    actions: Mapping[str, Path]
    environ: dict[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict)
    lives: Callable[[], bool] = lambda: True
    """Asked while a step runs: whether the machine is still there."""
    jobs: int = 0

    def run(self, workflow: Path, event: str, payload: Mapping[str, Any], **github: Any) -> Job | None:
        """Run the one job of a workflow; None where its `if` says no. Raises Lost."""
        document = load(workflow)
        ((name, job),) = document["jobs"].items()
        self.jobs += 1
        home = self.folder / f"{self.jobs}-{name}"
        workspace, temp = home / "work", home / "temp"
        workspace.mkdir(parents=True)
        temp.mkdir()
        contexts = {
            "github": {"event_name": event, "event": payload, "token": self.secrets.get("GITHUB_TOKEN"), **github},
            "inputs": payload.get("inputs") or {},
            "runner": {"temp": str(temp)},
            "secrets": self.secrets,
            "vars": {},
            "steps": {},
            "env": {key: str(value) for key, value in (document.get("env") or {}).items()},
        }
        if "if" in job and not condition(job["if"], contexts, failed=False):
            return None
        return _Machine(self, workspace, temp, contexts).work(job["steps"])


def load(path: Path) -> Any:
    """Read YAML 1.2, in which `on` is a word."""
    return YAML(typ="safe", pure=True).load(path)


class _Machine:
    def __init__(self, runner: Runner, workspace: Path, temp: Path, contexts: dict[str, Any]) -> None:
        self._runner = runner
        self._workspace = workspace
        self._temp = temp
        self._contexts = contexts
        self._path: list[str] = []
        self._files = 0
        self._summary = ""

    def work(self, steps: Sequence[Any]) -> Job:
        done = self._steps(steps, self._contexts, {})
        failed = any(step.outcome == "failure" for step in done)
        return Job("failure" if failed else "success", done, self._summary)

    def _steps(self, steps: Sequence[Any], contexts: dict[str, Any], environ: dict[str, str]) -> list[Step]:
        done: list[Step] = []
        for number, step in enumerate(steps):
            failed = any(each.outcome == "failure" for each in done)
            made = self._step(step, contexts, environ, failed=failed)
            made.name = str(step.get("name", step.get("id", step.get("uses", number))))
            if "id" in step:
                contexts["steps"][step["id"]] = {"outputs": made.outputs, "outcome": made.outcome}
            done.append(made)
        return done

    def _step(self, step: Any, contexts: dict[str, Any], environ: dict[str, str], *, failed: bool) -> Step:
        if not condition(step.get("if", "success()"), contexts, failed=failed):
            return Step("", "skipped")
        own = {key: expanded(str(value), contexts) for key, value in (step.get("env") or {}).items()}
        known = {**environ, **own}
        if "run" in step:
            return self._shell(expanded(step["run"], contexts), known, contexts)
        given = {key: expanded(str(value), contexts) for key, value in (step.get("with") or {}).items()}
        action, _, _ = step["uses"].partition("@")
        if action == "actions/checkout":
            return self._checkout(given)
        return self._composite(self._runner.actions[action], given, known, contexts)

    def _composite(self, folder: Path, given: dict[str, str], environ: dict[str, str], outer: dict[str, Any]) -> Step:
        action = load(folder / "action.yml")
        known = {name: str(each.get("default", "")) for name, each in action["inputs"].items()}
        assert given.keys() <= known.keys(), given
        contexts = {**outer, "inputs": known | given, "steps": {}}
        done = self._steps(action["runs"]["steps"], contexts, environ | {"GITHUB_ACTION_PATH": str(folder)})
        outputs = {name: expanded(each["value"], contexts) for name, each in action["outputs"].items()}
        failed = any(step.outcome == "failure" for step in done)
        seen = {key: value for step in done for key, value in step.environ.items()}
        return Step("", "failure" if failed else "success", "".join(step.log for step in done), seen, outputs)

    def _shell(self, script: str, environ: dict[str, str], contexts: dict[str, Any]) -> Step:
        self._files += 1
        files = {
            name: self._temp / f"{name.lower()}-{self._files}"
            for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        }
        for file in files.values():
            file.touch()
        github = contexts["github"]
        known = {
            **self._runner.environ,
            **contexts["env"],
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_WORKSPACE": str(self._workspace),
            "GITHUB_EVENT_NAME": github["event_name"],
            "GITHUB_ACTOR": github.get("actor") or "",
            "RUNNER_TEMP": str(self._temp),
            **{name: str(file) for name, file in files.items()},
            **environ,
        }
        known["PATH"] = os.pathsep.join([*self._path, known["PATH"]])
        code, log = self._bash(script, known)
        self._path = [*reversed(files["GITHUB_PATH"].read_text().split()), *self._path]
        self._summary += files["GITHUB_STEP_SUMMARY"].read_text()
        outputs = read_outputs(files["GITHUB_OUTPUT"].read_text())
        return Step("", "failure" if code else "success", log, known, outputs)

    def _bash(self, script: str, environ: Mapping[str, str]) -> tuple[int, str]:
        """Run a script as long as the machine lives, and give its exit code and what it said."""
        with subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
            cwd=self._workspace,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            for _ in range(_LOOKS):
                try:
                    log, _ = process.communicate(timeout=_BETWEEN)
                except subprocess.TimeoutExpired:
                    if self._runner.lives():
                        continue
                    os.killpg(process.pid, signal.SIGKILL)
                    raise Lost from None
                return process.returncode, log
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError("a step does not come to its end")

    def _checkout(self, given: dict[str, str]) -> Step:
        github = self._contexts["github"]
        ref = given.get("ref") or github["ref"]
        name = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
        depth = [] if given.get("fetch-depth") == "0" else [f"--depth={given.get('fetch-depth', '1')}"]
        every = ["+refs/heads/*:refs/remotes/origin/*"] if not depth else []
        url = f"file://{self._runner.remote}"
        log = ""
        for words in (
            ["init", "--quiet", "--initial-branch=work"],
            ["remote", "add", "origin", url],
            ["fetch", "--quiet", *depth, "origin", f"+{name}:refs/remotes/checkout", *every],
            ["checkout", "--quiet", "--detach", "refs/remotes/checkout"],
        ):
            done = subprocess.run(
                ["git", *words],
                cwd=self._workspace,
                env=self._runner.environ,
                capture_output=True,
                text=True,
                check=False,
            )
            log += done.stdout + done.stderr
            if done.returncode:
                return Step("", "failure", log)
        return Step("", "success", log)


def read_outputs(text: str) -> dict[str, str]:
    """Take $GITHUB_OUTPUT apart, as the runner does."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        heredoc = re.match(r"([^=<]+)<<(.+)", line)
        if heredoc:
            value = []
            for each in lines:
                if each == heredoc[2]:
                    break
                value.append(each)
            found[heredoc[1]] = "\n".join(value)
        else:
            name, _, rest = line.partition("=")
            found[name] = rest
    return found
