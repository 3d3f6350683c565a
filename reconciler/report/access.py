"""Decides how the outcome of `authorize` reads as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.report.diagnostics import diagnostic_objects
from reconciler.report.escape import FORMAT, dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.core.diagnostics import Diagnostic
    from reconciler.core.roles import Role


def access_json(
    actors: Iterable[tuple[str, Role]], diagnostics: Sequence[Diagnostic], *, base: str, head: str, allowed: bool
) -> str:
    """Give whether the change is allowed, who was judged in which role, and what stands against it."""
    return dumps(
        {
            "format": FORMAT,
            "command": "authorize",
            "allowed": allowed,
            "base": base,
            "head": head,
            "actors": [{"name": name, "role": role.value} for name, role in actors],
            "diagnostics": diagnostic_objects(diagnostics),
        }
    )
