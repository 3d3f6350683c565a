"""Draws docs/plan.svg from a real plan of the example, as a terminal shows it. It decides the picture's looks only.

`python -m scripts.picture` writes it; with `--check` it writes nothing, and fails when the plan reads otherwise now.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from scripts.demo import REPOSITORY, change, stage

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURE = REPOSITORY / "docs" / "plan.svg"
COLUMNS = 100
PROMPT = "$ reconciler plan"
STYLES = {"1": "b", "2": "f", "32": "g", "33": "y", "31": "r"}
"""ANSI codes that a plan uses, and the class that draws each."""

CHARACTER, LINE, MARGIN = 8.43, 20, 22
"""Pixels, for a type of 14 pixels."""

CSS = """
rect{fill:#14181f}text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d7dde6;white-space:pre}
.b{font-weight:700}.f{fill:#8793a3}.g{fill:#7fd18b}.y{fill:#f0c674}.r{fill:#ff8a80}
"""


def plan() -> str:
    """Give what a terminal is sent by `plan`, after a first apply and some changes in the data."""
    with stage() as shown:
        environ = {**shown.environ, "TERM": "xterm-256color"}
        environ.pop("NO_COLOR", None)
        environ.pop("COLUMNS", None)
        subprocess.run(shown.command("apply", "--yes"), env=environ, stdout=subprocess.DEVNULL, check=True)
        change(shown.folder / "data" / "customers.csv")
        return in_terminal(shown.command("plan"), environ)


def in_terminal(command: list[str], environ: dict[str, str]) -> str:
    """Run a command on a pseudo-terminal of COLUMNS columns, and give what it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    with subprocess.Popen(command, env=environ, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        written = b"".join(chunks(ours))
        os.close(ours)
    if process.returncode:
        raise SystemExit(f"error: `reconciler plan` left with {process.returncode}")
    return written.decode().replace("\r\n", "\n")


def chunks(handle: int) -> Iterator[bytes]:
    """Read a pseudo-terminal until its other side is closed, which Linux reports as an error."""
    while True:
        try:
            part = os.read(handle, 65536)
        except OSError:
            return
        if not part:
            return
        yield part


def spans(line: str) -> Iterator[tuple[str, str]]:
    """Split a line at its ANSI codes: (classes, text)."""
    classes = ""
    for index, part in enumerate(re.split(r"\x1b\[([0-9;]*)m", line)):
        if index % 2:
            classes = " ".join(STYLES[code] for code in part.split(";") if code in STYLES)
        elif part:
            yield classes, part


def drawn(ansi: str) -> str:
    """Give the SVG; it loads nothing, and its text can be read as text."""
    lines = [f"\x1b[2m{PROMPT}\x1b[0m", "", *ansi.rstrip("\n").split("\n")]
    width, height = round(COLUMNS * CHARACTER + 2 * MARGIN), len(lines) * LINE + 2 * MARGIN
    texts = []
    for row, line in enumerate(lines, 1):
        inner = "".join(
            f'<tspan class="{classes}">{escape(text)}</tspan>' if classes else escape(text)
            for classes, text in spans(line)
        )
        texts.append(f'<text x="{MARGIN}" y="{MARGIN + row * LINE - 5}" xml:space="preserve">{inner}</text>\n')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="What reconciler plan prints">\n<style>{CSS}</style>\n'
        f'<rect width="{width}" height="{height}" rx="8"/>\n{"".join(texts)}</svg>\n'
    )


def main() -> int:
    """Write the picture, or check it; gives the exit code."""
    fresh = drawn(plan())
    if "--check" not in sys.argv[1:]:
        PICTURE.write_text(fresh, encoding="utf-8", newline="\n")
        return 0
    if PICTURE.is_file() and PICTURE.read_text(encoding="utf-8") == fresh:
        return 0
    print("error: docs/plan.svg is not what the plan says; run `python -m scripts.picture`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
