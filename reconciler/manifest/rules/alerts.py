"""Decides whether the targets of alerts can be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.manifest.rules.world import fault
from reconciler.manifest.words import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.diagnostics import Diagnostic
    from reconciler.manifest.rules.world import World


def notify_names(world: World) -> Iterator[Diagnostic]:
    """Refuse two targets of one name, written out or by their place."""
    for project in world.projects:
        names = [target.name for target in project.notify]
        for index, name in enumerate(names):
            if name in names[:index]:
                message = f"the name {quote(name)} stands twice; give one another name"
                yield fault(project.marks, ("spec", "notify", index, "name"), "notify-twice", message)
