"""What a step of a GitHub workflow is told besides what it prints. Reads what GitHub sets; it decides nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from reconciler.cli.screen import in_workflow, workflow_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reconciler.core.diagnostics import Diagnostic
    from reconciler.core.plan import Plan
    from reconciler.core.record import Run
    from reconciler.forge import Forge

_LEAST = 4096
"""Bytes of room below which a summary is not worth writing."""


def planned(plan: Plan, root: str) -> None:
    """Set the step's outputs, annotate what stands in the way, and write the plan into the job's summary."""
    if not in_workflow():
        return
    from reconciler.report.diagnostics import workflow_annotations
    from reconciler.report.workflow import plan_faults, plan_values

    _set(plan_values(plan))
    # on stderr, where the runner looks too: what a command prints may be kept in a file
    typer.echo(workflow_annotations(plan_faults(plan), workflow_prefix(root)), nl=False, err=True)
    _summarise(plan)


def carried_out(plan: Plan, run: Run, root: str) -> None:
    """Say the same of a plan that was carried out, and what came of it."""
    if not in_workflow():
        return
    from reconciler.report.workflow import plan_values, run_markdown

    planned(plan, root)
    _set(plan_values(plan, run))
    _append("GITHUB_STEP_SUMMARY", run_markdown(run))


def faulty(found: Sequence[Diagnostic], prefix: str = "") -> None:
    """Annotate faults, whose files are named from `prefix`, and set the step's reason."""
    if not in_workflow() or not found:
        return
    from reconciler.report.diagnostics import workflow_annotations
    from reconciler.report.workflow import fault_values

    _set(fault_values(found))
    typer.echo(workflow_annotations(found, prefix), nl=False, err=True)


def outdated(files: Iterable[object], remedy: str) -> None:
    """Annotate files that are not what a command would write."""
    if not in_workflow():
        return
    from reconciler.report.workflow import outdated_faults

    faulty(outdated_faults((workflow_prefix(str(file)) for file in files), remedy))


def ended(**values: object) -> None:
    """Set outputs of the step at its end, when nobody is left to be told that it cannot be done."""
    if in_workflow():
        with suppress(OSError):
            _set({name.replace("_", "-"): str(value) for name, value in values.items()})


def run_link() -> str:
    """Give the address of the workflow's run, or nothing."""
    server, repository, number = (
        os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")
    )
    known = server.startswith(("https://", "http://")) and repository and number
    return f"{server}/{repository}/actions/runs/{number}" if known else ""


def forge(author: str) -> Forge:
    """Open the repository that the workflow runs in. Raises ReconcilerError when a variable is missing."""
    import random

    from reconciler.clock import SystemClock
    from reconciler.core.errors import ReconcilerError
    from reconciler.forge import Forge

    def given(name: str) -> str:
        value = os.environ.get(name, "")
        if not value:
            raise ReconcilerError(f"{name} is not set; a workflow's step has it, with `env: {{{name}: …}}`")
        return value

    url = os.environ.get("GITHUB_API_URL") or "https://api.github.com"
    repository, token = given("GITHUB_REPOSITORY"), given("GITHUB_TOKEN")
    return Forge(url, repository, token, SystemClock(), random.SystemRandom(), author=author)


def _set(values: Mapping[str, str]) -> None:
    import secrets

    from reconciler.report.workflow import outputs

    _append("GITHUB_OUTPUT", outputs(values, f"end-{secrets.token_hex(16)}"))


def _summarise(plan: Plan) -> None:
    from reconciler.report.markdown import plan_markdown
    from reconciler.report.workflow import SUMMARY

    name = os.environ.get("GITHUB_STEP_SUMMARY")
    used = Path(name).stat().st_size if name and Path(name).exists() else 0
    room = SUMMARY // 2 - used  # the other half is for what comes of it
    if name and room > _LEAST:
        _append("GITHUB_STEP_SUMMARY", plan_markdown(plan, limit=room) + "\n")


def _append(variable: str, text: str) -> None:
    name = os.environ.get(variable)
    if name:
        with Path(name).open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
