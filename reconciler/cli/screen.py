"""Decides whether output is coloured, and in which form it is written."""

from __future__ import annotations

import os
import shutil
import sys
from enum import StrEnum


class Output(StrEnum):
    """The forms in which every command writes its result."""

    TEXT = "text"
    JSON = "json"


class PlanOutput(StrEnum):
    """The forms in which a plan is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    SARIF = "sarif"


def color() -> bool:
    """Colour only on a terminal, and not where NO_COLOR or a dumb terminal says otherwise."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Give the columns of the terminal, or 120 where there is none."""
    return max(60, shutil.get_terminal_size((120, 24)).columns) if sys.stdout.isatty() else 120


def in_workflow() -> bool:
    """Whether a GitHub workflow reads what is written."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def workflow_prefix(root: str) -> str:
    """Give the project's folder from the top of what the workflow checked out; empty when it is not below that."""
    top, here = os.path.realpath(os.environ.get("GITHUB_WORKSPACE") or root), os.path.realpath(root)
    return os.path.relpath(here, top).replace(os.sep, "/") if os.path.commonpath([top, here]) == top else ""
