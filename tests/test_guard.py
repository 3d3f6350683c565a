"""Every rule trips exactly at its boundary, and says where and who can mend it."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.bounds import allowed
from reconciler.core.diagnostics import Marks
from reconciler.core.guard import RULES, Facts, judge
from reconciler.core.model import (
    CEILING,
    Connection,
    Consent,
    Count,
    EnvSecret,
    Export,
    FieldMatch,
    Percent,
    Safety,
    SegmentUse,
)
from reconciler.core.plan import Counts, Reason
from reconciler.core.record import RecordedExport
from reconciler.core.roster import Entry, Mode

HERE = Marks(
    "exports/news.yaml",
    {
        (): (1, 1),
        ("spec",): (4, 3),
        ("spec", "match"): (7, 3),
        ("spec", "match", "Phone"): (9, 5),
        ("spec", "segments"): (10, 3),
        ("spec", "segments", 1): (12, 5),
        ("spec", "safety", "maxRemovals"): (14, 5),
        ("spec", "safety", "maxUpdates"): (15, 5),
        ("spec", "source"): (6, 3),
    },
)
THERE = Marks(
    "exports/account.yaml",
    {
        ("spec",): (4, 3),
        ("spec", "limits", "profiles"): (8, 5),
        ("spec", "consent"): (9, 3),
        ("spec", "consent", "accepted"): (10, 5),
        ("spec", "consent", "fields"): (12, 5),
    },
)
EXPORT = Export(
    "news",
    "profiles",
    "account",
    (FieldMatch("Email", "email"), FieldMatch("Phone", "phone")),
    (SegmentUse("first", "first"), SegmentUse("second", "second")),
    marks=HERE,
)
CONNECTION = Connection(
    "account",
    "Account",
    EnvSecret("KEY"),
    "https://api.example.com",
    limit=100,
    rate=20,
    consent=Consent(accepted=True, fields=("Email", "Phone")),
    marks=THERE,
)
GOOD = Facts(
    entry=Entry(1, "news", EXPORT, RecordedExport(1, "news", 1000), Mode.RUN, (1, 2)),
    connection=CONNECTION,
    people=100,
    counts=Counts(desired=100, create=100),
    members=(60, 40),
    recognised=(True, True),
)


def facts(export: Export = EXPORT, people: int | None = 1000, **changes: object) -> Facts:
    recorded = None if people is None else RecordedExport(1, "news", people)
    entry = Entry(1, "news", export, recorded, Mode.RUN, (1, 2))
    return dataclasses.replace(GOOD, entry=entry, **changes)  # type: ignore[arg-type]  # fields of Facts


def safe(removals: Percent | Count = Percent(20), updates: Percent | Count = Percent(50)) -> Export:  # noqa: B008  # frozen
    return dataclasses.replace(EXPORT, safety=Safety(removals, updates))


def only(found: tuple[Reason, ...]) -> Reason:
    (reason,) = found
    return reason


def test_what_breaks_no_rule_may_go() -> None:
    assert judge(GOOD) == ()


@pytest.mark.parametrize(
    ("bound", "people", "removals", "trips"),
    [(Percent(20), 1000, 199, False), (Percent(20), 1000, 200, False), (Percent(20), 1000, 201, True),
     (Percent(20), 4, 1, True), (Percent(20), 5, 1, False), (Percent(0), 1000, 0, False), (Percent(0), 1000, 1, True),
     (Percent(100), 1000, 1000, False), (Percent(0.1), 1000, 1, False), (Percent(0.1), 1000, 2, True),
     (Count(7), 1000, 7, False), (Count(7), 1000, 8, True), (Count(0), 1000, 1, True), (Count(0), 1000, 0, False),
     (Percent(20), None, 0, False), (Percent(20), None, 1, True), (Percent(100), 0, 1, True)],
)  # fmt: skip
def test_removals_and_updates_trip_just_beyond_their_bound(
    bound: Percent | Count,
    people: int | None,
    removals: int,
    trips: bool,  # noqa: FBT001  # a case
) -> None:
    leaving = judge(facts(safe(removals=bound), people, removals=removals))
    changing = judge(facts(safe(updates=bound), people, updates=removals))
    assert [reason.rule for reason in leaving] == (["removals"] if trips else [])
    assert [reason.rule for reason in changing] == (["updates"] if trips else [])


@given(st.integers(0, 100_000), st.integers(0, 10_000), st.integers(0, 4))
def test_a_share_is_exact(people: int, hundredths: int, digits: int) -> None:
    share = Fraction(str(round(hundredths / 100, digits)))
    bound = allowed(Percent(float(share)), people)
    exact = people * share / 100
    assert int(exact) == int(bound)


def test_a_reason_says_how_many_of_how_many_and_where_the_bound_stands() -> None:
    reason = only(judge(facts(removals=201)))
    assert reason.message == "201 people would be taken off a list, 20.1% of 1,000; maxRemovals is 20%"
    assert str(reason.where) == str(reason.mend_at) == "exports/news.yaml:14:5"
    reason = only(judge(facts(updates=501)))
    assert str(reason.where) == "exports/news.yaml:15:5"


@pytest.mark.parametrize(("people", "trips"), [(99, False), (100, False), (101, True)])
def test_the_cap_is_that_of_the_contract(people: int, trips: bool) -> None:  # noqa: FBT001  # a case
    found = judge(dataclasses.replace(GOOD, people=people))
    assert [reason.rule for reason in found] == (["cap"] if trips else [])


@pytest.mark.parametrize(("people", "trips"), [(CEILING, False), (CEILING + 1, True)])
def test_no_contract_lifts_the_cap_above_its_ceiling(people: int, trips: bool) -> None:  # noqa: FBT001  # a case
    wide = dataclasses.replace(CONNECTION, limit=10 * CEILING)
    found = judge(dataclasses.replace(GOOD, people=people, connection=wide))
    assert [reason.rule for reason in found] == (["cap"] if trips else [])


def test_over_a_lowered_limit_people_may_still_leave() -> None:
    leaving = Counts(desired=900, unchanged=900, leave=100)
    assert judge(dataclasses.replace(GOOD, people=900, counts=leaving, removals=100)) == ()
    swapping = dataclasses.replace(leaving, update=1)
    assert only(judge(dataclasses.replace(GOOD, people=900, counts=swapping))).rule == "cap"


def test_a_source_that_was_not_read_to_its_end_is_over_the_cap_and_nothing_else() -> None:
    reason = only(judge(dataclasses.replace(GOOD, people=101, total=4321, members=(101, 0), removals=900)))
    assert reason.rule == "cap"
    assert "4,321" in reason.message
    assert str(reason.mend_at) == "exports/account.yaml:8:5"


def test_a_segment_without_members_is_a_failure_and_so_is_one_that_is_missing() -> None:
    empty = only(judge(dataclasses.replace(GOOD, members=(60, 0))))
    assert (empty.rule, str(empty.where)) == ("empty-segment", "exports/news.yaml:12:5")
    assert "second" in empty.message
    missing = only(judge(dataclasses.replace(GOOD, members=(60, 0), recognised=(True, False))))
    assert missing.rule == "missing-segment"


def test_an_empty_segment_may_be_allowed() -> None:
    lenient = dataclasses.replace(EXPORT, allow_empty=True)
    assert judge(facts(lenient, members=(0, 0))) == ()
    missing = only(judge(dataclasses.replace(facts(lenient, members=(60, 0)), recognised=(True, False))))
    assert missing.rule == "missing-segment", "what the source does not know is not empty, whatever is allowed"


def test_consent_is_never_assumed() -> None:
    for consent in (None, Consent(accepted=False, fields=("Email", "Phone"))):
        reason = only(judge(dataclasses.replace(GOOD, connection=dataclasses.replace(CONNECTION, consent=consent))))
        assert (reason.rule, str(reason.where)) == ("consent", "exports/account.yaml:10:5")
        assert str(reason.mend_at) == "exports/account.yaml:9:3"
        assert "administrator" in reason.mend


def test_every_field_is_covered_by_the_consent_or_named() -> None:
    bare = dataclasses.replace(CONNECTION, consent=Consent(accepted=True, fields=("Email",)))
    reason = only(judge(dataclasses.replace(GOOD, connection=bare)))
    assert (reason.rule, reason.message) == ("consent-field", "consent does not cover Phone")
    assert (str(reason.where), str(reason.mend_at)) == ("exports/news.yaml:9:5", "exports/account.yaml:12:5")
    nothing = dataclasses.replace(CONNECTION, consent=Consent(accepted=True))
    assert len(judge(dataclasses.replace(GOOD, connection=nothing))) == 2


def test_without_an_address_nobody_can_be_told_apart() -> None:
    nameless = dataclasses.replace(EXPORT, match=EXPORT.match[1:])
    reason = only(judge(facts(nameless)))
    assert (reason.rule, str(reason.where)) == ("email-required", "exports/news.yaml:7:3")


def test_a_source_that_fails_is_not_an_empty_one() -> None:
    reason = only(judge(facts(failure="people.csv: cannot be read", counts=None, members=())))
    assert (reason.rule, reason.message) == ("source", "people.csv: cannot be read")
    assert str(reason.where) == "exports/news.yaml:6:3"


def retiring(*, protected: bool, connection: Connection | None = CONNECTION) -> Facts:
    past = RecordedExport(1, "news", 1000, protected=protected)
    entry = Entry(1, "news", None, past, Mode.RETIRE)
    return dataclasses.replace(
        GOOD, entry=entry, connection=connection, counts=None, removals=1000, members=(), recognised=()
    )


def test_a_protected_export_is_not_retired_by_deleting_its_block() -> None:
    assert only(judge(retiring(protected=True))).rule == "protected"
    assert judge(retiring(protected=False)) == ()


def test_an_export_that_is_declared_is_not_stopped_by_its_protection() -> None:
    kept = dataclasses.replace(EXPORT, protected=True)
    past = RecordedExport(1, "news", 1000, protected=True)
    assert judge(dataclasses.replace(GOOD, entry=Entry(1, "news", kept, past, Mode.RUN, (1, 2)))) == ()


def test_without_its_connection_nobody_can_be_taken_off() -> None:
    assert only(judge(retiring(protected=False, connection=None))).rule == "connection-gone"


def test_every_rule_is_in_the_table_once_and_all_are_evaluated() -> None:
    assert len(set(RULES)) == len(RULES)
    bad = facts(people=10, removals=9, updates=9, members=(0, 0))
    bad = dataclasses.replace(
        bad, people=101, connection=dataclasses.replace(CONNECTION, consent=Consent(accepted=True))
    )
    rules = [reason.rule for reason in judge(bad)]
    assert rules == ["consent-field", "consent-field", "empty-segment", "empty-segment", "cap", "removals", "updates"]
