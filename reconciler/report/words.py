"""Decides how figures are worded: thousands, plurals, shares, times."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from reconciler.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.core.plan import Reason
    from reconciler.core.record import Run

_LEFT_OUT = {
    "no_consent": ("without consent", "without consent"),
    "no_email": ("without an address", "without an address"),
    "invalid_email": ("with a bad address", "with a bad address"),
    "duplicate": ("twin of another profile", "twins of another profile"),
    "invalid_value": ("with a value of the wrong type", "with a value of the wrong type"),
    "suppressed": ("suppressed", "suppressed"),
}

_TENTHS_BELOW = 10
_SECONDS_BELOW = 120
_MINUTES_BELOW = 7200


def number(value: int) -> str:
    """Give `12,260`."""
    return f"{value:,}"


def count(value: int, one: str, many: str | None = None) -> str:
    """Give `1 export` or `2 exports`; `many` is for words that do not just take an s."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def listing(parts: Sequence[str]) -> str:
    """Give `a, b and c`."""
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def share(part: int, whole: int) -> str:
    """Give `18 %`, rounded away from the limit on either side, so that 100 % is exactly the limit."""
    if not part:
        return "0 %"
    if whole <= 0:
        return "over 100 %"
    if part * 100 < whole:
        return "under 1 %"
    return f"{part * 100 // whole if part <= whole else -(-part * 100 // whole):,} %"


def duration(seconds: float) -> str:
    """Give `1.3 s`, `61 s`, `14 min 20 s` or `2 h 5 min`."""
    exact = max(Decimal(repr(seconds)), Decimal(0))
    tenths = exact.quantize(Decimal("0.1"), ROUND_HALF_UP)
    if tenths < _TENTHS_BELOW:
        return f"{tenths} s"
    whole = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    if whole < _SECONDS_BELOW:
        return f"{whole} s"
    if whole < _MINUTES_BELOW:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def pace(rate: float) -> str:
    """Give `20 requests a second`."""
    return f"{rate:g} {'request' if rate == 1 else 'requests'} a second"


def moment(time: dt.datetime | None) -> str:
    """Give `2026-11-02 06:00 UTC`, whatever the zone it came in, or `never`."""
    return "never" if time is None else f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def on_site(time: dt.datetime) -> str:
    """Give `2026-11-02 06:00 +01:00`, as the clocks of its own zone show it."""
    shown = time.isoformat(" ", "minutes")
    return f"{shown[:16]} {shown[16:]}"


def elapsed(run: Run) -> float | None:
    """Give the seconds that a run took, none if the clock was set back; None while it runs, or when it was cut off."""
    return None if run.ended is None else max(0.0, (run.ended - run.started).total_seconds())


def left_out(excluded: Mapping[str, int]) -> str:
    """Give `118 without consent, 31 without an address`, or nothing when nobody was left out."""
    known = {key: excluded.get(key, 0) for key in _LEFT_OUT}
    return ", ".join(
        count(people, *_LEFT_OUT.get(key, (visible(key), visible(key))))
        for key, people in {**known, **excluded}.items()
        if people
    )


def sentence(reason: Reason) -> str:
    """Give a reason with its places and its mend, as one line. Not escaped."""
    said = f"{reason.message} ({reason.where})" if reason.where else reason.message
    if not reason.mend:
        return said
    return f"{said}: {reason.mend} {reason.mend_at}" if reason.mend_at else f"{said}: {reason.mend}"
