"""One project's life told by the command line alone, and all that it printed and left: what is searched for people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import swift
from support.command import PROGRAM
from support.gossip import Gossip
from support.hostile import COLUMNS, SIZE, person
from support.project import Project, connection, document, export, segment, source

from reconciler.sandbox.switches import Fault, Switches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.sandbox.server import Sandbox

KEY = "5d41402abc4b2a76b9719d911017c592"
WRONG_KEY = "7b8b965ad4bca0e41ab51de7b31363a1"
STRICT = (sys.executable, "-X", "faulthandler", "-W", "error")
FIELDS = ("Email", "FirstName", "LastName", "Phone", "Company", "Loyalty Tier")
MATCH = {
    "Email": "email",
    "FirstName": "first",
    "LastName": "last",
    "Phone": "phone",
    "Company": "company",
    "Loyalty Tier": {"column": "tier", "type": "string"},
}

DEFECTS = {
    "while it plans": """
from reconciler.addresses import AddressBook
def broken(self, raw): raise ValueError(raw)
AddressBook.__call__ = broken
""",
    "while it sends": """
from reconciler.destinations.autopilot import Autopilot
def broken(self, item, list_id): raise RuntimeError(item, self._outlet._headers)
Autopilot.push = Autopilot.put = Autopilot.join = broken
""",
    "with the key at hand": """
from reconciler.destinations import autopilot
def broken(base_url, api_key, *rest): raise KeyError(api_key)
autopilot.open_autopilot = broken
""",
    "on a thread that decodes": """
from reconciler.sources.pipes import _Pour
def broken(self, text): raise RuntimeError(text.read())
_Pour._beginning = broken
""",
    "in what is let go": """
from reconciler.core import people
from reconciler.addresses import AddressBook
class Broken(str):
    def __del__(self): raise ValueError(str(self))
judge = AddressBook.__call__
def broken(self, raw): Broken(raw); return judge(self, raw)
AddressBook.__call__ = broken
""",
    "before a command begins": """
