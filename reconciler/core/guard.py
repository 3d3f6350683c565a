"""Decides what must not happen: RULES, each a function from the facts of one export to the reasons that block it.

One evaluator judges before the first write. What can grow later cannot grow unseen: the people pushed are those judged.
Each reason says what is wrong and where, and who can mend it and where.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from reconciler.core.model import CEILING, Bound, Count, Percent
from reconciler.core.plan import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.model import Connection
    from reconciler.core.plan import Counts
    from reconciler.core.roster import Entry


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules know of one export. `people` counts distinct people over all exports of the connection.

    `removals` counts people who would be taken off a list; `members` and `recognised` speak of the export's segments in
    order; `failure` says why the source could not be read; `total` is the source's own count where reading was cut.
    """

    entry: Entry
    connection: Connection | None
    people: int = 0
    counts: Counts | None = None
    removals: int = 0
    updates: int = 0
    members: tuple[int, ...] = ()
    recognised: tuple[bool, ...] = ()
    failure: str = ""
    total: int | None = None
    wrong: Mapping[str, int] = field(default_factory=dict)

    @property
    def recorded(self) -> int:
        """People that the last run left recorded."""
        return self.entry.recorded.people if self.entry.recorded else 0


def judge(facts: Facts) -> tuple[Reason, ...]:
    """Evaluate every rule; no reason means that the export may go."""
    return tuple(reason for rule in RULES for reason in rule(facts))


def connection_gone(facts: Facts) -> Iterator[Reason]:
    """Without its connection there is no key to take people off their lists with."""
    if facts.connection is None:
        yield Reason(
            "connection-gone",
            "its connection is not declared any more, and its people are still on the lists",
            mend="an administrator restores the connection until every export over it is retired",
        )


def consent(facts: Facts) -> Iterator[Reason]:
    """Nothing goes over a connection without an administrator's consent."""
    connection = facts.connection
    if connection is None or (connection.consent is not None and connection.consent.accepted):
        return
    yield Reason(
        "consent",
        f"nobody has accepted that personal data goes over {connection.name}",
        connection.marks.at("spec", "consent", "accepted"),
        f"an administrator accepts it with `reconciler consent {connection.name}`, or `accepted: true` at",
        connection.marks.at("spec", "consent"),
    )


def consent_covers(facts: Facts) -> Iterator[Reason]:
    """Refuse every field that the consent does not name."""
    connection, export = facts.connection, facts.entry.export
    if connection is None or export is None or connection.consent is None or not connection.consent.accepted:
        return
    covered = set(connection.consent.fields)
    for match in export.match:
        if match.field not in covered:
            yield Reason(
                "consent-field",
                f"consent does not cover {match.field}",
                export.marks.at("spec", "match", match.field),
                "an administrator adds it at",
                connection.marks.at("spec", "consent", "fields"),
            )


def email_required(facts: Facts) -> Iterator[Reason]:
    """Autopilot tells contacts apart by Email; one without makes a new contact each time."""
    export = facts.entry.export
    if export is not None and all(match.field != "Email" for match in export.match):
        yield Reason(
            "email-required",
            "no column is matched to Email",
            export.marks.at("spec", "match"),
            "a contributor adds `Email: COLUMN` there",
        )


def source_readable(facts: Facts) -> Iterator[Reason]:
    """Tell a source that fails from one without people."""
    export = facts.entry.export
    if facts.failure and export is not None:
        yield Reason(
            "source",
            facts.failure,
            export.marks.at("spec", "source"),
            "nobody is removed for it; run again when the source can be read",
        )


def segments_present(facts: Facts) -> Iterator[Reason]:
    """Take a segment that is missing or empty for a failure, not for a wish to remove everybody."""
    export = facts.entry.export
    if export is None or facts.failure:
        return
    for index, size in enumerate(facts.members):
        use = export.segments[index]
        if size or export.allow_empty:
            continue
        known = facts.recognised[index]
        yield Reason(
            "empty-segment" if known else "missing-segment",
            f"segment {use.segment} has no members" if known else f"the source knows no segment for {use.segment}",
            export.marks.at("spec", "segments", index),
            "nobody is removed for it; if nobody is meant, a contributor sets `allowEmpty: true` at",
            export.marks.at("spec"),
        )


def cap(facts: Facts) -> Iterator[Reason]:
    """Distinct people over all exports of a connection: at most 100,000, or what the contract allows."""
    connection, export = facts.connection, facts.entry.export
    if connection is None or export is None or facts.counts is None:
        return
    limit = min(connection.limit, CEILING)
    sends = facts.counts.create + facts.counts.update > 0
    if facts.total is None and (facts.people <= limit or not sends):
        return
    people = f"{facts.people:,}" if facts.total is None else f"more than {limit:,} (the segments hold {facts.total:,})"
    yield Reason(
        "cap",
        f"{people} people over {connection.name}, and it may hold {limit:,}",
        export.marks.at("spec", "segments"),
        "a contributor narrows the segments; the limit stands at",
        connection.marks.at("spec", "limits", "profiles"),
    )


def removals(facts: Facts) -> Iterator[Reason]:
    """Many people leaving at once is more often a broken source than a wish."""
    export = facts.entry.export
    if export is None or facts.counts is None:
        return
    yield from _bounded("removals", "maxRemovals", "would be taken off a list", facts, facts.removals)


def updates(facts: Facts) -> Iterator[Reason]:
    """Many people changing at once is more often a broken column than a wish."""
    export = facts.entry.export
    if export is None or facts.counts is None:
        return
    yield from _bounded("updates", "maxUpdates", "would be changed", facts, facts.updates)


def protected(facts: Facts) -> Iterator[Reason]:
    """Protection is remembered in the state, so that deleting the block does not lift it."""
    entry = facts.entry
    if entry.export is None and entry.recorded is not None and entry.recorded.protected:
        yield Reason(
            "protected",
            f"{entry.name} is protected, and its declaration is gone",
            mend="a contributor restores it, sets `protected: false`, and deletes it after a run has seen that",
        )


RULES = (
    connection_gone,
    consent,
    consent_covers,
    email_required,
    source_readable,
    segments_present,
    cap,
    removals,
    updates,
    protected,
)


def _bounded(rule: str, key: str, what: str, facts: Facts, number: int) -> Iterator[Reason]:
    export = facts.entry.export
    assert export is not None
    bound = export.safety.max_removals if rule == "removals" else export.safety.max_updates
    if number <= allowed(bound, facts.recorded):
        return
    mark = export.marks.at("spec", "safety", key)
    share = f", {number / facts.recorded:.0%} of {facts.recorded:,}" if facts.recorded else ""
    yield Reason(
        rule,
        f"{number:,} people {what}{share}; {key} is {_written(bound)}",
        mark,
        f"a contributor looks at the source first; to let it pass, `{key}` is raised at",
        mark,
    )


def allowed(bound: Bound, recorded: int) -> float:
    """Give how many people a bound lets pass; a share of nobody is nobody."""
    match bound:
        case Percent(value):
            return recorded * value / 100
        case Count(value):
            return value
        case _:
            assert_never(bound)


def _written(bound: Bound) -> str:
    match bound:
        case Percent(value):
            return f"{value:g}%"
        case Count(value):
            return f"{value:,}"
        case _:
            assert_never(bound)
