from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent / "reconciler"

# Who may import whom: room -> rooms. A room is a folder, or a module beside it. Rooms that are not named import nothing
# of ours. `__init__.py` holds a docstring only.
MAY = {
    "core": {"core"},
    "manifest": {"core", "manifest"},
    "sources": {"clouds", "core", "http", "pace", "sources"},  # a service is asked by the one way out
    "destinations": {"core", "destinations", "http", "pace", "redaction"},
    "clouds": {"clouds", "core"},
    "state": {"clouds", "core", "state"},
    "report": {"core", "report"},
    "sandbox": {"sandbox"},
    "forge": {"core", "http", "pace"},
    "notices": {"core"},
    "http": {"core", "answers", "pace", "redaction"},
    "answers": {"core", "redaction"},
    "redaction": set(),
    "pace": {"core"},
    "clock": set(),
    "addresses": set(),
    "timetable": {"core"},
    "secret": {"core"},
    "revisions": {"core"},
    "doors": {"core", "state"},
    "flow": {"core", "flow", "manifest", "revisions"},
    "wiring": {
        "core", "flow", "manifest", "sources", "destinations", "state", "addresses", "clock", "doors", "notices",
        "secret", "pace", "revisions", "timetable",
    },
    "cli": {
        "cli", "clock", "core", "flow", "forge", "manifest", "notices", "report", "revisions", "sandbox",
        "timetable", "wiring",
    },
}  # fmt: skip

# Folders whose modules import others only in the function that needs them, so that `--help` takes no engine along.
LATE = {"cli", "doors", "notices", "wiring", "secret"}


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        yield room, path, ast.parse(path.read_text())


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "reconciler.relative"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_each_room_imports_only_what_it_may() -> None:
    wrong = [
        f"{path.relative_to(ROOT.parent)} imports {name}"
        for room, path, tree in modules()
        for name in imported(tree)
        if name.startswith("reconciler.") and name.split(".")[1] not in MAY.get(room, set())
    ]
    assert wrong == []


def test_the_core_needs_only_the_standard_library() -> None:
    foreign = {
        name.split(".")[0]
        for room, _, tree in modules()
        if room in {"core", "sandbox"}
        for name in imported(tree)
        if not name.startswith("reconciler")
    }
    assert foreign <= set(sys.stdlib_module_names)


def test_the_core_has_no_clock_no_environment_and_no_files() -> None:
    outside = {"os", "time", "pathlib", "random", "secrets", "socket", "threading", "subprocess", "io", "tempfile"}
    wrong = [
        f"{path.name} imports {name}"
        for room, path, tree in modules()
        if room == "core"
        for name in imported(tree)
        if name.split(".")[0] in outside
    ]
    assert wrong == []


def test_imports_inside_functions_are_where_they_are_listed() -> None:
    hidden = {
        path.relative_to(ROOT).parts[0].removesuffix(".py")
        for _, path, tree in modules()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert hidden <= LATE


def test_packages_hold_a_docstring_only() -> None:
    for _, path, tree in modules():
        if path.name == "__init__.py":
            assert len(tree.body) == 1, path
            assert ast.get_docstring(tree), path


def test_every_module_says_what_it_decides() -> None:
    assert [path.name for _, path, tree in modules() if not ast.get_docstring(tree)] == []


LONGEST = {"ports.py": 350}  # the outside world on one page


def test_files_and_functions_stay_short() -> None:
    long = []
    for _, path, tree in modules():
        lines = path.read_text().count("\n")
        if lines > LONGEST.get(path.name, 250):
            long.append(f"{path.name}: {lines} lines")
        long += [
            f"{path.name}:{node.lineno} {node.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 45
        ]
    assert long == []


HEAVY = (
    "azure",
    "deltalake",
    "fsspec",
    "pandas",
    "pyarrow",
    "pyspark",
    "azure",
    "obstore",
    "psycopg",
    "apprise",
    "cronsim",
    "duckdb",
    "sqlglot",
    "pydantic",
    "ruamel",
    "requests",
    "rich",
    "email_validator",
    "sqlite3",
)


@pytest.mark.parametrize("heavy", HEAVY)
def test_help_takes_no_engine_along(heavy: str) -> None:
    program = f"import sys; import reconciler.cli.main; sys.exit('{heavy}' in sys.modules)"
    # What measures coverage starts with the process and takes sqlite3 along.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    assert subprocess.run([sys.executable, "-c", program], env=environ, check=False).returncode == 0
