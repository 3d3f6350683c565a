"""The plan as frozen data: what would change, what is blocked and why, what it costs, and a checksum of all of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.diagnostics import Diagnostic, Where

EXCLUSIONS = ("no_email", "invalid_email", "duplicate", "no_consent", "suppressed", "invalid_value")
"""Why a profile is left out, in the order of the reports."""


class Action(Enum):
    """What a plan means for one export."""

    CREATE = "create"
    UPDATE = "update"
    NONE = "none"
    RETIRE = "retire"
    BLOCKED = "blocked"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an export is blocked or skipped: the rule, what is wrong, where, and who can mend it how and where."""

    rule: str
    message: str
    where: Where | None = None
    mend: str = ""
    mend_at: Where | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """People of one export. `kept` left the segment and stay, because of `onLeave: keep` or `onRetire: keep`."""

    desired: int = 0
    create: int = 0
    update: int = 0
    unchanged: int = 0
    leave: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """Memberships of one segment's list. `new` says that no list is recorded for the title yet."""

    name: str
    list: str
    members: int = 0
    add: int = 0
    remove: int = 0
    new: bool = False


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What a run would do for one export. `connection` is empty for a detached export."""

    name: str
    connection: str
    action: Action
    reasons: tuple[Reason, ...] = ()
    profiles: Counts = Counts()
    excluded: Mapping[str, int] = field(default_factory=dict)
    segments: tuple[SegmentPlan, ...] = ()
    renamed_from: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests by kind, without repetitions after a fault.

    `lists` reads or makes lists, `checks` finds out whether bulk items may carry a list, `bulk` sends up to 100 people,
    `single` one person and one list, `joins` adds and `removals` removes one membership.
    """

    lists: int = 0
    checks: int = 0
    bulk: int = 0
    single: int = 0
    joins: int = 0
    removals: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.lists + self.checks + self.bulk + self.single + self.joins + self.removals


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """What a run would do over one connection.

    `people` counts distinct people over all its exports after the run. `bulk_lists` tells whether bulk items may carry
    a list, None: not known yet, and then `requests` counts that they may and `requests_if_not` that they may not.
    """

    name: str
    display_name: str
    people: int
    limit: int
    rate: float
    requests: Requests = Requests()
    bulk_lists: bool | None = None
    requests_if_not: int = 0
    exports: tuple[ExportPlan, ...] = ()
    digest: str = ""

    @property
    def seconds(self) -> float:
        """The least time that the connection's rate allows for the requests."""
        return self.requests.total / self.rate


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` would do now. `idle` holds exports that belong to no connection's run: the detached."""

    connections: tuple[ConnectionPlan, ...]
    idle: tuple[ExportPlan, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def exports(self) -> tuple[ExportPlan, ...]:
        """Every export, by connection, the idle last."""
        return (*(e for c in self.connections for e in c.exports), *self.idle)

    @property
    def changes(self) -> bool:
        """Whether a run would send or record anything."""
        return any(e.action in {Action.CREATE, Action.UPDATE, Action.RETIRE} for e in self.exports)

    @property
    def blocked(self) -> tuple[ExportPlan, ...]:
        """The exports that a rule stops."""
        return tuple(e for e in self.exports if e.action is Action.BLOCKED)

    @property
    def checksum(self) -> str:
        """SHA-256 over canonical JSON of the plan, people by digest included: the same in every process."""
        canonical = json.dumps(
            {"connections": [_connection(c) for c in self.connections], "idle": [_export(e) for e in self.idle]},
            sort_keys=True,
            separators=(",", ":"),
        )
        return hashlib.sha256(canonical.encode()).hexdigest()


def _connection(plan: ConnectionPlan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "people": plan.people,
        "limit": plan.limit,
        "requests": plan.requests.total,
        "steps": plan.digest,
        "exports": [_export(e) for e in plan.exports],
    }


def _export(plan: ExportPlan) -> dict[str, Any]:
    counts = plan.profiles
    return {
        "name": plan.name,
        "connection": plan.connection,
        "action": plan.action.value,
        "reasons": [[r.rule, r.message] for r in plan.reasons],
        "profiles": [counts.desired, counts.create, counts.update, counts.unchanged, counts.leave, counts.kept],
        "excluded": dict(plan.excluded),
        "segments": [[s.name, s.list, s.members, s.add, s.remove] for s in plan.segments],
        "renamedFrom": plan.renamed_from,
    }
