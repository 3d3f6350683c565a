"""Decides how the alerts of one run read: a title that says it all, and a line for each export, the worst first.

Slack's own signs (`&`, `<`, `>`) are escaped by whoever sends the message there, like the quotes of JSON.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from reconciler.core.alerts import Kind, Turn
from reconciler.core.notify import Form
from reconciler.report.escape import clipped
from reconciler.report.words import count, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.core.alerts import Alert

LONGEST = 2_500
"""Characters of a message, but for its title and its link."""

_LINE = 400
_NEWLINES = {Form.DATA: "\n", Form.SLACK: "\n", Form.CARD: "\n\n"}
_ON_CARDS = {ord(sign): f"\\{sign}" for sign in "\\*_[]`~"} | {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
"""Signs of a card's Markdown; of `<at>` too, which would mention somebody."""

_WORDS = {Kind.FAILURE: "failed", Kind.BLOCKED: "blocked", Kind.OVERDUE: "overdue", Kind.DEGRADED: "degraded"}


def alert_title(alerts: Sequence[Alert], project: str) -> str:
    """Give `reconciler, contoso: 2 exports failed, 1 recovered`."""
    kinds = Counter("recovered" if a.turn is Turn.RECOVERY else _WORDS[a.kind] for a in alerts)
    (first, most), *others = kinds.items()
    return ", ".join([f"reconciler, {project}: {count(most, 'export')} {first}", *(f"{n:,} {w}" for w, n in others)])


def alert_text(alerts: Sequence[Alert], link: str, form: Form) -> str:
    """Give the message as it is written there, and at its end the link; first of all, how many are not named."""
    lines: list[str] = []
    room = LONGEST
    for alert in alerts:
        line = _written(_line(alert), form)
        room -= len(line) + len(_NEWLINES[form])
        if room < 0:
            break
        lines.append(line)
    cut = len(alerts) - len(lines)
    told = [f"Cut: {number(cut)} more are not named, and the history has them."] if cut else []
    address = clipped(link, _LINE)
    end = [f"[the workflow's run]({address})" if form is Form.CARD else address] if link else []
    return _NEWLINES[form].join([*told, *lines, *end])


def _written(line: str, form: Form) -> str:
    """Write a line so that it does nothing: no markup, no mention, and no link but ours."""
    if form is Form.DATA:
        return line
    inert = line.replace("://", ":\u200b//")
    return inert.translate(_ON_CARDS) if form is Form.CARD else inert


def _line(alert: Alert) -> str:
    where = f"{alert.export} ({alert.connection})" if alert.connection else alert.export
    word = "recovered" if alert.turn is Turn.RECOVERY else _WORDS[alert.kind]
    return clipped(f"{where} {word}: {alert.sentence}", _LINE)
