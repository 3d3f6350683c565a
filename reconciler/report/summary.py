"""Decides what of a plan is said first, and how its cost and its outcome are put into a sentence."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from reconciler.core.plan import Action
from reconciler.report.escape import visible
from reconciler.report.words import count, duration, listing, number, pace, share

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.core.plan import ConnectionPlan, ExportPlan, Plan, Requests

_WORST_FIRST = (Action.BLOCKED, Action.RETIRE, Action.UPDATE, Action.CREATE, Action.NONE, Action.SKIPPED)
_RANK = {action: rank for rank, action in enumerate(_WORST_FIRST)}

_OUTCOMES = (
    (Action.UPDATE, "to change"),
    (Action.CREATE, "to create"),
    (Action.RETIRE, "to retire"),
    (Action.BLOCKED, "blocked"),
)


def worst_first(exports: Iterable[ExportPlan]) -> list[ExportPlan]:
    """Order exports: blocked, retired, changed, new, unchanged, skipped; alike ones stay as they stand."""
    return sorted(exports, key=lambda export: _RANK[export.action])


def worst_connections_first(plan: Plan) -> list[ConnectionPlan]:
    """Order connections by the worst of their exports."""
    return sorted(plan.connections, key=lambda c: min((_RANK[e.action] for e in c.exports), default=len(_RANK)))


def heading(connection: ConnectionPlan) -> str:
    """Give the names of a connection and how full a run leaves it. Not escaped."""
    return occupancy(connection.name, connection.display_name, connection.people, connection.limit)


def occupancy(name: str, display_name: str, people: int, limit: int) -> str:
    """Give `Autopilot, newsletter account (autopilot-marketing): 18,101 of 100,000 people, 18 %`, not escaped."""
    of = f"{number(people)} of {count(limit, 'person', 'people')}"
    return f"{titled(name, display_name)}: {of}, {share(people, limit)}"


def titled(name: str, display_name: str) -> str:
    """Give a connection's two names, or the one when they are the same. Not escaped."""
    return name if display_name in {"", name} else f"{display_name} ({name})"


def kinds(requests: Requests) -> str:
    """Give `13 requests in bulk and 12 removals`."""
    parts = (
        (requests.bulk, "request in bulk", "requests in bulk"),
        (requests.single, "single request", "single requests"),
        (requests.joins, "membership", "memberships"),
        (requests.lists, "list call", "list calls"),
        (requests.checks, "check", "checks"),
        (requests.removals, "removal", "removals"),
    )
    return listing([count(amount, one, many) for amount, one, many in parts if amount])


def cost(connection: ConnectionPlan) -> str:
    """Give the requests of a connection and the least time they take; empty when there are none."""
    if not connection.requests.total:
        return ""
    least = f"at least {duration(connection.seconds)} at {pace(connection.rate)}"
    return f"{kinds(connection.requests)}: {least}."


def assumption(connection: ConnectionPlan) -> str:
    """Say what the count of requests rests on, where it is not plain; else empty."""
    requests, otherwise = connection.requests, connection.requests_if_not
    if connection.bulk_lists is None and otherwise > requests.total:
        return (
            "Counts on bulk requests carrying their list, which the first of them finds out; if not, "
            f"{count(otherwise, 'request')} and {duration(otherwise / connection.rate)}."
        )
    if connection.bulk_lists is False and requests.single + requests.joins:
        return "Counts one request per membership: bulk requests do not carry their list."
    return ""


def looked(connection: ConnectionPlan) -> str:
    """Say what a look for drift took; empty when nobody looked."""
    if connection.look is None:
        return ""
    lists = count(connection.look.lists, "list")
    return f"Read {lists} at Autopilot, looking for drift, in {count(connection.look.requests, 'request')}."


def costs(plan: Plan) -> list[str]:
    """Give a sentence on the cost of each connection that has one, escaped, and on what it rests."""
    paid = [c for c in worst_connections_first(plan) if c.requests.total]
    named = len(paid) > 1
    lines = [visible(f"{c.name}: {cost(c)} {assumption(c)}") if named else f"{cost(c)} {assumption(c)}" for c in paid]
    return [line.strip() for line in lines]


def verdict(plan: Plan) -> str:
    """Give the one sentence that says it all, such as `1 export to change, 1 blocked`."""
    actions = Counter(export.action for export in plan.exports)
    found = [(actions[action], word) for action, word in _OUTCOMES if actions[action]]
    if not found:
        return _quiet(actions)
    (first, word), *rest = found
    parts = [f"{count(first, 'export')} {word}", *(f"{number(amount)} {word}" for amount, word in rest)]
    return f"{', '.join(parts)}."


def _quiet(actions: Counter[Action]) -> str:
    if not actions.total():
        return "No exports are declared."
    skipped = actions[Action.SKIPPED]
    if not skipped:
        return "No changes. Autopilot has what is declared."
    if not actions[Action.NONE]:
        return f"Nothing to do: {count(skipped, 'export')} skipped."
    return f"No changes in the exports that run; {number(skipped)} skipped."
