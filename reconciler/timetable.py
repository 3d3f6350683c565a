"""Decides at which moments a schedule comes round: its times on the clocks of its zone, summer time and all.

`cronsim` reads the expressions and walks the calendar; what clocks do twice or not at all is settled here, alike for
every expression. A time that does not exist that day comes once, at the first moment after the gap. One that exists
twice comes once, the first time; but where every hour is meant (the hour is `*`), in both hours.
"""

from __future__ import annotations

import datetime as dt
import heapq
import zoneinfo
from itertools import groupby
from typing import TYPE_CHECKING

from cronsim import CronSim

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.core.model import Schedule

_DAYS = {"monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6, "sunday": 0}
_SECOND = dt.timedelta(seconds=1)
_DAY = dt.timedelta(days=1)


def expressions(schedule: Schedule) -> tuple[str, ...]:
    """Give the cron expressions of a schedule; one for each time of day."""
    if schedule.cron is not None:
        return (schedule.cron,)
    days = ",".join(str(_DAYS[day]) for day in schedule.on) or "*"
    return tuple(f"{int(time[3:])} {int(time[:2])} * * {days}" for time in schedule.at)


def scheduled(schedule: Schedule, after: dt.datetime) -> Iterator[dt.datetime]:
    """Give the moments of a schedule that lie after a moment, ascending, without end unless it never comes round.

    Each is given with the offset from UTC that its zone has then, so that it reads as the time that was asked for.
    """
    zone = zoneinfo.ZoneInfo(schedule.timezone)
    # A day before: what a gap put off, and the second of two equal hours, belong to a time on the clock long past
    start = dt.datetime.combine(after.astimezone(zone).date() - _DAY, dt.time()) - _SECOND
    asked = expressions(schedule)
    walks = (_clock_times(expression, start) for expression in asked)
    hourly = any(expression.split()[1] == "*" for expression in asked)
    last = after
    for _, times in groupby(heapq.merge(*walks), key=dt.datetime.date):
        for moment in sorted(_moments(times, zone, hourly=hourly)):
            if moment > last:
                last = moment
                local = moment.astimezone(zone)
                yield local.replace(tzinfo=dt.timezone(local.utcoffset() or dt.timedelta()))


def _clock_times(expression: str, start: dt.datetime) -> Iterator[dt.datetime]:
    """Walk the times on a clock that is never set, so without a zone."""
    yield from CronSim(expression, start)


def _moments(times: Iterable[dt.datetime], zone: zoneinfo.ZoneInfo, *, hourly: bool) -> Iterator[dt.datetime]:
    """Give the moments, in UTC, at which the clocks of a zone show these times of one day."""
    for time in times:
        early, late = (time.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
        if late < early:
            yield _end_of_gap(late, early, zone)
        else:
            yield early
            if hourly:
                yield late


def _end_of_gap(before: dt.datetime, after: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """Find the first moment, to the second, at which the clocks had been put forward."""
    old = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + dt.timedelta(seconds=int((after - before).total_seconds()) // 2)
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
