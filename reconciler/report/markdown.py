"""Decides how a plan reads as a comment on a pull request: one line that says it all, the table, the details folded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.plan import Action
from reconciler.report.escape import code, prose
from reconciler.report.summary import (
    assumption,
    cost,
    heading,
    looked,
    verdict,
    worst_connections_first,
    worst_first,
)
from reconciler.report.words import count, duration, left_out, listing, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.core.plan import ConnectionPlan, ExportPlan, Plan, Reason, SegmentPlan

MARKER = "<!-- reconciler:plan -->"
"""The first line. It is not shown, and tells our comment from others, so that it can be edited in place."""

LIMIT = 65_536
"""What GitHub takes in one comment: characters; we count bytes, which are never fewer."""

_MOVING = {Action.CREATE, Action.UPDATE, Action.RETIRE}
_FOLDED = ("export in the details", "exports in the details")
_CUT_ROOM = 400
"""Bytes kept for the sentence that says what was cut."""

_LONGEST = 800
"""Characters of a rule that was let through, with the reason that was given."""

_MOST_SEGMENTS = 50
"""Lists named in the details of one export."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the comment that may be cut between its items, each one or more whole lines."""

    head: str
    items: tuple[str, ...]
    tail: str
    noun: tuple[str, str]


def plan_markdown(plan: Plan, *, checksum: str = "", of: str = "", limit: int = LIMIT) -> str:
    """Give the plan in at most `limit` bytes of Markdown; what had to be cut is said right after the first line.

    `checksum` is that of a plan that was read back, which has none of its own; `of` says of what it is the plan.
    """
    lead = f"{MARKER}\n**reconciler plan:** {_lead(plan)}\n\n"
    of = f"{prose(of)}. " if of else ""
    foot = f"<sub>{of}Checksum of the plan: <code>{checksum or plan.checksum}</code></sub>\n"
    parts, cut = _fitted(_parts(plan), limit - len((lead + foot).encode()) - _CUT_ROOM)
    told = f"**Cut to fit a comment:** {listing(cut)} not shown; `reconciler plan` prints all of it.\n\n" if cut else ""
    return f"{lead}{told}{''.join(parts)}{foot}"


def _fitted(parts: Sequence[_Part], room: int) -> tuple[list[str], list[str]]:
    """Keep what fits, in order, and count the items that do not, by noun."""
    kept: list[str] = []
    missed: dict[tuple[str, str], int] = {}
    for part in parts:
        room -= len((part.head + part.tail).encode())
        fits = 0
        for item in part.items:
            room -= len(item.encode())
            if room < 0:
                break
            fits += 1
        if fits:
            kept.append(part.head + "".join(part.items[:fits]) + part.tail)
        if fits < len(part.items):
            room = min(room, 0)
            missed[part.noun] = missed.get(part.noun, 0) + len(part.items) - fits
    return kept, [count(amount, *noun) for noun, amount in missed.items()]


def _lead(plan: Plan) -> str:
    moving = [export.profiles for export in plan.exports if export.action in _MOVING]
    sums = (
        (sum(counts.create for counts in moving), "new", "new"),
        (sum(counts.update for counts in moving), "changed", "changed"),
        (sum(counts.leave for counts in moving), "leaves", "leave"),
    )
    people = [count(amount, one, many) for amount, one, many in sums if amount]
    paid = [c for c in plan.connections if c.requests.total]
    requests = [count(sum(c.requests.total for c in paid), "request")] if paid else []
    least = [f"at least {duration(paid[0].seconds)}"] if len(paid) == 1 else []
    figures = "; ".join(", ".join(part) for part in (people, requests + least) if part)
    return f"{verdict(plan)} {figures[:1].upper()}{figures[1:]}{'.' if figures else ''}".strip()


