"""Decides which rules a person may let pass once, for one export, and how that is asked for.

Consent and the cap are promises to people, and a source that fails or a segment that is empty has no figure that
could be reviewed: they are never let through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.core.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.core.plan import ExportPlan, Waiver

WAIVABLE = ("removals", "updates")
"""The rules of `safety`: each has a figure, so that what is let through has a bound."""

LONGEST_REASON = 500
"""Characters of a reason: it is shown wherever the run is."""

_FORM = re.compile(r"(?P<export>[^:=]+):(?P<rule>[^:=]+)=(?P<reason>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Allowance:
    """One rule that one export may break, and why. `figure` is the most people; None: as many as the plan shows."""

    export: str
    rule: str
    reason: str
    figure: int | None = None

    def covers(self, people: int) -> bool:
        """Tell whether so many people may pass."""
        return self.figure is None or people <= self.figure


def allowances(texts: Iterable[str]) -> tuple[Allowance, ...]:
    """Read each EXPORT:RULE=REASON. Raises ReconcilerError for what is malformed, may not pass, or is said twice."""
    found: dict[tuple[str, str], Allowance] = {}
    for text in texts:
        one = _allowance(text)
        if (one.export, one.rule) in found:
            raise ReconcilerError(f"{one.rule} of {one.export} is allowed twice; one reason is enough")
        found[one.export, one.rule] = one
    return tuple(found.values())


def _allowance(text: str) -> Allowance:
    parts = _FORM.fullmatch(text)
    reason = parts["reason"].strip() if parts else ""
    if parts is None or not reason:
        raise ReconcilerError('the form is EXPORT:RULE=REASON, such as news:removals="two shops closed"')
    if parts["rule"] not in WAIVABLE:
        raise ReconcilerError(f"of the rules only {' and '.join(WAIVABLE)} may be let pass, for one export and one run")
    if len(reason) > LONGEST_REASON:
        raise ReconcilerError(f"a reason has at most {LONGEST_REASON} characters")
    return Allowance(parts["export"], parts["rule"], reason)


def of_export(asked: Iterable[Allowance], export: str) -> Mapping[str, Allowance]:
    """Give the allowances of one export, by rule."""
    return {one.rule: one for one in asked if one.export == export}


def settled(asked: Iterable[Allowance], waivers: Iterable[tuple[str, Waiver]]) -> tuple[Allowance, ...]:
    """Bound each allowance by what it let pass in a plan, given as (export, waiver); one that let nobody pass by 0."""
    figures = {(export, waiver.rule): waiver.figure for export, waiver in waivers}
    return tuple(replace(one, figure=figures.get((one.export, one.rule), 0)) for one in asked)


def noted(plan: ExportPlan, asked: Iterable[Allowance]) -> ExportPlan:
    """Say in an export's plan which allowance is not needed."""
    used = {waiver.rule for waiver in plan.allowed} | {reason.rule for reason in plan.reasons}
    notes = (f"nothing needs --allow {one.export}:{one.rule}" for one in asked if one.rule not in used)
    return replace(plan, notes=(*plan.notes, *notes))
