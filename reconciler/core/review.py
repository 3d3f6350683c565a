"""Decides whether a saved plan may still be carried out: its age, its project, its one use, and what it counted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.errors import PlanRefused
from reconciler.core.seal import reviewed

if TYPE_CHECKING:
    from reconciler.core.plan import Plan
    from reconciler.core.seal import Reviewed, Sealed

SKEW = dt.timedelta(minutes=5)
"""How far the clocks of two machines may be apart."""

MOVING = frozenset({"create", "update", "none"})
"""Actions that differ in their figures only."""

ANEW = "make another with `reconciler plan --out FILE`"


@dataclass(frozen=True, slots=True)
class Here:
    """What a saved plan is held against. `lineage` None: nothing is recorded. `used_by` is the run that used it."""

    now: dt.datetime
    project: str
    lineage: str | None
    serial: int
    declarations: str
    used_by: str | None = None


def admit(plan: Sealed, here: Here, max_age: dt.timedelta) -> None:
    """Refuse a saved plan for what needs no fresh plan to be seen. Raises PlanRefused."""
    if plan.project != here.project:
        raise PlanRefused(f"the saved plan is of another project; {ANEW}")
    if here.used_by is not None:
        raise PlanRefused(f"the saved plan was used already, by run {here.used_by}, and it holds once; {ANEW}")
    _judge_age(plan.created, here.now, max_age)
    if plan.lineage is not None and plan.lineage != here.lineage:
        raise PlanRefused(f"the saved plan is over another state, which was lost or replaced since; {ANEW}")
    if plan.declarations != here.declarations:
        raise PlanRefused(f"the declarations are not those that were reviewed; {ANEW}")
    if plan.serial > here.serial:
        raise PlanRefused(f"the state is older than the saved plan: a copy was restored since; {ANEW}")
    if plan.serial < here.serial:
        raise PlanRefused(f"somebody applied since the plan was saved, so the state has moved on; {ANEW}")


def _judge_age(created: dt.datetime, now: dt.datetime, max_age: dt.timedelta) -> None:
    age = now - created
    if age > max_age:
        raise PlanRefused(f"the saved plan is {_told(age)} old, and --max-age is {_told(max_age)}; {ANEW}")
    if -age > SKEW:
        raise PlanRefused(f"the saved plan was made {_told(-age)} from now: a clock is wrong, here or there")


def _told(span: dt.timedelta) -> str:
    minutes = int(span / dt.timedelta(minutes=1))
    for size, unit in ((2 * 24 * 60, "days"), (2 * 60, "hours")):
        if minutes >= size:
            return f"{minutes // (size // 2)} {unit}"
    return f"{minutes} minutes"


def match(plan: Sealed, fresh: Plan, drift: float) -> None:
    """Refuse a fresh plan that is not the one reviewed, or strays by more than `drift` percent. Raises PlanRefused."""
    if fresh.checksum == plan.checksum:
        return
    now = {(e.connection, e.name): e for e in reviewed(fresh)}
    for before in plan.reviewed:
        _compare(before, now.pop((before.connection, before.name), None), drift)
    for name in now:
        raise PlanRefused(f"{name[1]} was not in the plan that was reviewed; {ANEW}")
    if not drift > 0:
        raise PlanRefused(f"the counts are those that were reviewed, the people or their fields are not; {ANEW}")


def _compare(before: Reviewed, now: Reviewed | None, drift: float) -> None:
    if now is None:
        raise PlanRefused(f"{before.name} was reviewed, and is not in the plan now; {ANEW}")
    if before.action != now.action and not {before.action, now.action} <= MOVING:
        raise PlanRefused(f"{before.name} was reviewed as “{before.action}”, and is “{now.action}” now; {ANEW}")
    for label in now.figures | before.figures:
        was, is_now = before.figures.get(label, 0), now.figures.get(label, 0)
        if not abs(is_now - was) * 100 <= was * drift:  # a drift that is not a number lets nothing pass
            raise PlanRefused(f"{before.name}: {was:,} {label} when reviewed, {is_now:,} now; {_bound(drift)}; {ANEW}")


def _bound(drift: float) -> str:
    return f"--drift lets it stray by {drift:g} %" if drift else "--drift PERCENT lets counts stray"
