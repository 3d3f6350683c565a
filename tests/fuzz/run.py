"""Runs the targets for a time: guided by coverage through atheris, or by hypothesis where there is none.

`python -m fuzz.run SECONDS [TARGET…]` shares the time over the targets. What was learnt is kept in `.fuzz/` and taken
up again; what breaks a target is kept in `.fuzz/found/`, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

LIBRARIES = {"manifest": ("ruamel",), "predicate": ("sqlglot",), "values": ("email_validator",)}
"""Whose branches guide a target too, besides our own: what reads the input first."""
LEARNT = Path(__file__).resolve().parent.parent.parent / ".fuzz"
GUIDED = importlib.util.find_spec("atheris") is not None
LONGEST = 4096
"""Bytes of an input."""
SLOWEST = 10
"""Seconds that one input may take: more is a finding."""
MEGABYTES = 3000
ROUND = 50
"""Inputs that hypothesis tries between two looks at the clock."""
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # a file system on which durability is free
WORD = re.compile(rb"\w+|[^\w\s]+")


def main() -> int:
    """Run one target in this process, or each in one of its own; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=int)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--here", action="store_true", help="run the one target in this process")
    asked = parser.parse_args()
    if asked.here:
        return here(asked.targets[0], asked.seconds)
    targets = asked.targets or sorted(path.name for path in (Path(__file__).parent / "corpus").iterdir())
    how = "atheris, guided by coverage" if GUIDED else "hypothesis, because atheris cannot be had here"
    each = max(1, asked.seconds // len(targets))
    say(f"{len(targets)} targets, {each} s each, by {how}")
    broken = [target for target in targets if apart(target, each)]
    for target in broken:
        say(f"{target}: broken; see {LEARNT.name}/found/, mend it, and keep the input in tests/fuzz/corpus/{target}/")
    return bool(broken)


def say(line: str) -> None:
    """Write a line at once, in order with what the other processes write."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def apart(target: str, seconds: int) -> int:
    """Run a target in a process of its own: what breaks one stops no other. Gives its exit code."""
    say(f"\n== {target}")
    return subprocess.run([sys.executable, "-m", "fuzz.run", str(seconds), target, "--here"], check=False).returncode


def here(target: str, seconds: int) -> int:
    """Run a target in this process."""
    for folder in (LEARNT / target, LEARNT / "found"):
        folder.mkdir(parents=True, exist_ok=True)
    return guided(target, seconds) if GUIDED else unguided(target, seconds)


def guided(target: str, seconds: int) -> int:
    """Let atheris find its way; it ends the process itself."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["reconciler", *LIBRARIES.get(target, ())]):
        targets = importlib.import_module("fuzz.targets")
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY) as name:
        folder = Path(name)
        words = folder / "words"
        words.write_bytes(dictionary(targets.cases(target)))
        (folder / "own").mkdir()
        with targets.TARGETS[target](folder / "own") as one:
            options = [
                f"-max_total_time={seconds}",
                f"-max_len={LONGEST}",
                f"-timeout={SLOWEST}",
                f"-rss_limit_mb={MEGABYTES}",
                f"-dict={words}",
                f"-artifact_prefix={LEARNT / 'found' / target}-",
                "-print_final_stats=1",
                "-verbosity=1",
            ]
            atheris.Setup([sys.argv[0], *options, str(LEARNT / target), str(targets.CORPUS / target)], one)
            atheris.Fuzz()
    return 0


def dictionary(cases: list[Path]) -> bytes:
    """Give the words of the corpus as libFuzzer reads them."""
    words = {word for case in cases for word in WORD.findall(case.read_bytes()) if 1 < len(word) <= 40}
    quoted = ("".join(f"\\x{byte:02x}" for byte in word) for word in sorted(words))
    return "".join(f'"{word}"\n' for word in quoted).encode()


def unguided(target: str, seconds: int) -> int:
    """Cut the corpus into pieces, join and change them, until the time is over or something breaks."""
    targets = importlib.import_module("fuzz.targets")
    seeds = [case.read_bytes() for case in targets.cases(target)]
    until, tried, last = time.monotonic() + seconds, 0, b""
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY) as name, targets.TARGETS[target](Path(name)) as one:

        def counted(data: bytes) -> None:
            nonlocal tried, last
            tried, last = tried + 1, data
            one(data)

        try:
            while time.monotonic() < until:
                explored(seeds, counted)
        except Exception:
            found = LEARNT / "found" / f"{target}-crash-{hashlib.sha256(last).hexdigest()}"
            found.write_bytes(last)
            raise
    say(f"{tried:,} inputs, nothing found")
    return 0


def explored(seeds: list[bytes], one: Callable[[bytes], None]) -> None:
    """Try some inputs; the last one tried before an exception is the smallest that raises it."""
    words = sorted({word for seed in seeds for word in WORD.findall(seed)})
    piece = st.one_of(st.sampled_from(seeds), st.sampled_from(words or [b" "]), st.binary(max_size=8))
    cut = st.tuples(piece, st.integers(0, LONGEST), st.integers(0, LONGEST)).map(lambda it: it[0][it[1] : it[2]])
    changed = st.tuples(st.sampled_from(seeds), st.integers(0, 400), st.integers(0, 20), piece).map(
        lambda it: it[0][: it[1]] + it[3] + it[0][it[1] + it[2] :]
    )
    inputs = st.one_of(changed, st.lists(st.one_of(piece, cut), max_size=12).map(b"".join))
    how = settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    how(given(inputs)(one))()


if __name__ == "__main__":
    sys.exit(main())
