from __future__ import annotations
import __future__

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import typer.main
from typer.testing import CliRunner

from reconciler.cli.exits import Exit
from reconciler.cli.main import app
from reconciler.core import guard
from reconciler.core.diagnostics import Marks
from reconciler.core.model import Export, FieldMatch, Percent, Safety, SegmentUse
from reconciler.core.roster import Entry, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
]
SVG = "{http://www.w3.org/2000/svg}"


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def fenced(page: str, language: str = r"\w*") -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text(page), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def code(page: str) -> Iterator[str]:
    """Every line of code: of fenced blocks, and each piece within a text."""
    for block in fenced(page):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```$", "", text(page), flags=re.MULTILINE | re.DOTALL))


def commands(page: str) -> Iterator[tuple[str, list[str]]]:
    """Every command of ours that a page shows, with the options that it gives."""
    for line in code(page):
        for command, rest in re.findall(r"(?<![\w./-])reconciler(?: -C \S+)? ([a-z]+)([^#|;&>)`,]*)", line):
            yield command, re.findall(r"(?<!\S)--?[a-zA-Z][\w-]*", rest)


def help_of(command: str) -> str:
    """Give the help of a command, of a group with that of all its own."""
    known: Any = typer.main.get_command(app)
    own = getattr(known.commands[command], "commands", {})
    shown = [CliRunner().invoke(app, [*words, "--help"]) for words in ([command], *([command, name] for name in own))]
    assert [one.exit_code for one in shown] == [0] * len(shown), command
    return "".join(one.output for one in shown)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_shown_exists_with_its_options(page: str) -> None:
    known: Any = typer.main.get_command(app)
    for command, options in commands(page):
        assert command in known.commands, f"{page}: reconciler {command}"
        said = help_of(command)
        assert [o for o in options if not re.search(rf"(?<![\w-]){o}(?![\w-])", said)] == [], f"{page}: {command}"


def test_the_readme_shows_the_whole_help() -> None:
    (block,) = [block for block in fenced("README.md", "text") if block.startswith("$ reconciler --help\n")]
    command = Path(sys.executable).with_name("reconciler")
    environ = {**os.environ, "COLUMNS": "100"}
    shown = subprocess.run([command, "--help"], capture_output=True, text=True, check=True, env=environ)
    assert block == f"$ reconciler --help\n{shown.stdout}"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text(page))
    local = [link for link in links if not link.startswith(("http://127.0.0.1", "mailto:"))]
    assert [link for link in local if not ((ROOT / page).parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_exists(page: str) -> None:
    named = {name for line in code(page) for name in re.findall(r"(?<![\w./-])[\w./-]+\.(?:py|svg|lock)\b", line)}
    named |= {name for line in code(page) for name in re.findall(r"\./(scripts/\w+)", line)}
    named |= {f"{name.replace('.', '/')}.py" for line in code(page) for name in re.findall(r"-m (scripts\.\w+)", line)}
    assert [n for n in sorted(named) if not (ROOT / n).exists() and not (ROOT / "reconciler" / n).exists()] == []


@pytest.mark.parametrize("page", [*PAGES, "docs/plan.svg", "scripts/demo.py", "scripts/picture.py", "scripts/keys.py"])
def test_no_page_names_a_machine(page: str) -> None:
    assert re.findall(r".*/(?:home|root|Users|work|opt)/.*", text(page)) == []
    assert not any(str(place) in text(page) for place in (ROOT, Path.home(), sys.prefix))


@pytest.mark.parametrize("script", ["scripts.keys", "scripts.picture"])
def test_what_is_generated_is_what_would_be_generated_now(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", script, "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_picture_can_be_read_as_text_and_loads_nothing() -> None:
    drawing = text("docs/plan.svg")
    lines = ["".join(line.itertext()) for line in ET.fromstring(drawing).iter(f"{SVG}text")]
    assert lines[0] == "$ reconciler plan"
    assert lines[-1].endswith("1 export to change.")
    assert re.findall(r"href|url\(|@import|@font-face|<script|<image", drawing) == []


def test_the_pages_know_every_exit_code() -> None:
    told = {int(number) for number in re.findall(r"^\| (\d+) \|", text("docs/exit-codes.md"), re.MULTILINE)}
    assert told == {code.value for code in Exit}
    assert {int(n) for n in re.findall(r"`(\d+)` ", text("README.md"))} <= told


def test_the_pages_know_the_default_of_safety() -> None:
    assert Safety() == Safety(Percent(20), Percent(50))
    assert "`maxRemovals` is 20% and\n`maxUpdates` is 50%" in text("docs/declarations.md")


def test_the_rule_that_shows_how_to_write_one_works() -> None:
    (block,) = fenced("CONTRIBUTING.md", "python")
    room = dict(vars(guard))
    exec(compile(block, "CONTRIBUTING.md", "exec", dont_inherit=True, flags=__future__.annotations.compiler_flag), room)

    def reasons(lists: int) -> list[str]:
        uses = tuple(SegmentUse(f"segment-{n}", f"List {n}") for n in range(lists))
        export = Export("many", "profiles", "account", (FieldMatch("Email", "email"),), uses, marks=Marks())
        facts = guard.Facts(Entry(1, "many", export, None, Mode.RUN), None)
        return [reason.rule for reason in room["lists_few"](facts)]

    assert (reasons(20), reasons(21)) == ([], ["lists-few"])


def test_the_first_project_of_the_readme_works_word_for_word(tmp_path: Path) -> None:
    shell = [block for block in fenced("README.md", "sh") if "reconciler init" in block or "reconciler plan" in block]
    lines = [line for line in "".join(shell).splitlines() if not re.match(r"reconciler (sandbox|apply)", line)]
    assert sum("reconciler" in line for line in lines) >= 3
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1"}
    script = "\n".join(["set -eu", *lines])
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 export to create." in done.stdout
