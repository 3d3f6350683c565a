"""Decides how faults in declarations read: as lines for editors, as GitHub annotations, as JSON."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Severity
from reconciler.report.escape import FORMAT, dumps, visible, workflow_data, workflow_property
from reconciler.report.layout import Line, Style, plain, rendered
from reconciler.report.words import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.core.diagnostics import Diagnostic, Where

ANNOTATIONS = 10
"""What GitHub shows of one step, of each severity; the rest it drops without a word."""

_STYLES = {Severity.ERROR: Style.BAD, Severity.WARNING: Style.CHANGED}


def diagnostic_lines(diagnostics: Iterable[Diagnostic]) -> list[Line]:
    """Give `path:line:column: error: [rule-id] message`, one fault a line, and a blank line if there were any."""
    lines: list[Line] = [
        (
            (f"{visible(str(fault.where))}: ", Style.PLAIN),
            (f"{fault.severity.value}: ", _STYLES[fault.severity]),
            (visible(f"[{fault.rule}] {fault.message}"), Style.PLAIN),
        )
        for fault in diagnostics
    ]
    return [*lines, plain("")] if lines else lines


def diagnostics_text(diagnostics: Sequence[Diagnostic], *, color: bool = False) -> str:
    """Give the faults in their order, and how many they are."""
    errors = sum(fault.severity is Severity.ERROR for fault in diagnostics)
    found = ((errors, "error"), (len(diagnostics) - errors, "warning"))
    parts = [count(amount, word) for amount, word in found if amount]
    closing = f"{', '.join(parts)}." if parts else "The declarations are valid."
    return rendered([*diagnostic_lines(diagnostics), plain(closing)], color=color)


def workflow_annotations(diagnostics: Iterable[Diagnostic], prefix: str = "") -> str:
    """Give a GitHub workflow command for each fault, which shows it beside the line in a pull request.

    `prefix` is the project's folder, from the repository's top: GitHub knows files from there. Of more than
    ANNOTATIONS the worst are given, and first of all how many are not.
    """
    worst = sorted(diagnostics, key=lambda fault: fault.severity is not Severity.ERROR)
    cut = len(worst) - ANNOTATIONS + 1
    if cut <= 1:
        return "".join(_annotation(fault, prefix) for fault in worst)
    told = f"{count(cut, 'more fault')} of this step cannot be shown here; its log has them all"
    kept = worst[: ANNOTATIONS - 1]
    return f"::{kept[0].severity.value}::{told}\n" + "".join(_annotation(fault, prefix) for fault in kept)


def _annotation(fault: Diagnostic, prefix: str) -> str:
    return (
        f"::{fault.severity.value} file={workflow_property(_from_top(fault, prefix))},line={fault.where.line},"
        f"col={fault.where.column},title={workflow_property(fault.rule)}::{workflow_data(fault.message)}\n"
    )


def _from_top(fault: Diagnostic, prefix: str) -> str:
    return posixpath.normpath(posixpath.join(prefix, fault.where.file))


def place_object(where: Where | None) -> dict[str, object] | None:
    """Give a place as JSON has it; None where there is none."""
    return None if where is None else {"file": where.file, "line": where.line, "column": where.column}


def diagnostic_objects(diagnostics: Iterable[Diagnostic]) -> list[dict[str, object]]:
    """Give faults as JSON has them."""
    return [
        {
            "file": fault.where.file,
            "line": fault.where.line,
            "column": fault.where.column,
            "severity": fault.severity.value,
            "rule": fault.rule,
            "message": fault.message,
        }
        for fault in diagnostics
    ]


def diagnostics_json(diagnostics: Sequence[Diagnostic]) -> str:
    """Give the outcome of `validate` as JSON."""
    valid = all(fault.severity is not Severity.ERROR for fault in diagnostics)
    return dumps(
        {"format": FORMAT, "command": "validate", "valid": valid, "diagnostics": diagnostic_objects(diagnostics)}
    )