def _parts(plan: Plan) -> list[_Part]:
    shown = [export for export in worst_first(plan.exports) if export.action in {Action.BLOCKED, *_MOVING}]
    several = len({export.connection for export in shown}) > 1
    blocked = [_blocked(export) for export in shown if export.action is Action.BLOCKED]
    rows = [_row(export, several=several) for export in shown]
    warned = [f"- {code(str(d.where))} {d.severity.value}: {prose(d.message)}\n" for d in plan.diagnostics]
    parts = [
        _Part("", tuple(blocked), "\n", ("blocked export", "blocked exports")),
        _Part(_table_head(several=several), tuple(rows), "\n", ("row of the table", "rows of the table")),
        _Part("", tuple(warned), "\n", ("diagnostic", "diagnostics")),
        *(_details(connection) for connection in worst_connections_first(plan)),
        _idle(plan.idle),
    ]
    return [part for part in parts if part.items]


def _blocked(export: ExportPlan) -> str:
    return f"- ❗ {code(export.name)} blocked: {'; '.join(_reason(r) for r in export.reasons)}\n"


def _reason(reason: Reason) -> str:
    where = f" {code(str(reason.where))}" if reason.where else ""
    mend = f", {prose(reason.mend)}" if reason.mend else ""
    mend_at = f" {code(str(reason.mend_at))}" if reason.mend and reason.mend_at else ""
    return f"{prose(reason.message)}{where}{mend}{mend_at}"


def _table_head(*, several: bool) -> str:
    connection, rule = ("| Connection ", "|---") if several else ("", "")
    heads = f"| Export {connection}| | New | Changed | Leave | Unchanged | Left out |"
    return f"{heads}\n|---{rule}|---|--:|--:|--:|--:|--:|\n"


def _row(export: ExportPlan, *, several: bool) -> str:
    counts = export.profiles
    figures = (counts.create, counts.update, counts.leave, counts.unchanged, sum(export.excluded.values()))
    connection = f"| {code(export.connection)} " if several else ""
    cells = " | ".join(number(figure) if figure else "" for figure in figures)
    return f"| {code(export.name)} {connection}| {export.action.value} | {cells} |\n"


def _details(connection: ConnectionPlan) -> _Part:
    said = " ".join(sentence for sentence in (looked(connection), cost(connection), assumption(connection)) if sentence)
    head = f"<details><summary>{prose(heading(connection))}</summary>\n\n" + (f"{said}\n\n" if said else "")
    items = tuple(_detail(export) for export in worst_first(connection.exports))
    return _Part(head, items, "\n</details>\n\n", _FOLDED)


def _idle(exports: Sequence[ExportPlan]) -> _Part:
    head = "<details><summary>Without a connection</summary>\n\n"
    items = tuple(_detail(export) for export in worst_first(exports))
    return _Part(head, items, "\n</details>\n\n", _FOLDED)


def _detail(export: ExportPlan) -> str:
    counts = export.profiles
    was = f" (was {code(export.renamed_from)})" if export.renamed_from else ""
    lines = [f"- {code(export.name)}{was} {_said(export)}"]
    lines += [f"  - {_segment(segment)}" for segment in export.segments[:_MOST_SEGMENTS]]
    if len(export.segments) > _MOST_SEGMENTS:
        lines.append(f"  - {count(len(export.segments) - _MOST_SEGMENTS, 'more list')}")
    if counts.kept:
        lines.append(f"  - {count(counts.kept, 'person', 'people')} kept")
    if any(export.excluded.values()):
        lines.append(f"  - left out: {prose(left_out(export.excluded))}")
    lines += [f"  - allowed: {prose(str(waiver), _LONGEST)}" for waiver in export.allowed]
    lines += [f"  - {told}" for told in map(prose, export.notes) if told]  # an empty item would make a heading
    return "".join(f"{line}\n" for line in lines)


def _said(export: ExportPlan) -> str:
    if export.action is Action.NONE:
        return "has no changes"
    if export.action in _MOVING:
        return f"({export.action.value}): {count(export.profiles.desired, 'person', 'people')}"
    why = "; ".join(prose(reason.message) for reason in export.reasons)
    return f"{export.action.value}: {why}" if why else export.action.value


def _segment(segment: SegmentPlan) -> str:
    changes = ((segment.add, "to add"), (segment.remove, "to remove"))
    parts = [count(segment.members, "member"), *(f"{number(amount)} {word}" for amount, word in changes if amount)]
    return f"list “{prose(segment.list)}”: {', '.join(parts)}{', new list' if segment.new else ''}"
