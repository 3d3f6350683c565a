"""Decides what must not happen: RULES, each a function from the facts of one export to the reasons that block it.

One evaluator judges before the first write. What can grow later cannot grow unseen: the people pushed are those judged.
Each reason says what is wrong and where, and who can mend it and where.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING

from reconciler.core.allow import WAIVABLE
from reconciler.core.bounds import allowed, written
from reconciler.core.model import CEILING
from reconciler.core.plan import Reason, Waiver

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.allow import Allowance
    from reconciler.core.model import Connection
    from reconciler.core.plan import Counts
    from reconciler.core.roster import Entry


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules know of one export. `people` counts distinct people over all exports of the connection.

    `removals` counts people who would be taken off a list, `updates` those whose fields would be sent anew: a
    membership still to be made, as after a run that was cut off, is none. `members` and `recognised` speak of the
    export's segments in order; `failure` says why the source could not be read; `total` is the source's own count where
    reading was cut. `allowances` has what a person lets pass of the export's rules, by rule.
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
    allowances: Mapping[str, Allowance] = field(default_factory=dict)

    @property
    def recorded(self) -> int:
        """People that the last run left recorded."""
        return self.entry.recorded.people if self.entry.recorded else 0


def judge(facts: Facts) -> tuple[Reason, ...]:
    """Evaluate every rule; no reason means that the export may go."""
    return verdict(facts)[0]


def verdict(facts: Facts) -> tuple[tuple[Reason, ...], tuple[Waiver, ...]]:
    """Evaluate every rule: what blocks the export, and what would have and is let through, up to its figure."""
    blocking: list[Reason] = []
    waived: list[Waiver] = []
    for reason in (reason for rule in RULES for reason in rule(facts)):
        allowance = facts.allowances.get(reason.rule) if reason.rule in WAIVABLE else None
        if allowance is None or reason.figure is None:
            blocking.append(reason)
        elif allowance.covers(reason.figure):
            waived.append(Waiver(reason.rule, reason.figure, reason.message, allowance.reason))
        else:
            blocking.append(replace(reason, message=f"{reason.message}; only {allowance.figure:,} were let through"))
    return tuple(blocking), tuple(waived)


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
        f"an administrator accepts it with `reconciler consent {connection.name} --by WHO --fields FIELD,…`, at",
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
            "nobody is removed for it; mend the source, or what is declared of it, and run again",
        )


def segments_present(facts: Facts) -> Iterator[Reason]:
    """Take a segment that is missing or empty for a failure, not for a wish to remove everybody."""
    export = facts.entry.export
    if export is None or facts.failure or facts.total is not None:  # read by half, it says nothing about a segment
        return
    for index, size in enumerate(facts.members):
        use, known = export.segments[index], facts.recognised[index]
        if size or (known and export.allow_empty):
            continue
        lift = "if nobody is meant, a contributor sets `allowEmpty: true` at"
        lift = lift if known else "a contributor mends the name, or takes the segment out, at"
        yield Reason(
            "empty-segment" if known else "missing-segment",
            f"segment {use.segment} has no members" if known else f"the source knows no segment for {use.segment}",
            export.marks.at("spec", "segments", index),
            f"nobody is removed for it; {lift}",
            export.marks.at("spec") if known else export.marks.at("spec", "segments", index),
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
    if export is None or facts.counts is None or facts.total is not None:  # whoever was not read has not left
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
    # Rounded up, so that what is over the bound never looks as if it were not.
    share = f", {ceil(1000 * number / facts.recorded) / 10:g}% of {facts.recorded:,}" if facts.recorded else ""
    yield Reason(
        rule,
        f"{number:,} people {what}{share}; {key} is {written(bound)}",
        mark,
        f"a contributor looks at the source first; to let it pass: once `--allow {export.name}:{rule}=REASON`, "
        f"always a higher `{key}` at",
        mark,
        number,
    )
