"""The same world in every kind of source: the same people, the same exclusions, and the same bytes to the last."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.contract import COLUMNS, HELD, LOADERS, PROFILES, SEGMENTS

from reconciler.addresses import AddressBook
from reconciler.core.digest import Digests
from reconciler.core.errors import SourceError
from reconciler.core.model import Export, FieldKind, FieldMatch, PersonConsent, Segment, SegmentUse
from reconciler.core.people import Judge, wanted_columns
from reconciler.destinations.autopilot_wire import AutopilotWire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.core import ports
    from reconciler.core.people import Gathered

MATCH = (
    FieldMatch("Email", "Email"),  # in another spelling than the table has it
    FieldMatch("FirstName", "first"),
    FieldMatch("LastName", "last", clear=True),
    FieldMatch("Phone", "seen"),  # whatever it is, it goes out as text
    FieldMatch("Income", "income", FieldKind.INTEGER),
    FieldMatch("Score", "score", FieldKind.FLOAT),
    FieldMatch("Spent", "spent", FieldKind.STRING),
    FieldMatch("Spent Number", "spent", FieldKind.FLOAT),
    FieldMatch("Agreed", "agreed", FieldKind.BOOLEAN),
    FieldMatch("Born", "born", FieldKind.DATE),
)
EXPORT = Export(
    "news",
    "world",
    "account",
    MATCH,
    tuple(SegmentUse(segment.name, segment.name) for segment in SEGMENTS),
    consent=PersonConsent("agreed", equals=True),
)


CLUSTER = pytest.mark.slow, pytest.mark.timeout(900)  # it takes its time to start
PIPE = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the driver's own, left open
SLOW = {"spark": CLUSTER, "spark by a master": (*CLUSTER, PIPE)}


@pytest.fixture(scope="module", params=[pytest.param(name, marks=SLOW.get(name, ())) for name in LOADERS])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ports.Source]:
    with LOADERS[request.param](tmp_path_factory.mktemp("world"), request) as made:
        yield made


def gathered(source: ports.Source, export: Export = EXPORT, segments: Sequence[Segment] = SEGMENTS) -> Gathered:
    judge = Judge(
        export,
        path=AutopilotWire().field,
        addresses=AddressBook(),
        digests=Digests(bytes(32)),
        suppressed=frozenset(),
        limit=100_000,
        keep=True,
    )
    return judge.gather(source.members(segments, wanted_columns(export)))


@pytest.fixture(scope="module")
def reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    with LOADERS["parquet"](tmp_path_factory.mktemp("reference"), request) as made:
        return gathered(made)


def test_everybody_is_who_they_are_everywhere_to_the_last_byte(source: ports.Source, reference: Gathered) -> None:
    found = gathered(source)
    assert found.people == reference.people
    assert found.excluded == reference.excluded
    assert found.members == reference.members
    assert found.wrong == reference.wrong


def test_the_reference_is_what_the_world_says(reference: Gathered) -> None:
    held = {number for number, name in HELD if name == "VIP"} & {profile[0] for profile in PROFILES}
    assert reference.members[3] == len(held)
    assert all(reference.excluded[reason] for reason in ("no_email", "invalid_email", "duplicate", "no_consent"))
    sent = [json.loads(person.contact or b"") for person in reference.people.values()]
    assert len(sent) > 50
    assert next(contact for contact in sent if contact["Email"] == "person.359@example.com") == {
        "Email": "person.359@example.com",
        "LastName": "Hill",
        "Phone": "2026-01-16T11:30:00",
        "custom": {
            "boolean--Agreed": True,
            "date--Born": "1990-08-02",
            "float--Score": 44.875,
            "float--Spent--Number": 62.59,
            "integer--Income": 56061,
            "string--Spent": "62.59",
        },
    }


@pytest.mark.parametrize("segment", SEGMENTS, ids=lambda segment: segment.name)
def test_each_segment_alone_is_counted_as_it_is_read(source: ports.Source, segment: Segment) -> None:
    export = replace(EXPORT, segments=(SegmentUse(segment.name, segment.name),))
    assert source.count([segment]) == gathered(source, export, [segment]).members[0] > 0


def test_columns_have_the_names_of_the_world(source: ports.Source) -> None:
    assert {name.lower() for name in source.columns()} == set(COLUMNS)


def test_a_segment_that_nobody_keeps_is_not_one_that_is_empty(source: ports.Source) -> None:
    assert source.recognises(Segment("v", "world", member="VIP"))
    assert not source.recognises(Segment("v", "world", member="VI"))
    assert not source.recognises(Segment("v", "world", member="vip"))


@pytest.mark.parametrize("where", ["incme > 3", "sum(income) > 3", "first", "1; DROP TABLE people", "first = "])
def test_a_predicate_that_is_none_is_refused_in_one_line(source: ports.Source, where: str) -> None:
    segment = Segment("s", "world", where=where)
    for asked in (lambda: source.check(segment), lambda: list(source.members([segment], ["email"]))):
        with pytest.raises(SourceError) as refused:
            asked()
        assert str(refused.value).isprintable()


def test_a_column_that_is_not_there_is_told_before_anybody_is_read(source: ports.Source) -> None:
    with pytest.raises(SourceError, match=r"there is no column .emial. for the match; did you mean [Ee]mail\?"):
        list(source.members(SEGMENTS[:1], ["emial"]))


def test_what_was_read_is_told_in_one_line_without_anybody_in_it(source: ports.Source) -> None:
    told = source.snapshot(SEGMENTS)
    assert told
    assert told.isprintable()
    assert "@example" not in told