from reconciler.cli import main as module
def broken(): raise ValueError(ADDRESS)
module.app = broken
""",
}
"""Faults of ours by where they are, each with somebody or the key in its message."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command left with, and all that it wrote to stdout and stderr."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Give both, for a message of a test."""
        return (self.out + b"\n" + self.err).decode(errors="replace")


@dataclass
class Story:
    """A tree of folders that is all a process may know, a server that gossips, and what was printed so far."""

    tree: Path
    server: Sandbox
    printed: dict[str, Printed] = field(default_factory=dict)
    rows: list[tuple[str, ...]] = field(default_factory=list)
    command_lines: list[bytes] = field(default_factory=list)
    core_limits: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gossip = Gossip(self.server)
        self.world = self.server.account(KEY)
        for name in ("home", "tmp", "config", "cache", "data", "state", "runtime", "work"):
            (self.tree / name).mkdir(mode=0o700)
        self.project = Project(self.tree / "project", self.server.url)
        self.root = self.project.root
        self.inputs = [self.root / name for name in ("people.csv", "old.csv", "suppressed.txt")]

    @property
    def environ(self) -> dict[str, str]:
        """Give the environment of every process: nothing of this machine's, nor what would measure coverage."""
        places = {f"XDG_{name.upper()}_HOME": str(self.tree / name) for name in ("config", "cache", "data", "state")}
        places |= {"HOME": str(self.tree / "home"), "TMPDIR": str(self.tree / "tmp")}
        tests = str(Path(__file__).parent.parent)
        runtime = {"XDG_RUNTIME_DIR": str(self.tree / "runtime"), "PYTHONPATH": tests, "LANG": "C.UTF-8"}
        return {"PATH": os.environ["PATH"], **places, **runtime, "AUTOPILOT_API_KEY": KEY}

    def behave(self, *faults: Fault, **switches: object) -> None:
        """Let the server be as told."""
        known = {"rate": 0, "quote_bad": True, "bulk_lists": "ignored", "faults": faults, **switches}
        self.server.switches = Switches(**known)  # type: ignore[arg-type]  # named as there

    def declare(self, *more: dict[str, Any]) -> None:
        """Write the declarations, of two exports over two sources, and more."""
        url = self.server.url
        fast = connection(url=url, fields=FIELDS, limits={"requestsPerSecond": 1000})
        agrees = {"column": "agrees", "equals": "Y"}
        self.project.declare(
            fast,
            source(),
            source("archive", "old.csv", encoding="cp1252"),
            segment("everybody", "company <> ''"),
            segment("odd", "odd = 'Y'"),
            segment("former", "odd = 'Y'", source="archive"),
            export("news", ["everybody", {"name": "odd", "list": "Odd ones"}], MATCH, consent=agrees),
            export("late", ["former"], {"Email": "email"}, source="archive", allowEmpty=True),
            document("Project", "letters", {"suppressions": "suppressed.txt"}),
            *more,
        )

    def people(self, numbers: Sequence[int], version: str = "") -> None:
        """Let these be the profiles; some were written down in the archive, and one may not be sent anything."""
        rows = [person(number, version) for number in numbers]
        self.rows += rows
        self.project.people(COLUMNS, rows)
        ascii_only = [row for row in rows if all(map(str.isascii, row))]
        self.project.people(COLUMNS, ascii_only[::3], file="old.csv")
        (self.root / "suppressed.txt").write_text(f"# by hand\n{person(SIZE - 2)[1]}\n", encoding="utf-8")

    def start(self, *words: str, swiftly: bool = False, defect: str = "", key: str = KEY) -> subprocess.Popen[bytes]:
        """Start a command, on a clock that is fast if it must wait, or with a defect in it."""
        address = f"ADDRESS = {person(0)[1]!r}\n"
        program = (
            [swift.__file__] if swiftly else ["-c", f"{address}{defect}\n{PROGRAM}"] if defect else ["-c", PROGRAM]
        )
        return subprocess.Popen(
            [*STRICT, *program, "-C", str(self.root), *words],
            env=self.environ | {"AUTOPILOT_API_KEY": key},
            cwd=self.tree / "work",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ended(self, label: str, process: subprocess.Popen[bytes], said: bytes = b"") -> Printed:
        """Wait for a process, and keep what it printed."""
        with process:
            out, err = process.communicate(said, timeout=60)
        self.printed[label] = Printed(process.returncode, out, err)
        return self.printed[label]

    def run(self, label: str, *words: str, said: bytes = b"", swiftly: bool = False, defect: str = "") -> Printed:
        """Run a command to its end."""
        return self.ended(label, self.start(*words, swiftly=swiftly, defect=defect), said)

    def look(self, commands: Mapping[str, str], defects: Mapping[str, str] | None = None) -> None:
        """Run commands that only read, beside each other."""
        broken = defects or {}
        with ThreadPoolExecutor(3) as pool:
            for each in [
                pool.submit(self.run, label, *words.split(), defect=broken.get(label, ""))
                for label, words in commands.items()
            ]:
                each.result()

    def midway(self, label: str, number: int) -> Printed:
        """Begin to apply, look at the process from outside, and end it by a signal while it sends."""
        self.gossip.begun = 0
        process = self.start("apply", "--yes")
        deadline = time.monotonic() + 60
        while self.gossip.begun < 12:
            assert process.poll() is None, "it ended too early"
            assert time.monotonic() < deadline, "it never came so far"
            time.sleep(0.002)
        self._look_at(process.pid)
        process.send_signal(number)
        return self.ended(label, process)

    def _look_at(self, pid: int) -> None:
        own = Path(f"/proc/{pid}")
        threads = [path / name for path in (own / "task").iterdir() for name in ("cmdline", "comm")]
        self.command_lines += [path.read_bytes() for path in [own / "cmdline", *threads]]
        limits = (own / "limits").read_text().splitlines()
        self.core_limits += [line for line in limits if line.startswith("Max core file size")]

    def newest(self) -> str:
        """Give the id of the last run."""
        runs = json.loads(self.run("history as JSON", "history", "--output", "json").out)["runs"]
        return str(runs[0]["id"])
