"""Decides what a comment and an issue say of a plan that was made elsewhere, and whether they are needed at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.core.errors import ReconcilerError
from reconciler.report.escape import code
from reconciler.report.markdown import LIMIT, MARKER, plan_markdown
from reconciler.report.reread import reread
from reconciler.report.words import count

if TYPE_CHECKING:
    from reconciler.core.plan import ExportDrift, Plan

DRIFT = "<!-- reconciler:drift -->"
"""The first line of the issue, by which it is found again."""

_TITLE = "Autopilot is not as reconciler left it"
_SHOWN = 12
"""Digits of a commit."""


@dataclass(frozen=True, slots=True)
class Comment:
    """What is said, as Markdown, and whether to say it where nothing was said before."""

    body: str
    needed: bool
    title: str = ""


def commented(text: str, head: str, base: str) -> Comment:
    """Give the comment on a pull request; `text` is the plan's JSON, empty if none. Raises ReconcilerError."""
    of = f"Plan of {head[:_SHOWN]} merged into {base[:_SHOWN]}"
    if not text.strip():
        why = f"there is no plan of {code(head[:_SHOWN])}: it could not be made; the log of the workflow says why."
        return Comment(f"{MARKER}\n**reconciler plan:** {why}\n", needed=True)
    plan, checksum = reread(text)
    needed = plan.changes or bool(plan.blocked or plan.diagnostics)
    return Comment(plan_markdown(plan, checksum=checksum, of=of), needed)


def drifted(text: str) -> Comment:
    """Give the issue about a plan that was made with a look at Autopilot. Raises ReconcilerError."""
    plan, checksum = reread(text)
    if not any(connection.look for connection in plan.connections):
        raise ReconcilerError("nobody looked at Autopilot for this plan; make it with `plan --refresh`")
    exports = [export.name for export in plan.exports if export.drift is not None and _any(export.drift)]
    if not exports:
        return Comment(f"{DRIFT}\nAutopilot is as it was left.\n", needed=False, title=_TITLE)
    lead = (
        f"{DRIFT}\nWhat {count(len(exports), 'export')} left in Autopilot was changed there by hand. `reconciler apply "
        "--refresh` mends it: run the workflow *reconciler apply* with *refresh*. This issue closes itself.\n\n"
    )
    body = plan_markdown(_steady(plan), checksum=checksum, limit=LIMIT - len(lead.encode()))
    return Comment(lead + body.removeprefix(f"{MARKER}\n"), needed=True, title=_TITLE)


def _any(drift: ExportDrift) -> bool:
    lists = (one.taken_off or one.added or one.renamed or one.vanished for one in drift.lists)
    return bool(drift.contacts or any(lists))


def _steady(plan: Plan) -> Plan:
    """Leave out what differs from week to week though nothing happened: the requests that the look took."""
    return replace(plan, connections=tuple(replace(c, look=None) for c in plan.connections))
