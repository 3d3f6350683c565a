"""Shows the main job on a copy of the example project, against the sandbox, and checks that each step did as it says.

Nothing outside of a temporary folder is written, and nothing is reached but loopback.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parent.parent
DECLARED = "http://127.0.0.1:8787/v1"
"""The sandbox's address in the example's connection; a free port takes its place in the copy."""


class DemoError(Exception):
    """What is shown is not what was promised, or cannot be shown; one line."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command, what to look at in what it prints, and whether it sends anything to the sandbox."""

    command: tuple[str, ...]
    look: str
    sends: bool = False


FIRST = (
    Step(("validate",), "every declaration, every column and every predicate was checked, without the network."),
    Step(("plan",), "who would go to which list, who is left out and why, and what it costs; nothing was sent."),
    Step(("apply", "--yes"), "the requests: 100 people in each, and the lists on the page are full now.", sends=True),
)
THEN = (
    Step(("plan",), "+ who joins, ~ whose value changed, - who left or withdrew consent; all others are unchanged."),
    Step(("apply", "--yes"), "only what changed was sent: see who is gone from the lists on the page.", sends=True),
    Step(("apply", "--yes"), "no changes: the sandbox counted no request at all."),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A copy of the example project in `folder`, and the sandbox at `url` that it goes to."""

    folder: Path
    url: str
    environ: dict[str, str]

    @property
    def page(self) -> str:
        """The page that shows the lists."""
        return self.url.removesuffix("v1")

    def command(self, *words: str) -> list[str]:
        """Give the command line that runs in the copy."""
        return [console_script(), "-C", str(self.folder), *words]

    def requests(self) -> int:
        """Ask the sandbox how many requests of the API it has counted."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        try:
            connection.request("GET", "/_sandbox/requests")
            return len(json.loads(connection.getresponse().read())["requests"])
        finally:
            connection.close()


def console_script() -> str:
    """Give the path of the installed command."""
    found = shutil.which("reconciler", path=str(Path(sys.executable).parent))
    if found is None:
        raise DemoError("reconciler is not installed beside this Python; run ./scripts/demo, which does that first")
    return found


@contextmanager
def stage() -> Iterator[Stage]:
    """Copy the example, start a sandbox on a free port, and take both away at the end, however it comes."""
    with tempfile.TemporaryDirectory(prefix="reconciler-demo-") as name, sandbox() as url:
        folder = Path(name)
        for part in ("exports", "data"):
            shutil.copytree(REPOSITORY / part, folder / part)
        found = 0
        for path in (folder / "exports").rglob("*.yaml"):
            text = path.read_text(encoding="utf-8")
            found += text.count(DECLARED)
            path.write_text(text.replace(DECLARED, url), encoding="utf-8")
        if not found:
            raise DemoError(f"no connection of the example goes to {DECLARED}, so nothing would reach the sandbox")
        environ = {k: v for k, v in os.environ.items() if k not in {"RECONCILER_STATE_KEY", "GITHUB_ACTIONS"}}
        yield Stage(folder, url, {**environ, "AUTOPILOT_API_KEY": secrets.token_hex(16)})


@contextmanager
def sandbox() -> Iterator[str]:
    """Run the stand-in for Autopilot as a process of its own, and give its base URL."""
    command = [console_script(), "sandbox", "--port", "0"]
    # In a session of its own: ctrl-C in the terminal ends the demo, and the demo ends the sandbox.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise DemoError(f"the sandbox did not start: {process.stderr.read().strip()}")
            yield url
        finally:
            process.terminate()


def perform(number: int, step: Step, shown: Stage) -> None:
    """Run one command and say what to look at. Raises DemoError when it did not do what it should."""
    before = shown.requests()
    print(f"\n[{number}] $ reconciler {' '.join(step.command)}\n", flush=True)
    code = subprocess.run(shown.command(*step.command), env=shown.environ, check=False).returncode
    after = shown.requests()
    print(f"\n    Look at: {step.look}")
    print(f"    {shown.page} has counted {after} requests, {after - before} of them in this step.", flush=True)
    if code:
        raise DemoError(f"`reconciler {step.command[0]}` left with {code}")
    if step.sends != (after > before):
        raise DemoError(f"`reconciler {step.command[0]}` sent {after - before} requests")


def change(table: Path) -> list[str]:
    """Change a few people in the copied table, and say in a sentence each what was done."""
    with table.open(newline="", encoding="utf-8") as stream:
        people = list(csv.DictReader(stream))
    sound = [p for p in people if p["NewsletterConsent"] == "true" and "@" in p["EmailAddress"]]
    small = [p for p in sound if int(p["TotalChildren"]) < 2]  # noqa: PLR2004  # not a large family
    joining = [p for p in small if p["HomeOwner"] == "N"][:3]
    owners = [p for p in small if p["HomeOwner"] == "Y"]
    leaving, (changed, withdrawing) = owners[-5:-3], owners[-2:]
    for person in joining:
        person["HomeOwner"] = "Y"
    for person in leaving:
        person["HomeOwner"] = "N"
    changed["AnnualIncome"] = "123456"
    withdrawing["NewsletterConsent"] = "false"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(people[0]))
        writer.writeheader()
        writer.writerows(people)
    return [
        f"{len(joining)} people bought a house, so they join the segment home-owners",
        f"{len(leaving)} people sold theirs, so they leave it",
        "1 person has another annual income",
        "1 person withdrew consent to the newsletter",
    ]


def show(*, stay: bool) -> None:
    """Play all of it. Raises DemoError."""
    with stage() as shown:
        print(f"The sandbox stands in for Autopilot, and shows its lists at {shown.page}")
        for number, step in enumerate(FIRST, 1):
            perform(number, step, shown)
        print("\n    Now some people change in data/customers.csv:")
        for line in change(shown.folder / "data" / "customers.csv"):
            print(f"      {line}")
        for number, step in enumerate(THEN, 1 + len(FIRST)):
            perform(number, step, shown)
        print("\nAll six steps did what they promise.", flush=True)
        if stay:
            print(f"The lists stay at {shown.page} until you press Enter.", flush=True)
            sys.stdin.readline()


def main() -> int:
    """Run the demo; gives the exit code."""
    parser = argparse.ArgumentParser(description="The main job against the sandbox, on a copy of the example project.")
    parser.add_argument("--stay", action="store_true", help="leave the sandbox's page open until Enter")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that everything is taken away
    try:
        show(stay=asked.stay)
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything is taken away", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
