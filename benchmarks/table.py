"""Writes the rows as a table, as text and as a Markdown page; it decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.aims import MEGABYTE, judge

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from benchmarks.measuring import Sample
    from benchmarks.runs import Row
    from benchmarks.scenes import Size

HEAD = ("", "seconds", "requests", "peak", "bare: seconds", "requests", "peak", "judged by", "aim", "", "peers*")
LEFT = frozenset({0, len(HEAD) - 1})

Cells = tuple[str, ...]

_NOTES = (
    (
        "{size.people:,} made-up people in one CSV file, one segment that holds them all, one list; the sandbox runs "
        "on the same machine in a process of its own. Runs of each: {size.repetitions}. Seconds are their median, "
        "requests and peak their most: requests as the server counted them, peak is the memory of the process. "
        "{machine}."
    ),
    (
        "The bare script sends whoever changed: a hash for each person in SQLite, eight workers, batches of a hundred. "
        "It validates nothing, guards nothing, removes nobody, and records once, at its end."
    ),
    (
        "The rows at 20 requests a second run at {size.latency} s a request, and are held against the least time that "
        "the rate allows: requests / 20. Where items in bulk may not carry a list each person takes a request, so that "
        "row is scaled down to {size.few:,} people."
    ),
    (
        "* Seconds that others took for 100,000 people on loopback, 100 to a request, measured earlier on two shared "
        "cores (give or take 30 %) and not measured again here. None of the cursors sees who left. The plans are those "
        "of tools for other targets; SQLMesh looks at its files only."
    ),
)


def cells(rows: Sequence[Row]) -> list[Cells]:
    """Give the table's cells, row by row, without its head."""
    return [(row.step.title, *_took(row.ours), *_took(row.bare), *_judged(row), row.step.peers) for row in rows]


def _took(sample: Sample | None) -> Cells:
    if sample is None:
        return ("", "", "")
    return (f"{sample.seconds:.2f}", f"{sample.requests:,}", f"{sample.memory / MEGABYTE:.0f} MB")


def _judged(row: Row) -> Cells:
    verdict = judge(row.step.aim, row.ours, row.bare)
    return (verdict.figure, verdict.aim, "met" if verdict.met else "missed")


def notes(size: Size, machine: str) -> list[str]:
    """Say how the figures came about, one paragraph each."""
    return [note.format(size=size, machine=machine) for note in _NOTES]


def text(rows: Sequence[Row], paragraphs: Sequence[str]) -> str:
    """Write the table in aligned columns."""
    return "\n".join([*aligned([HEAD, *cells(rows)], LEFT), "", *paragraphs, ""])


def aligned(table: Sequence[Cells], left: Collection[int]) -> list[str]:
    """Give the lines of a table, these columns to the left and all others to the right."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]


def markdown(rows: Sequence[Row], paragraphs: Sequence[str]) -> str:
    """Write a page with the table."""
    rule = tuple("---" if column in LEFT else "---:" for column in range(len(HEAD)))
    lines = ["| " + " | ".join(line) + " |" for line in (HEAD, rule, *cells(rows))]
    told = [paragraph.replace("* ", "\\* ", 1) if paragraph.startswith("* ") else paragraph for paragraph in paragraphs]
    opening = "What a run costs, as `./benchmarks/run --markdown docs/benchmarks.md` printed it."
    return "\n".join(["# Benchmarks", "", opening, "", *lines, "", "\n\n".join(told), ""])
