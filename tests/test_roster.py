"""Which recorded export and which list each declared one is: by name, by rename, by title."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model import Export, Segment, SegmentUse
from reconciler.core.planning import settings
from reconciler.core.record import RecordedExport, RecordedList
from reconciler.core.roster import Entry, Mode, Roster, roster

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NAMES = ("a", "b", "c")


def use(segment: str, title: str | None = None) -> SegmentUse:
    return SegmentUse(segment, title or segment, named=title is not None)


def export(name: str, *uses: SegmentUse, previous: str | None = None) -> Export:
    return Export(name, "profiles", "account", (), uses, previous_name=previous)


def segments(*names: str, previous: Mapping[str, str] | None = None) -> dict[str, Segment]:
    return {n: Segment(n, "profiles", where="true", previous_name=(previous or {}).get(n)) for n in names}


def lists(titles: Mapping[int, str]) -> list[RecordedList]:
    return [RecordedList(slot, title, f"contactlist_{slot}", made=True) for slot, title in titles.items()]


def matched(
    exports: Iterable[Export],
    recorded: Sequence[RecordedExport] = (),
    titles: Mapping[int, str] | None = None,
    *,
    known: Mapping[str, Segment] | None = None,
    idle: Mapping[str, str] | None = None,
    elsewhere: Iterable[str] = (),
) -> Roster:
    known = segments(*NAMES) if known is None else known
    return roster(exports, known, recorded, lists(titles or {}), idle or {}, dict.fromkeys(elsewhere, "detached"))


def entry(found: Roster, name: str) -> Entry:
    return next(each for each in found.entries if each.name == name)


def recorded(found: Roster, listless: Iterable[int] = ()) -> list[RecordedExport]:
    """Give what a run records of what it found."""
    return [settings(each, set(listless)) for each in found.entries if each.mode is Mode.RUN]


declared = st.lists(
    st.builds(
        export,
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from(NAMES).map(use) | st.builds(use, st.sampled_from(NAMES), st.sampled_from(["a", "x", "y"])),
        st.sampled_from(NAMES).map(use),
    ),
    unique_by=lambda each: each.name,
    max_size=3,
)


@given(declared, declared, declared)
def test_numbers_and_lists_never_change_while_names_and_titles_stay(
    first: list[Export], second: list[Export], third: list[Export]
) -> None:
    past: list[RecordedExport] = []
    titles: dict[int, str] = {}
    for exports in (first, second, third):
        found = matched(exports, past, titles)
        now = {each.number for each in found.entries}
        assert len(now) == len(found.entries)
        assert {each.name: each.number for each in past}.items() <= {e.name: e.number for e in found.entries}.items()
        assert titles.items() <= found.titles.items()
        assert found.fresh == found.titles.keys() - titles.keys()
        assert len(set(found.titles.values())) == len(found.titles)
        for each in found.entries:
            retired = each.name not in {export.name for export in exports}
            assert each.mode is (Mode.RETIRE if retired else Mode.RUN)
            if each.export is not None:
                assert [found.titles[slot] for slot in each.slots] == [used.title for used in each.export.segments]
        past, titles = recorded(found), dict(found.titles)
        again = matched(exports, past, titles)
        assert recorded(again) == past
        assert not again.fresh


@given(declared)
def test_two_segments_of_one_title_share_a_list(exports: list[Export]) -> None:
    found = matched(exports)
    slots = {
        (used.title, slot)
        for e in found.entries
        if e.export
        for used, slot in zip(e.export.segments, e.slots, strict=True)
    }
    assert len({title for title, _ in slots}) == len({slot for _, slot in slots}) == len(slots)


def test_a_renamed_export_keeps_its_number_and_its_people() -> None:
    past = RecordedExport(7, "old", 20, segments={"a": ("a", 1)})
    found = entry(matched([export("new", use("a"), previous="old")], [past], {1: "a"}), "new")
    assert (found.number, found.renamed_from, found.recorded, found.mode) == (7, "old", past, Mode.RUN)


def test_a_rename_that_was_carried_out_is_no_rename_any_more() -> None:
    past = RecordedExport(7, "new", 20)
    found = entry(matched([export("new", use("a"), previous="old")], [past]), "new")
    assert (found.number, found.renamed_from) == (7, None)


def test_without_a_declared_rename_the_old_one_is_retired() -> None:
    past = RecordedExport(7, "old", 20, keep_retired=True)
    found = matched([export("new", use("a"))], [past])
    assert entry(found, "new").number == 8
    assert (entry(found, "old").mode, entry(found, "old").keeps_retired) == (Mode.RETIRE, True)


def test_a_renamed_segment_keeps_its_list_because_a_list_cannot_be_renamed() -> None:
    past = RecordedExport(1, "one", 5, segments={"a": ("a", 4)})
    known = segments("b", previous={"b": "a"})
    found = matched([export("one", use("b"))], [past], {4: "a"}, known=known)
    assert entry(found, "one").slots == (4,)
    assert not found.fresh
    later = matched([export("one", use("b"))], recorded(found), {4: "a"}, known=segments("b"))
    assert entry(later, "one").slots == (4,)


def test_a_title_that_is_written_out_is_obeyed_also_with_a_rename() -> None:
    past = RecordedExport(1, "one", 5, segments={"a": ("a", 4)})
    known = segments("b", previous={"b": "a"})
    found = matched([export("one", use("b", "b"))], [past], {4: "a"}, known=known)
    assert found.titles == {4: "a", 5: "b"}
    assert entry(found, "one").slots == (5,)


def test_another_title_is_another_list() -> None:
    past = RecordedExport(1, "one", 5, segments={"a": ("a", 4)})
    found = matched([export("one", use("a", "customers"))], [past], {4: "a"})
    assert entry(found, "one").slots == (5,)
    assert found.fresh == {5}


def test_a_list_that_vanished_is_wanted_again_by_its_title() -> None:
    past = RecordedExport(1, "one", 5, segments={"a": ("a", 4)})
    found = matched([export("one", use("a"))], [past], {})
    assert found.fresh == set(entry(found, "one").slots)
    assert list(found.titles.values()) == ["a"]


def test_exports_that_do_not_run_are_held_not_retired() -> None:
    past = [RecordedExport(1, "one", 5), RecordedExport(2, "two", 5), RecordedExport(3, "three", 5)]
    found = matched([export("one", use("a"))], past, idle={"one": "suspended"}, elsewhere={"two"})
    assert [(e.name, e.mode, e.idle) for e in found.entries] == [
        ("one", Mode.HOLD, "suspended"),
        ("two", Mode.HOLD, "detached"),
        ("three", Mode.RETIRE, ""),
    ]


def test_a_segment_without_a_list_yet_is_not_recorded() -> None:
    found = matched([export("one", use("a"), use("b"))], [], {1: "a"})
    (past,) = recorded(found, found.fresh)
    assert past.segments == {"a": ("a", 1)}
