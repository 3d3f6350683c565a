"""Who is sent for one export: everybody else is left out for one reason, and counted once."""

from __future__ import annotations

import json
import random
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.addresses import AddressBook
from reconciler.core.digest import Digests
from reconciler.core.model import Export, FieldKind, FieldMatch, PersonConsent, SegmentUse
from reconciler.core.people import Gathered, Judge, consents, wanted_columns
from reconciler.core.plan import EXCLUSIONS
from reconciler.destinations.autopilot_wire import AutopilotWire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.core.ports import Row

BOOK, DIGESTS = AddressBook(), Digests(b"k" * 32)
AGREES = PersonConsent("agrees", "true")
FIELDS = (
    FieldMatch("FirstName", "first"),
    FieldMatch("Email", "email"),
    FieldMatch("Income", "income", FieldKind.INTEGER),
)
ADDRESSES = [
    None,
    "",
    " ",
    7,
    "not one",
    "one@example.com",
    " ONE@Example.com\t",
    "two@example.com",
    "three@example.com",
]


def declared(consent: PersonConsent | None = AGREES) -> Export:
    uses = (SegmentUse("first", "first"), SegmentUse("second", "second"))
    return Export("newsletter", "profiles", "account", FIELDS, uses, consent=consent)


def gather(
    rows: Sequence[Row], *, export: Export | None = None, limit: int = 100, chunk: int = 3, keep: bool = True
) -> Gathered:
    judge = Judge(
        export or declared(),
        path=AutopilotWire().field,
        addresses=BOOK,
        digests=DIGESTS,
        suppressed=frozenset({DIGESTS.person("three@example.com")}),
        limit=limit,
        keep=keep,
    )
    return judge.gather(rows[i : i + chunk] for i in range(0, len(rows), chunk))


profiles = st.lists(
    st.tuples(
        st.integers(0, 30).map(str),
        st.integers(1, 3),
        st.sampled_from(ADDRESSES),
        st.sampled_from(["Blue", "Grün", None]),
        st.sampled_from(["60,000 ", None, "plenty", 7]),
        st.sampled_from(["true", "true", "true", "false", None, True]),
    ),
    unique_by=lambda row: row[0],
    max_size=14,
)


def address_of(row: Row) -> str | None:
    return BOOK(row[2]) if isinstance(row[2], str) else None


def left_out(row: Row) -> str | None:
    """Say, in plain words, why a profile alone is left out."""
    if not isinstance(row[2], str) or not row[2].strip():
        return "no_email"
    if address_of(row) is None:
        return "invalid_email"
    if address_of(row) == "three@example.com":
        return "suppressed"
    if row[5] != "true":
        return "no_consent"
    return "invalid_value" if row[4] == "plenty" else None


@given(profiles)
def test_every_profile_is_sent_or_counted_once(rows: list[Row]) -> None:
    found = gather(rows)
    assert set(found.excluded) == set(EXCLUSIONS)
    assert len(found.people) + sum(found.excluded.values()) == len(rows)


@given(profiles)
def test_who_is_sent_and_why_the_others_are_not(rows: list[Row]) -> None:
    refused = {address_of(row) for row in rows if left_out(row) == "no_consent"}
    good: dict[str | None, list[Row]] = {}
    for row in rows:
        if left_out(row) is None:
            good.setdefault(address_of(row), []).append(row)
    found = gather(rows)
    assert {p.address for p in found.people.values()} == good.keys() - refused
    assert {p.id for p in found.people.values()} == {min(str(r[0]) for r in good[a]) for a in good.keys() - refused}
    reasons = Counter(filter(None, map(left_out, rows)))
    reasons["duplicate"] = sum(len(twins) - 1 for twins in good.values())
    reasons["no_consent"] += len(good.keys() & refused)
    assert found.excluded == {reason: reasons[reason] for reason in EXCLUSIONS}
    assert found.wrong == ({"income": reasons["invalid_value"]} if reasons["invalid_value"] else {})


