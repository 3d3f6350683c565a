"""What a source is handed of the world around it. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from reconciler.core.model import SecretRef
    from reconciler.core.ports import Clock


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The project's folder and the other folders that data may lie in, the environment, and the clock.

    `secret` fetches a secret by what is declared of it; raises SecretMissing, SourceError. `stop` says that the run is
    to end.
    """

    root: Path
    roots: tuple[Path, ...]
    environ: Mapping[str, str]
    clock: Clock
    secret: Callable[[SecretRef], str]
    stop: Callable[[], bool]
