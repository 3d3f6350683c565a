"""The command line as a user runs it: another process, and what it printed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROGRAM = "from reconciler.cli.main import main; main()"


def reconciler(
    root: Path, *words: str, environ: Mapping[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run `reconciler -C root WORDS` without a terminal, and give what came of it."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "-C", str(root), *words],
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
