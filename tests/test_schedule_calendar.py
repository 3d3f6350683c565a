"""When schedules come round, held against clocks that are read minute by minute, above all on the days they are set."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from functools import cache
from itertools import islice, pairwise, takewhile

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model import Schedule
from reconciler.manifest.rules.schedules import cron_problem
from reconciler.timetable import expressions, scheduled

ZONES = ("Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Kolkata", "UTC")
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@cache
def settings_of(zone: str) -> tuple[dt.date, ...]:
    """Give the days of some years on which the clocks are set; another day where they never are."""
    local = zoneinfo.ZoneInfo(zone)
    noons = [dt.datetime(2025, 1, 1, 12, tzinfo=dt.UTC) + day * DAY for day in range(3 * 365)]
    moved = (b for a, b in pairwise(noons) if _offset(a, local) != _offset(b, local))
    return tuple(noon.date() for noon in moved) or (dt.date(2026, 3, 29),)


def _offset(moment: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.timedelta | None:
    return moment.astimezone(zone).utcoffset()


@cache
def clock(zone: str, day: dt.date) -> tuple[tuple[dt.datetime, dt.datetime], ...]:
    """Give every minute around a day, and what a clock on the wall shows then."""
    start = dt.datetime.combine(day - 2 * DAY, dt.time(), dt.UTC)
    minutes = (start + minute * MINUTE for minute in range(4 * 24 * 60))
    return tuple((at, at.astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None)) for at in minutes)


def first_shown(zone: str, day: dt.date, asked: dt.datetime) -> dt.datetime | None:
    """Give the first minute at which it is that time or later on the wall: also where the clock jumps over it."""
    shown = clock(zone, day)
    return None if shown[0][1] >= asked else next((at for at, wall in shown if wall >= asked), None)


times = st.builds(dt.time, st.sampled_from([0, 1, 1, 2, 2, 3, 6, 23]), st.sampled_from([0, 15, 29, 30, 31, 45, 59]))


@st.composite
def around_a_setting(draw: st.DrawFn) -> tuple[str, dt.date]:
    zone = draw(st.sampled_from(ZONES))
    return zone, draw(st.sampled_from(settings_of(zone)))


def within(schedule: Schedule, zone: str, day: dt.date) -> list[dt.datetime]:
    shown = clock(zone, day)
    return list(takewhile(lambda at: at <= shown[-1][0], scheduled(schedule, shown[0][0])))


@given(
    around_a_setting(),
    st.lists(times, min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from(NAMES), max_size=7, unique=True),
)
def test_each_time_of_day_comes_exactly_once(when: tuple[str, dt.date], at: list[dt.time], on: list[str]) -> None:
    zone, day = when
    every = "week" if on else "day"
    schedule = Schedule(every=every, on=tuple(on), at=tuple(f"{time:%H:%M}" for time in at), timezone=zone)
    days = [day + n * DAY for n in range(-3, 4) if not on or NAMES[(day + n * DAY).weekday()] in on]
    asked = [dt.datetime.combine(each, time) for each in days for time in at]
    expected = {first_shown(zone, day, time) for time in asked} - {None, clock(zone, day)[0][0]}
    assert within(schedule, zone, day) == sorted(moment for moment in expected if moment is not None)


@given(around_a_setting(), st.sampled_from(["0", "15", "*/15", "30", "59", "0,45"]))
def test_an_hourly_schedule_goes_on_in_both_of_two_equal_hours(when: tuple[str, dt.date], minute: str) -> None:
    zone, day = when
    found = within(Schedule(cron=f"{minute} * * * *", timezone=zone), zone, day)
    minutes = set(range(0, 60, 15)) if minute == "*/15" else {int(each) for each in minute.split(",")}
    shown = clock(zone, day)
    exactly = {at for at, wall in shown[1:] if wall.minute in minutes}
    jumped = {b[0] for a, b in pairwise(shown) if b[1] - a[1] > MINUTE}
    assert exactly <= set(found)
    assert set(found) <= exactly | jumped


@given(around_a_setting(), st.integers(0, 4 * 24 * 60 - 1), st.lists(times, min_size=1, max_size=4, unique=True))
def test_what_comes_does_not_depend_on_where_one_begins_to_look(
    when: tuple[str, dt.date], begin: int, at: list[dt.time]
) -> None:
    zone, day = when
    schedule = Schedule(every="day", at=tuple(f"{time:%H:%M}" for time in at), timezone=zone)
    start = clock(zone, day)[begin][0]
    last = clock(zone, day)[-1][0]
    later = list(takewhile(lambda moment: moment <= last, scheduled(schedule, start)))
    assert later == [moment for moment in within(schedule, zone, day) if moment > start]


@pytest.mark.parametrize(
    ("zone", "at", "after", "expected"),
    [
        ("Europe/Madrid", "02:30", "2026-03-28T12:00Z", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        ("Europe/Madrid", "02:30", "2026-10-24T12:00Z", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        ("Europe/Madrid", "02:30", "2026-10-25T01:10Z", ["2026-10-26T02:30+01:00", "2026-10-27T02:30+01:00"]),
        ("America/New_York", "02:15", "2026-03-07T12:00Z", ["2026-03-08T03:00-04:00", "2026-03-09T02:15-04:00"]),
        ("America/New_York", "01:30", "2026-10-31T12:00Z", ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]),
        ("Australia/Lord_Howe", "02:15", "2026-10-03T00:00Z", ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"]),
        ("Australia/Lord_Howe", "01:45", "2026-04-04T00:00Z", ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"]),
        ("Pacific/Apia", "06:00", "2011-12-29T17:00Z", ["2011-12-31T00:00+14:00", "2011-12-31T06:00+14:00"]),
    ],
)
def test_the_days_on_which_clocks_are_set(zone: str, at: str, after: str, expected: list[str]) -> None:
    found = scheduled(Schedule(every="day", at=(at,), timezone=zone), dt.datetime.fromisoformat(after))
    assert [moment.isoformat(timespec="minutes") for moment in islice(found, 2)] == expected


def test_both_forms_are_one() -> None:
    weekly = Schedule(every="week", on=("monday", "sunday"), at=("06:00", "18:30"))
    assert expressions(weekly) == ("0 6 * * 1,0", "30 18 * * 1,0")
    cron = Schedule(cron="0 6 * * sun,mon")
    start = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
    mornings = [moment for moment in islice(scheduled(weekly, start), 20) if moment.hour == 6]
    assert mornings == list(islice(scheduled(cron, start), 10))


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    item = st.one_of(
        st.just("*"), number.map(str), span, st.tuples(span, st.integers(1, high)).map("{0[0]}/{0[1]}".format)
    )
    return st.lists(item, min_size=1, max_size=3).map(",".join)


@given(st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)).map(" ".join))
def test_whatever_is_declared_valid_comes_round(expression: str) -> None:
    if cron_problem(expression) is not None:
        return
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    found = list(islice(scheduled(Schedule(cron=expression), start), 5))
    assert len(found) == 5
    assert found == list(islice(CronSim(expression, start), 5))


@pytest.mark.parametrize("never", ["0 6 30 2 *", "0 6 31 4,6 *"])
def test_a_day_that_no_calendar_has_is_refused(never: str) -> None:
    assert "no day is ever" in (cron_problem(never) or "")
