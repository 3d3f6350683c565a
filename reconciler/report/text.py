"""Decides how a plan reads on a terminal: short, aligned, the worst first. Values in, text out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from reconciler.core.plan import Action, ExportPlan
from reconciler.report.diagnostics import diagnostic_lines
from reconciler.report.escape import visible
from reconciler.report.layout import Line, Style, columns, paragraph, plain, rendered, wrapped
from reconciler.report.summary import costs, heading, looked, verdict, worst_connections_first, worst_first
from reconciler.report.words import count, left_out, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.core.plan import Plan, Reason, SegmentPlan

WIDTH = 110

_SIGNS = {
    Action.BLOCKED: ("!", Style.BAD),
    Action.RETIRE: ("-", Style.GONE),
    Action.UPDATE: ("~", Style.CHANGED),
    Action.CREATE: ("+", Style.GOOD),
    Action.NONE: ("=", Style.FAINT),
    Action.SKIPPED: (".", Style.FAINT),
}

_MOVING = {Action.CREATE, Action.UPDATE}

_WIDEST = 40
"""A longer name or title pushes its own line out of the column, not everybody's."""

_FEW = 5
"""Up to so many exports that say the same are named; more are counted."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the rows of one connection share: width of the line, of the names, of the titles, and the room for both."""

    width: int
    names: int
    titles: int
    verbose: bool

    @property
    def body(self) -> int:
        return 4 + self.names + 3


def plan_text(plan: Plan, *, color: bool = False, verbose: bool = False, width: int = WIDTH) -> str:
    """Give the plan for a terminal `width` characters wide; `verbose` names what is only counted otherwise."""
    lines: list[Line] = list(diagnostic_lines(plan.diagnostics))
    for connection in worst_connections_first(plan):
        style = Style.BAD if connection.people > connection.limit else Style.STRONG
        lines += _section(visible(heading(connection)), style, connection.exports, verbose=verbose, width=width)
    if plan.idle:
        lines += _section("Without a connection", Style.STRONG, plan.idle, verbose=verbose, width=width)
    return rendered([*lines, *_closing(plan, width)], color=color)


def reason_lines(reasons: Sequence[Reason], word: str, indent: int, width: int) -> list[str]:
    """Give each reason, and who mends it, with the places aligned after them where they fit; escaped, no indent."""
    pairs: list[tuple[str, str]] = []
    for index, reason in enumerate(reasons):
        head = f"{word}: " if index == 0 else " " * (len(word) + 2)
        said = wrapped(head + visible(reason.message), width - indent, " " * (len(word) + 2))
        pairs += _placed(said, str(reason.where or ""))
        if reason.mend:
            pairs += _placed(wrapped(visible(reason.mend), width - indent), str(reason.mend_at or ""))
    return _aligned(pairs, width - indent) or [word]


def _placed(said: list[str], place: str) -> list[tuple[str, str]]:
    return [*((line, "") for line in said[:-1]), (said[-1], visible(place))]


def _aligned(pairs: Sequence[tuple[str, str]], room: int) -> list[str]:
    fitting = [len(said) for said, place in pairs if place and len(said) + 3 + len(place) <= room]
    column = max(fitting, default=0)
    lines: list[str] = []
    for said, place in pairs:
        if not place:
            lines.append(said)
        elif len(said) <= column and column + 3 + len(place) <= room:
            lines.append(f"{said:<{column}}   {place}")
        elif len(said) + 3 + len(place) <= room:
            lines.append(f"{said}   {place}")
        else:
            lines += [said, f"  {place}"]
    return lines


def _section(title: str, style: Style, exports: Sequence[ExportPlan], *, verbose: bool, width: int) -> list[Line]:
    rows = _alike(worst_first(exports), verbose=verbose)
    frame = _Frame(
        width,
        min(max((len(visible(row.name)) for row in rows), default=0), _WIDEST),
        min(max((len(visible(s.list)) for row in rows for s in _shown(row, verbose=verbose)), default=0), _WIDEST),
        verbose,
    )
    moved = columns([_cells(row) if row.action in _MOVING else [""] * 5 for row in rows], ">>>>>")
    lines: list[Line] = [*paragraph(title, width, style=style), plain("")]
    for row, cells in zip(rows, moved, strict=True):
        lines += _export(row, cells, frame)
    return [*lines, plain("")] if rows else lines


def _alike(exports: Sequence[ExportPlan], *, verbose: bool) -> list[ExportPlan]:
    """Let one row stand for many exports that are unchanged, or skipped for one reason, and have no more to say."""
    groups: dict[object, list[ExportPlan]] = {}
    for place, export in enumerate(exports):
        quiet = export.action in {Action.NONE, Action.SKIPPED} and not (
            export.notes or export.allowed or export.renamed_from or verbose
        )
        key = (export.action, tuple(reason.message for reason in export.reasons)) if quiet else place
        groups.setdefault(key, []).append(export)
    return [row for group in groups.values() for row in (group if len(group) <= _FEW else [_stand_in(group)])]


def _stand_in(group: Sequence[ExportPlan]) -> ExportPlan:
    reasons = tuple(replace(reason, where=None, mend="", mend_at=None) for reason in group[0].reasons)
    return ExportPlan(count(len(group), "export"), group[0].connection, group[0].action, reasons)


