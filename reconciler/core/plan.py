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
    """Why an export is blocked or skipped: the rule, what is wrong, where, and who can mend it how and where.

    `figure` is the number of people that trips a rule which has a bound.
    """

    rule: str
    message: str
    where: Where | None = None
    mend: str = ""
    mend_at: Where | None = None
    figure: int | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """A rule that would block and was let through: for how many people, what it says, and the reason that was given."""

    rule: str
    figure: int
    message: str
    reason: str

    def __str__(self) -> str:
        """Give the sentence of the plan and of the history. Not escaped."""
        return f"{self.rule} ({self.reason}): {self.message}"


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
class ListDrift:
    """How a list of an export differs at Autopilot from what is recorded. Counts are people.

    `taken_off` are the export's own, `added` were put there by others. `renamed` is another title that it has now.
    """

    list: str
    taken_off: int = 0
    added: int = 0
    renamed: str = ""
    vanished: bool = False


@dataclass(frozen=True, slots=True)
class ExportDrift:
    """What a look found of one export: its lists, and how many of its people's contacts vanished or were replaced."""

    lists: tuple[ListDrift, ...] = ()
    contacts: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at Autopilot cost: lists that were read, and requests."""

    lists: int
    requests: int


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What a run would do for one export. `connection` is empty for a detached export.

    `snapshot` says which data was read; it is no part of the checksum, because a version may pass that changes nothing.
    """

    name: str
    connection: str
    action: Action
    reasons: tuple[Reason, ...] = ()
    profiles: Counts = Counts()
    excluded: Mapping[str, int] = field(default_factory=dict)
    segments: tuple[SegmentPlan, ...] = ()
    renamed_from: str | None = None
    notes: tuple[str, ...] = ()
    allowed: tuple[Waiver, ...] = ()
    drift: ExportDrift | None = None
    snapshot: str = ""


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
    `look` is what it took to look for drift, if that was asked for: it is done, and not among `requests`.
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
    look: Look | None = None

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
        "allowed": [[w.rule, w.figure, w.reason] for w in plan.allowed],
    }
