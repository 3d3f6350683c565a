"""The table of what is fuzzed. A target is opened with a folder of its own, and then takes any bytes.

It raises nothing for whatever bytes: every exception that leaves it is a finding.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fuzz import api, manifest, plan, predicate, state, values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    Opener = Callable[[Path], AbstractContextManager[Callable[[bytes], None]]]

CORPUS = Path(__file__).parent / "corpus"

TARGETS: Mapping[str, Opener] = {
    "manifest": manifest.opened,
    "predicate": predicate.opened,
    "state": state.opened,
    "plan": plan.opened,
    "answers": api.answers,
    "wire": api.wire,
    "values": values.opened,
}


def cases(target: str) -> list[Path]:
    """Give the inputs that are kept for a target: seeds, and whatever was found."""
    return sorted(path for path in (CORPUS / target).iterdir() if path.is_file())