def _export(export: ExportPlan, moved: str, frame: _Frame) -> list[Line]:
    sign, style = _SIGNS[export.action]
    body, below = _body(export, moved, frame)
    was = f"   (was {visible(export.renamed_from)})" if export.renamed_from else ""
    strong = style if export.action in {Action.BLOCKED, Action.SKIPPED, Action.NONE} else Style.PLAIN
    first, *rest = body
    lines: list[Line] = [
        ((f"  {sign} ", style), (f"{visible(export.name):<{frame.names}}   ", style), (first + was, strong))
    ]
    lines += [plain(" " * frame.body + line) for line in rest]
    lines += below
    for waiver in export.allowed:
        lines += paragraph(f"allowed: {visible(str(waiver))}", frame.width, indent=6, style=Style.BAD)
    for note in export.notes:
        lines += paragraph(visible(note), frame.width, indent=6, style=Style.FAINT)
    return lines


def _body(export: ExportPlan, moved: str, frame: _Frame) -> tuple[list[str], list[Line]]:
    """Give the lines beside the name, and those below it."""
    match export.action:
        case Action.BLOCKED:
            reasons = reason_lines(export.reasons, "blocked", frame.body, frame.width)
            would = f"would be: {'   '.join(cell for cell in _cells(export) if cell)}"
            return reasons, paragraph(would, frame.width, indent=6) if _moves(export) else []
        case Action.SKIPPED:
            return reason_lines(export.reasons, "skipped", frame.body, frame.width), []
        case Action.NONE:
            return ["no changes"], _details(export, frame) if frame.verbose else []
        case Action.RETIRE:
            return [_retired(export)], _details(export, frame)
        case Action.CREATE | Action.UPDATE:
            return [moved or "nobody moves; only the record changes"], _details(export, frame)
        case _:
            assert_never(export.action)


def _moves(export: ExportPlan) -> bool:
    counts = export.profiles
    return bool(counts.create or counts.update or counts.leave)


def _cells(export: ExportPlan) -> list[str]:
    counts = export.profiles
    return [
        f"+ {number(counts.create)} new" if counts.create else "",
        f"~ {number(counts.update)} changed" if counts.update else "",
        f"- {count(counts.leave, 'leaves', 'leave')}" if counts.leave else "",
        f"= {number(counts.unchanged)} unchanged" if counts.unchanged else "",
        f"= {number(counts.kept)} kept" if counts.kept else "",
    ]


def _retired(export: ExportPlan) -> str:
    lists = sum(1 for segment in export.segments if segment.remove)
    leave, kept = export.profiles.leave, export.profiles.kept
    parts = []
    if leave:
        people = count(leave, "person", "people")
        parts.append(f"takes {people} off {count(lists, 'list')}" if lists else f"forgets {people}")
    if kept:
        parts.append(f"{count(kept, 'person stays', 'people stay')} where {'it is' if kept == 1 else 'they are'}")
    return f"retired: {', '.join(parts) or 'holds nobody'}"


def _shown(export: ExportPlan, *, verbose: bool) -> list[SegmentPlan]:
    if export.action in {Action.BLOCKED, Action.SKIPPED} or (export.action is Action.NONE and not verbose):
        return []
    return [s for s in export.segments if verbose or s.add or s.remove or s.new or len(export.segments) <= _FEW]


def _details(export: ExportPlan, frame: _Frame) -> list[Line]:
    """Give the lists, and who was left out."""
    shown = _shown(export, verbose=frame.verbose)
    lines = _segments(shown, frame.titles)
    hidden = len(export.segments) - len(shown)
    if hidden:
        lines.append(plain(f"      {count(hidden, 'more list')} without changes"))
    excluded = left_out(export.excluded)
    if excluded:
        lines += paragraph(f"left out: {excluded}", frame.width, indent=6)
    return lines


def _segments(segments: Sequence[SegmentPlan], titles: int) -> list[Line]:
    cells = [
        (
            number(s.members) if s.members or s.add or s.new else "",
            f"+ {number(s.add)}" if s.add else "",
            f"- {number(s.remove)}" if s.remove else "",
        )
        for s in segments
    ]
    sizes = [max((len(row[i]) for row in cells), default=0) for i in range(3)]
    members, adds, removes = (f"{' ' * 3 if size else ''}{{:>{size}}}" for size in sizes)
    return [
        (
            (f"      {visible(segment.list):<{titles}}{members.format(row[0])}", Style.PLAIN),
            (adds.format(row[1]), Style.GOOD),
            (removes.format(row[2]), Style.GONE),
            ("   (new list)" if segment.new else "", Style.PLAIN),
        )
        for segment, row in zip(segments, cells, strict=True)
    ]


def _closing(plan: Plan, width: int) -> list[Line]:
    said = costs(plan)
    if len(said) == 1:
        sentences = [f"{said[0]} {verdict(plan)}"]
    elif plan.changes and not said:
        sentences = [f"Nothing is sent. {verdict(plan)}"]
    else:
        sentences = [*said, verdict(plan)]
    looks = [(c.name, looked(c)) for c in plan.connections if c.look]
    sentences = [*(visible(f"{name}: {look}") if len(looks) > 1 else look for name, look in looks), *sentences]
    return [plain(line) for sentence in sentences for line in wrapped(sentence, width)]
