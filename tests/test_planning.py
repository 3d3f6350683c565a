"""Judging one connection: exports are merged, judged, and merged again with the blocked ones held."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.merges import content, person_key

from reconciler.core.model import Connection, Consent, EnvSecret, Export, FieldMatch, Percent, Safety, SegmentUse
from reconciler.core.people import Gathered, Person
from reconciler.core.plan import EXCLUSIONS, Action, ConnectionPlan, ExportPlan
from reconciler.core.planning import Bench, Findings, Judged, judged
from reconciler.core.record import Claim, RecordedExport
from reconciler.core.roster import Entry, Mode, Roster

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FREELY = Safety(Percent(100), Percent(100))


@dataclass(frozen=True)
class Declared:
    """One export as a test tells it: who is wanted, who is recorded, and what its rules are."""

    wants: frozenset[int] = frozenset()
    holds: frozenset[int] = frozenset()
    fields: tuple[str, ...] = ("Email",)
    safety: Safety = FREELY
    mode: Mode = Mode.RUN
    keep_leavers: bool = False
    keep_retired: bool = False
    protected: bool = False
    failure: str = ""
    total: int | None = None
    content: int = 1


def people(*numbers: int | range) -> frozenset[int]:
    return frozenset(n for each in numbers for n in (each if isinstance(each, range) else (each,)))


def bench(exports: Mapping[str, Declared], limit: int = 10, fields: Iterable[str] = ("Email",)) -> Bench:
    entries, findings, claims = [], {}, []
    for number, (name, each) in enumerate(exports.items(), 1):
        use = SegmentUse("all", "all")
        match = tuple(FieldMatch(field, field.lower()) for field in each.fields)
        export = Export(name, "profiles", "account", match, (use,), safety=each.safety, keep_leavers=each.keep_leavers)
        past = RecordedExport(number, name, len(each.holds), each.protected, each.keep_retired, {"all": ("all", 1)})
        gone = each.mode is Mode.RETIRE
        entries.append(
            Entry(
                number,
                name,
                None if gone else export,
                past if each.holds or gone else None,
                each.mode,
                () if gone else (1,),
            )
        )
        found = {person_key(n): Person(str(n), 1, content(each.content), None, None) for n in each.wants}
        gathered = Gathered(found, dict.fromkeys(EXCLUSIONS, 0), (max(len(found), 1),), {}, cut=each.total is not None)
        if each.mode is Mode.RUN:
            findings[number] = (
                Findings(None, failure=each.failure) if each.failure else Findings(gathered, (True,), total=each.total)
            )
        claims += [Claim(person_key(n), number, content(1), (1,)) for n in each.holds]
    consent = Consent(accepted=True, fields=tuple(fields))
    connection = Connection("account", "Account", EnvSecret("KEY"), "https://api.example.com", limit, 20, consent)
    rolled = Roster(tuple(entries), {1: "all"}, frozenset())
    return Bench("account", connection, rolled, findings, lambda: iter(sorted(claims)), keyed=True, bulk_lists=True)


def plan(exports: Mapping[str, Declared], **about: object) -> tuple[ConnectionPlan, dict[str, ExportPlan]]:
    found = judged(bench(exports, **about))  # type: ignore[arg-type]  # arguments of bench
    return found.plan, {each.name: each for each in found.plan.exports}


def rules(export: ExportPlan) -> list[str]:
    return [reason.rule for reason in export.reasons]


@pytest.mark.parametrize(
    ("first", "second", "trips"),
    [(range(10), range(10), False), (range(10), range(5, 10), False), (range(5), range(5, 10), False),
     (range(11), range(11), True), (range(6), range(5, 11), True), (range(6), range(6, 11), True)],
)  # fmt: skip
def test_the_cap_counts_a_person_of_two_exports_once(first: range, second: range, trips: bool) -> None:  # noqa: FBT001  # a case
    whole, exports = plan({"a": Declared(people(first)), "b": Declared(people(second))})
    assert whole.people == len({*first, *second})
    assert [rules(each) for each in exports.values()] == ([["cap"], ["cap"]] if trips else [[], []])
    assert whole.requests.total == (0 if trips else 1)


def test_the_cap_counts_whoever_stays_because_of_keep() -> None:
    kept = Declared(people(range(3)), people(range(3, 9)), keep_leavers=True)
    whole, _ = plan({"a": kept})
    assert whole.people == 9
    _, exports = plan({"a": kept, "b": Declared(people(9, 10))})
    assert {name for name, each in exports.items() if each.action is Action.BLOCKED} == {"a", "b"}


def test_who_leaves_makes_room_in_the_same_run() -> None:
    whole, exports = plan({"a": Declared(people(range(10, 20)), people(range(10)))})
    assert whole.people == 10
    assert exports["a"].action is Action.UPDATE


def test_a_blocked_export_does_not_stop_another() -> None:
    _, exports = plan({"a": Declared(people(range(3)), fields=("Email", "Phone")), "b": Declared(people(range(5)))})
    assert (exports["a"].action, rules(exports["a"])) == (Action.BLOCKED, ["consent-field"])
    assert exports["b"].action is Action.CREATE


@pytest.mark.parametrize(
    "stopped",
    [Declared(people(range(20, 28)), fields=("Email", "Phone")), Declared(people(range(20, 40)), total=20),
     Declared(people(range(20, 28)), people(range(30, 33)), safety=Safety(Percent(20), Percent(50)))],
)  # fmt: skip
def test_people_of_a_blocked_export_do_not_push_another_over_the_cap(stopped: Declared) -> None:
    whole, exports = plan({"a": stopped, "b": Declared(people(range(5)))})
    assert exports["a"].action is Action.BLOCKED
    assert exports["b"].action is Action.CREATE
    assert whole.requests.total == 1


def test_a_blocked_export_keeps_its_recorded_people_in_the_count() -> None:
    stopped = Declared(people(0), people(range(6)), safety=Safety(Percent(20), Percent(50)))
    _, exports = plan({"a": stopped, "b": Declared(people(range(20, 25)))})
    assert rules(exports["a"]) == ["removals"]
    assert rules(exports["b"]) == ["cap"]


def test_removals_that_a_blocked_export_holds_back_do_not_block_another() -> None:
    careful = Safety(Percent(20), Percent(50))
    shared = people(range(10))
    _, exports = plan(
        {"a": Declared(people(9), shared, fields=("Email", "Phone")), "b": Declared(people(9), shared, safety=careful)}
    )
    assert rules(exports["a"]) == ["consent-field"]
    assert exports["b"].action is Action.UPDATE
    assert exports["b"].segments[0].remove == 0


def test_a_limit_below_what_is_recorded_lets_people_leave_and_nobody_come() -> None:
    held = people(range(20))
    _, exports = plan({"a": Declared(people(range(15)), held)})
    assert (exports["a"].action, exports["a"].profiles.leave) == (Action.UPDATE, 5)
    _, exports = plan({"a": Declared(people(range(15)), held), "b": Declared(people(range(3)))})
    assert rules(exports["b"]) == ["cap"]
    assert exports["a"].action is Action.UPDATE


def test_a_source_that_fails_holds_its_people() -> None:
    whole, exports = plan({"a": Declared(holds=people(range(6)), failure="people.csv: cannot be read")})
    assert rules(exports["a"]) == ["source"]
    assert (whole.people, whole.requests.total, exports["a"].profiles.kept) == (6, 0, 6)


def test_exports_that_do_not_run_are_skipped_and_counted() -> None:
    whole, exports = plan(
        {"a": Declared(people(1), people(range(6)), mode=Mode.HOLD), "b": Declared(people(range(4, 9)))}
    )
    assert exports["a"].action is Action.SKIPPED
    assert whole.people == 9


@pytest.mark.parametrize(
    ("keep", "protected", "action", "removals"),
    [(False, False, Action.RETIRE, 6), (True, False, Action.RETIRE, 0), (False, True, Action.BLOCKED, 0)],
)
def test_retiring(keep: bool, protected: bool, action: Action, removals: int) -> None:  # noqa: FBT001  # cases
    gone = Declared(holds=people(range(6)), mode=Mode.RETIRE, keep_retired=keep, protected=protected)
    whole, exports = plan({"a": gone, "b": Declared(people(8))})
    assert exports["a"].action is action
    assert whole.requests.removals == removals
    assert exports["b"].action is Action.CREATE


def test_without_its_connection_everything_stays() -> None:
    orphan = dataclasses.replace(bench({"a": Declared(holds=people(range(6)), mode=Mode.RETIRE)}), connection=None)
    found = judged(orphan)
    assert rules(found.plan.exports[0]) == ["connection-gone"]
    assert (found.plan.exports[0].action, found.plan.requests.total) == (Action.BLOCKED, 0)
    assert not list(found.merge.steps(orphan.claims()))


sets = st.frozensets(st.integers(0, 14))
anything = st.builds(
    Declared,
    wants=sets,
    holds=sets,
    fields=st.sampled_from([("Email",), ("Email",), ("Email", "Phone")]),
    safety=st.builds(
        Safety, st.sampled_from([Percent(20), Percent(100)]), st.sampled_from([Percent(50), Percent(100)])
    ),
    mode=st.sampled_from([Mode.RUN, Mode.RUN, Mode.HOLD, Mode.RETIRE]),
    keep_leavers=st.booleans(),
    keep_retired=st.booleans(),
    protected=st.booleans(),
    failure=st.sampled_from(["", "", "cannot be read"]),
    content=st.sampled_from([1, 2]),
)


@given(st.lists(anything, min_size=1, max_size=4), st.integers(3, 15))
def test_what_goes_breaks_no_rule_and_what_is_blocked_stays(declared: list[Declared], limit: int) -> None:
    exports = dict(zip("abcd", declared, strict=False))
    found: Judged = judged(bench(exports, limit))
    stage = bench(exports, limit)
    held = {e.number for e in found.roster.entries if e.number in found.held}
    after: dict[bytes, set[int]] = {}
    before = {(c.key, c.export): c for c in stage.claims()}
    for key, _, claims in found.merge.pairs(stage.claims()):
        after[key] = {claim.export for claim in claims}
        kept = {c.export: c for c in claims if c.export in held}
        assert kept == {number: before[key, number] for number in held if (key, number) in before}
    sends = [e for e in found.plan.exports if e.action in {Action.CREATE, Action.UPDATE}]
    grows = any(e.profiles.create or e.profiles.update for e in sends)
    assert not grows or sum(map(bool, after.values())) <= limit
    for export in found.plan.exports:
        assert bool(export.reasons) is (export.action in {Action.BLOCKED, Action.SKIPPED})
        assert "Phone" not in exports[export.name].fields or export.action not in {Action.CREATE, Action.UPDATE}
