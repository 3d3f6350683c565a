"""A declaration of any bytes: faults with their places or a value, and a layout that changes nothing of it."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.core.canonical import declared as digest
from reconciler.core.diagnostics import Severity
from reconciler.core.errors import PredicateRefused
from reconciler.manifest.documents import read
from reconciler.manifest.layout import layout
from reconciler.manifest.load import diagnose
from reconciler.report.diagnostics import ANNOTATIONS, diagnostics_json, diagnostics_text, workflow_annotations
from reconciler.sources.predicate import compile_predicate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler.core.diagnostics import Diagnostic
    from reconciler.core.model import Declarations, Segment, Source

COLUMNS = {"id": "VARCHAR", "email": "VARCHAR", "name": "VARCHAR", "age": "INTEGER", "agreed": "BOOLEAN"}
RULE = re.compile(r"[a-z]+(-[a-z]+)*")
HIDDEN = re.compile(r"[0-9a-fA-F]{24,}|\S@example\.com")
"""What is, or may be, a key or a person's address."""
LONGEST = 1_000
FILES = {"exports", "exports/a.yaml"}


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Give the target; `folder` is its own."""
    (folder / "exports").mkdir()
    (folder / "data").mkdir()
    (folder / "data" / "people.csv").write_text("id,email,name,age,agreed\n")

    def one(data: bytes) -> None:
        declared, faults = loaded(folder, data)
        judged(data, declared, faults)
        text = data.decode("utf-8", "replace")
        if not read("a", data).faults:
            laid_out(folder, text, None if declared is None else digest(declared), faults)

    yield one


def loaded(folder: Path, data: bytes) -> tuple[Declarations | None, tuple[Diagnostic, ...]]:
    """Load a project of one file, as `validate` does where the source can be read."""
    (folder / "exports" / "a.yaml").write_bytes(data)
    return diagnose(folder, lambda _: COLUMNS, predicate)


def predicate(_: Source, segment: Segment) -> tuple[int | None, str] | None:
    """Judge a segment's predicate."""
    try:
        compile_predicate(segment.where or "", COLUMNS)
    except PredicateRefused as refused:
        return refused.offset, str(refused)
    return None


def judged(data: bytes, declared: Declarations | None, faults: tuple[Diagnostic, ...]) -> None:
    """Hold every fault to a place in the file and to one line, in each of the three forms in which it is shown."""
    lines = data.decode("utf-8", "replace").count("\n") + data.count(b"\r") + 1
    assert (declared is None) == any(fault.severity is Severity.ERROR for fault in faults)
    for fault in faults:
        assert fault.where.file in FILES
        assert 1 <= fault.where.line <= lines + 3 * data.count(b"\xe2\x80") + data.count(b"\xc2\x85"), fault
        assert 1 <= fault.where.column <= len(data) + 2, fault
        assert RULE.fullmatch(fault.rule), fault
        assert fault.message.isprintable(), fault
        assert len(fault.message) <= LONGEST, fault
        assert not HIDDEN.search(fault.message), "a fault shows a key or an address"
    assert len(diagnostics_text(faults).splitlines()) >= len(faults)
    assert len(workflow_annotations(faults).splitlines()) == min(len(faults), ANNOTATIONS)
    assert len(json.loads(diagnostics_json(faults))["diagnostics"]) == len(faults)


def laid_out(folder: Path, text: str, before: str | None, faults: tuple[Diagnostic, ...]) -> None:
    """Hold `fmt` to its promise: laid out again it stays the same, and it loads as before."""
    tidy = layout(text)
    assert layout(tidy) == tidy, "a second layout changes the first"
    declared, again = loaded(folder, tidy.encode())
    assert (None if declared is None else digest(declared)) == before, "the layout changed what is declared"
    assert sorted({fault.rule for fault in again}) == sorted({fault.rule for fault in faults})