@given(profiles, st.integers(0, 2**32), st.integers(1, 20))
def test_the_choice_is_the_same_in_whatever_order_profiles_come(rows: list[Row], seed: int, chunk: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    first, second = gather(rows), gather(shuffled, chunk=chunk)
    assert first == second


@given(profiles, st.integers(0, 2**32))
def test_it_is_the_same_even_where_ids_are_not_unique(rows: list[Row], seed: int) -> None:
    alike: list[Row] = [("1", *row[1:]) for row in rows]
    shuffled = random.Random(seed).sample(alike, len(alike))
    assert gather(alike).people == gather(shuffled).people


@pytest.mark.parametrize(
    "twin", [("1", 2, "one@example.com", None, None, "true"), ("1", 1, "one@example.com", "A", None, "true")]
)
def test_twins_of_one_id_are_chosen_between_by_all_that_is_sent(twin: Row) -> None:
    rows = [row(1, "one@example.com"), twin]
    assert gather(rows) == gather(rows[::-1])


@given(profiles)
def test_contact_key_and_digest_belong_together_and_a_plan_keeps_no_address(rows: list[Row]) -> None:
    kept, plan = gather(rows), gather(rows, keep=False)
    for key, person in kept.people.items():
        assert person.address is not None
        assert person.contact is not None
        assert json.loads(person.contact)["Email"] == person.address
        assert key == DIGESTS.person(person.address)
        assert person.digest == DIGESTS.content(person.contact)
    bare = {key: person._replace(address=None, contact=None) for key, person in kept.people.items()}
    assert plan.people == bare


@given(profiles)
def test_sizes_are_those_of_the_segments_before_anybody_is_left_out(rows: list[Row]) -> None:
    masks: list[Any] = [row[1] for row in rows]
    assert gather(rows).members == (sum(m & 1 for m in masks), sum(m >> 1 for m in masks))


@pytest.mark.parametrize(
    ("equals", "value", "agreed"),
    [("true", "true", True), ("true", "True", False), ("true", "true ", False), ("true", True, False),
     (True, True, True), (True, 1, False), (True, "true", False), (True, False, False), (1, 1, True), (1, True, False),
     (1, 1.0, False), (1, Decimal(1), False), (1, "1", False), ("", None, False), (False, None, False),
     (False, 0, False), (False, False, True), ("true", None, False)],
)  # fmt: skip
def test_consent_is_the_declared_value_of_the_declared_type(equals: str | bool, value: object, agreed: bool) -> None:  # noqa: FBT001  # a case
    assert consents(PersonConsent("agrees", equals), value) is agreed


def row(number: object, address: object, agrees: object = "true", mask: int = 1) -> Row:
    return (str(number), mask, address, None, None, agrees)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_twin_who_refuses_speaks_for_the_address(order: tuple[int, int]) -> None:
    twins = [row(1, "one@example.com"), row(2, "One@Example.com", "false")]
    found = gather([twins[i] for i in order])
    assert not found.people
    assert found.excluded["no_consent"] == 2


def test_without_a_rule_nobody_is_asked() -> None:
    columns = wanted_columns(declared(consent=None))
    assert columns == ("email", "first", "income")
    found = gather([row(1, "one@example.com")[:-1]], export=declared(consent=None))
    assert [p.contact for p in found.people.values()] == [b'{"Email":"one@example.com"}']
    assert wanted_columns(declared()) == ("email", "first", "income", "agrees")


@pytest.mark.parametrize("people", [4, 5, 6, 50])
def test_reading_stops_beyond_the_limit_and_says_so(people: int) -> None:
    rows = [row(n, f"person{n}@example.com") for n in range(people)]
    found = gather(rows, limit=5, chunk=1)
    assert found.cut is (people > 5)
    assert len(found.people) == min(people, 6)


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 7])
def test_whoever_refused_does_not_count_against_the_limit(chunk: int) -> None:
    rows = [row(n, f"person{n}@example.com") for n in range(3)]
    rows += [row(7, "twin@example.com", "false"), row(8, "twin@example.com"), row(9, "last@example.com")]
    found = gather(rows, limit=4, chunk=chunk)
    assert not found.cut
    assert len(found.people) == 4


def test_the_smaller_id_stands_as_text() -> None:
    found = gather([row("9", "one@example.com", mask=2), row("10", "one@example.com", mask=1)])
    assert [(p.id, p.mask) for p in found.people.values()] == [("10", 1)]
    assert found.excluded["duplicate"] == 1
