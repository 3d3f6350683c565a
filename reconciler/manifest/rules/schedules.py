"""Decides whether a schedule can ever be due: its zone, its times, its cron expression, and the export's triggers."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING

from cronsim import CronSim, CronSimError

from reconciler.manifest.rules.world import fault, warning
from reconciler.manifest.words import did_you_mean, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.diagnostics import Diagnostic
    from reconciler.core.model import Export
    from reconciler.manifest.rules.world import World

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, tuple(_MONTHS)),
    ("day of week", 0, 7, tuple(_DAYS)),
)


def schedule(world: World) -> Iterator[Diagnostic]:
    """Judge every export's schedule."""
    known: dict[str, bool] = {"UTC": True}
    for export in world.exports:
        if export.schedule is None:
            continue
        zone = export.schedule.timezone
        if zone not in known:
            known[zone] = _exists(zone)
        if not known[zone]:
            alike = sorted(z for z in zoneinfo.available_timezones() if z[:2].casefold() == zone[:2].casefold())
            hint = did_you_mean(zone, alike, "write timezone: Europe/Madrid")
            message = f"no time zone is named {quote(zone)}; {hint}"
            yield fault(export.marks, ("spec", "schedule", "timezone"), "schedule", message)
        yield from _repeated(export)
        if "schedule" not in export.triggers:
            message = "it is never due, because triggers leave schedule out; add it, or take the schedule away"
            yield warning(export.marks, ("spec", "schedule"), "schedule", message)
        if export.schedule.cron is not None and (problem := cron_problem(export.schedule.cron)) is not None:
            message = f'{problem}; write cron: "0 6 * * 1", minute, hour, day, month, day of week'
            yield fault(export.marks, ("spec", "schedule", "cron"), "schedule", message)


def _repeated(export: Export) -> Iterator[Diagnostic]:
    times = export.schedule
    for key, values in (("at", times.at), ("on", times.on)) if times is not None else ():
        for index, value in enumerate(values):
            if value in values[:index]:
                path = ("spec", "schedule", key, index)
                yield fault(export.marks, path, "schedule", f"{quote(value)} stands twice; keep the first")


def _exists(zone: str) -> bool:
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def cron_problem(expression: str) -> str | None:
    """Say what is wrong with a cron expression of five fields; None when nothing is."""
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        return f"a cron expression has five fields, and {quote(expression)} has {len(parts)}"
    for part, (name, low, high, words) in zip(parts, _FIELDS, strict=True):
        for item in part.split(","):
            if not _item(item, low, high, words):
                return f"{quote(item)} is no {name} of a cron expression"
    return None if _comes(expression) else f"no day is ever the one that {quote(expression)} names"


def _comes(expression: str) -> bool:
    """Tell whether there is a time for it within fifty years."""
    try:
        return next(CronSim(expression, dt.datetime(2026, 1, 1)), None) is not None  # noqa: DTZ001  # any year will do
    except CronSimError:
        return False


def _item(item: str, low: int, high: int, words: tuple[str, ...]) -> bool:
    span, slash, step = item.partition("/")
    if slash and not (step.isascii() and step.isdigit() and 1 <= int(step[:4]) <= high):
        return False
    if span == "*":
        return True
    first, dash, last = span.partition("-")
    ends = [_number(end, low, words) for end in ((first, last) if dash else (first,))]
    return all(low <= end <= high for end in ends) and ends == sorted(ends)


def _number(text: str, low: int, words: tuple[str, ...]) -> int:
    """Give the number that `text` stands for, or -1."""
    if text.lower() in words:
        return words.index(text.lower()) + low
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 2 else -1  # noqa: PLR2004  # two digits
