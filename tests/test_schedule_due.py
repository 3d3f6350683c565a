"""Due or not: scheduled times against the history, however late, often or badly runs come."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.due import Past, Story, not_due, timing
from reconciler.core.model import Schedule
from reconciler.core.record import ExportRun, Run, RunStatus
from reconciler.timetable import scheduled

NAMES = {("account", "news")}
START = dt.datetime(2026, 10, 20, 5, tzinfo=dt.UTC)
DAILY = Schedule(every="day", at=("06:00",), timezone="Europe/Madrid")
WEEKLY = Schedule(every="week", on=("monday",), at=("06:00",), timezone="Europe/Madrid")
HOUR = dt.timedelta(hours=1)
FAILURES = (RunStatus.FAILED, RunStatus.CANCELED, RunStatus.INTERRUPTED)


def run(
    started: dt.datetime, status: RunStatus | None, *, trigger: str = "schedule", action: str = "update", mark: str = ""
) -> Run:
    """Give a run, and what came of the one export in it; None: it did not list it."""
    done = () if status is None else (ExportRun("news", "account", status, action, source_mark=mark),)
    return Run("r", started, started + HOUR / 60, trigger, RunStatus.SUCCESSFUL, "", exports=done)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@dataclass(frozen=True)
class Tick:
    """How long after the one before the command was started, and what came of it if it was due."""

    wait: dt.timedelta
    outcome: RunStatus


ticks = st.lists(
    st.builds(
        Tick,
        wait=st.one_of(st.sampled_from([HOUR, HOUR / 4, 26 * HOUR, 90 * HOUR]), st.timedeltas(HOUR / 60, 100 * HOUR)),
        outcome=st.sampled_from([RunStatus.SUCCESSFUL] * 3 + list(FAILURES)),
    ),
    max_size=12,
)
schedules = st.one_of(
    st.sampled_from([DAILY, WEEKLY, Schedule(cron="*/30 * * * *", timezone="Australia/Lord_Howe")]),
    st.builds(
        Schedule,
        every=st.just("day"),
        at=st.lists(st.sampled_from(["01:30", "02:15", "02:30", "06:00"]), min_size=1, max_size=4, unique=True).map(
            tuple
        ),
        timezone=st.sampled_from(["Europe/Madrid", "America/New_York", "Australia/Lord_Howe"]),
    ),
)
starts = st.sampled_from([START, at("2026-03-27T00:00Z"), at("2026-04-03T00:00Z"), at("2026-10-30T00:00Z")])


@given(schedules, starts, ticks)
def test_no_scheduled_time_has_two_runs_and_none_is_lost(
    schedule: Schedule, start: dt.datetime, came: list[Tick]
) -> None:
    runs = [run(start, RunStatus.SUCCESSFUL)]
    good = [start]
    now = start
    for tick in came:
        now += tick.wait
        told = timing(scheduled, schedule, Story(runs).of(NAMES), now)
        first = next(scheduled(schedule, good[-1]))
        assert told.now == (first <= now)
        assert told.since == (first if first <= now else None)
        assert told.next is not None
        assert told.next > now
        runs.insert(
            0, run(now, tick.outcome if told.now else RunStatus.SKIPPED, action="update" if told.now else "skipped")
        )
        if told.now and tick.outcome is RunStatus.SUCCESSFUL:
            good.append(now)
    assert all(next(scheduled(schedule, a)) <= b for a, b in pairwise(good))


def test_what_never_ran_is_due_at_once_where_nothing_is_remembered() -> None:
    told = timing(scheduled, WEEKLY, Story(()).of(NAMES), START)
    assert told.now
    assert told.since is None


@pytest.mark.parametrize("listed", [RunStatus.SKIPPED, None])
def test_what_is_declared_on_a_wednesday_for_mondays_waits_for_monday(listed: RunStatus | None) -> None:
    wednesday, friday, monday = at("2026-10-21T12:00Z"), at("2026-10-23T12:00Z"), at("2026-10-26T05:00Z")
    found = Story([run(wednesday, listed, trigger="merge", action="skipped")]).of(NAMES)
    assert not timing(scheduled, WEEKLY, found, friday).now
    assert timing(scheduled, WEEKLY, found, monday).since == monday


@pytest.mark.parametrize("status", FAILURES)
def test_what_failed_blocked_or_was_cut_off_stays_due(status: RunStatus) -> None:
    runs = [run(START + n * 24 * HOUR, status) for n in (3, 2)] + [run(START, RunStatus.SUCCESSFUL)]
    told = timing(scheduled, DAILY, Story(runs).of(NAMES), START + 73 * HOUR)
    assert told.since == at("2026-10-21T06:00+02:00")


@pytest.mark.parametrize("trigger", ["merge", "demand", "schedule"])
def test_a_run_counts_whatever_asked_for_it(trigger: str) -> None:
    runs = [run(START + 24 * HOUR, RunStatus.SUCCESSFUL, trigger=trigger), run(START, RunStatus.SUCCESSFUL)]
    found = Story(runs).of(NAMES)
    assert not timing(scheduled, DAILY, found, START + 30 * HOUR).now


def test_an_import_is_no_run() -> None:
    runs = [run(START + 24 * HOUR, RunStatus.SUCCESSFUL, trigger="import"), run(START, RunStatus.SUCCESSFUL)]
    assert timing(scheduled, DAILY, Story(runs).of(NAMES), START + 24 * HOUR).now


def test_who_was_skipped_is_not_served_unless_its_source_was_looked_at() -> None:
    later = START + 24 * HOUR
    skipped = [run(later, RunStatus.SKIPPED, action="skipped"), run(START, RunStatus.SUCCESSFUL)]
    assert timing(scheduled, DAILY, Story(skipped).of(NAMES), later).now
    looked = [run(later, RunStatus.SKIPPED, action="skipped", mark="0a"), run(START, RunStatus.SUCCESSFUL)]
    assert not timing(scheduled, DAILY, Story(looked).of(NAMES), later).now
    assert Story(looked).of(NAMES).last == (looked[1], looked[1].exports[0])


def test_what_was_before_an_export_was_retired_is_of_another() -> None:
    retired = run(START + 24 * HOUR, RunStatus.SUCCESSFUL, trigger="merge", action="retire")
    found = Story([retired, run(START, RunStatus.SUCCESSFUL)]).of(NAMES)
    assert found == Past(known=retired.started)


def test_the_next_time_is_told_as_clocks_show_it_there() -> None:
    now = at("2026-11-23T12:00Z")
    found = timing(scheduled, DAILY, Past(served=now), now)
    assert not_due(DAILY, found, now) == "not due: next on Tue 24 Nov 06:00 (Europe/Madrid)"
    yearly = Schedule(cron="0 6 1 1 *", timezone="UTC")
    assert not_due(yearly, timing(scheduled, yearly, Past(served=now), now), now) == (
        "not due: next on Fri 1 Jan 2027 06:00 (UTC)"
    )


@given(st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(list(RunStatus))), max_size=3), max_size=6))
def test_many_exports_looked_up_together_have_the_same_past(history: list[list[tuple[str, RunStatus]]]) -> None:
    runs = [
        Run("r", START - n * HOUR, START, "schedule", RunStatus.SUCCESSFUL, "", exports=done)
        for n, done in enumerate(tuple(ExportRun(name, "account", s, "update") for name, s in each) for each in history)
    ]
    story = Story(runs)
    for names in ({("account", "a")}, {("account", "b")}, {("account", "a"), ("account", "b")}, {("x", "a")}):
        alone = [
            replace(one, exports=tuple(d for d in one.exports if (d.connection, d.export) in names)) for one in runs
        ]
        assert outcome(story.of(names)) == outcome(Story(alone).of(names))


def outcome(past: Past) -> tuple[object, ...]:
    """Give what was found, without the whole of each run."""
    return past.served, past.known, past.last and past.last[1], past.fresh and past.fresh[1], past.skipped
