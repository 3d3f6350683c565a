"""Whatever is declared, recorded or answered, a report is well formed, bounded, and does nothing but be read."""

from __future__ import annotations

import datetime as dt
import json
import re
import unicodedata
from html.parser import HTMLParser
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.core.diagnostics import Diagnostic, Severity, Where
from reconciler.core.plan import (
    EXCLUSIONS,
    Action,
    ConnectionPlan,
    Counts,
    ExportPlan,
    Plan,
    Reason,
    Requests,
    SegmentPlan,
)
from reconciler.core.record import ExportRun, Reject, Run, RunStatus
from reconciler.core.status import WORDS, ConnectionStatus, StatusRow
from reconciler.report.applied import apply_text
from reconciler.report.diagnostics import diagnostics_json, diagnostics_text, workflow_annotations
from reconciler.report.document import plan_document, plan_json
from reconciler.report.escape import visible
from reconciler.report.markdown import LIMIT, MARKER, plan_markdown
from reconciler.report.runs import history_json, history_text, run_json, run_text, status_json, status_text
from reconciler.report.schema import schemas
from reconciler.report.text import plan_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</details><script>",
    "-->",
    "[x](https://example.com)",
    "![x](y)",
    "www.example.com",
    "1http://example.com/x",
    "@team",
    "octo/repo#12",
    "GH-12",
    "person@example.com",
    "`code`",
    "``",
    "a|b",
    "\\|",
    "one\ntwo",
    "# heading",
    "1. item",
    "2) item",
    "+ item",
    "     indented",
    "---",
    "- item",
    "::set-env name=X::y",
    " ::error::z",
    "x\n::stop-commands::y",
    "##[add-mask]x",
    "##vso[task.setvariable variable=x]y",
    "\x1b[31mred\x1b]8;;https://example.com\x07link",
    "\x9b31m",
    "\x00",
    "\x7f",
    "\r\nHTTP",
    "\u202egnp.exe",
    "\u2066x",
    "\u200b",
    "\u2028",
    "\ud800",
    "&lt;b&gt;",
    "&#64;team",
    "$x^2$",
    "**bold** __bold__ ~~gone~~ *x* _y_",
    ":smile:",
    "%0A::error::x",
    "a" * 500,
    "",
)

SIGNS = st.text(st.sampled_from("<>[]()`|@#:*_~\\&!w.h/+ \n-1"), max_size=12)
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30), SIGNS)
FIGURES = (0, 0, 0, 1, 2, 13, 999, 1_000, 12_260, 1_000_000)
START = dt.datetime(2026, 11, 2, 6, 0, tzinfo=dt.UTC)


class Scribe:
    """Fills in every kind of value with texts that somebody else chose."""

    def __init__(self, texts: list[str], seed: int) -> None:
        self._texts = texts
        self._dice = Random(seed)

    def text(self) -> str:
        return self._dice.choice(self._texts)

    def one(self, options: Iterable[T]) -> T:
        return self._dice.choice(list(options))

    def some(self, make: Callable[[], T], most: int = 3) -> tuple[T, ...]:
        return tuple(make() for _ in range(self._dice.randint(0, most)))

    def figure(self) -> int:
        return self._dice.choice(FIGURES)

    def four(self) -> tuple[int, int, int, int]:
        return self.figure(), self.figure(), self.figure(), self.figure()

    def where(self) -> Where:
        return Where(self.text(), self._dice.randint(1, 2000), self._dice.randint(1, 200))

    def maybe(self, make: Callable[[], T]) -> T | None:
        return self._dice.choice((make, lambda: None))()

    def reason(self) -> Reason:
        return Reason(self.text(), self.text(), self.maybe(self.where), self.text(), self.maybe(self.where))

    def excluded(self) -> dict[str, int]:
        return {key: self.figure() for key in EXCLUSIONS if self._dice.random() < 0.5}

    def segment(self) -> SegmentPlan:
        return SegmentPlan(
            self.text(), self.text(), self.figure(), self.figure(), self.figure(), self.one((True, False))
        )

    def export(self) -> ExportPlan:
        return ExportPlan(
            self.text(),
            self.one(("", "marketing")),
            self.one(Action),
            self.some(self.reason),
            Counts(*self.four(), self.figure(), self.figure()),
            self.excluded(),
            self.some(self.segment, 8),
            self.maybe(self.text),
            self.some(self.text, 2),
        )

    def connection(self) -> ConnectionPlan:
        return ConnectionPlan(
            self.text(),
            self.text(),
            self.figure(),
            self.figure(),
            self.one((0.013, 1, 5, 20)),
            Requests(*self.four(), self.figure(), self.figure()),
            self.one((None, True, False)),
            self.figure(),
            self.some(self.export, 9),
        )

    def diagnostic(self) -> Diagnostic:
        return Diagnostic(self.where(), self.text(), self.text(), self.one(Severity))

    def plan(self) -> Plan:
        return Plan(self.some(self.connection), self.some(self.export), self.some(self.diagnostic))

    def time(self) -> dt.datetime:
        return START + dt.timedelta(milliseconds=self.figure())

    def export_run(self) -> ExportRun:
        action, status = self.one(Action).value, self.one(RunStatus)
        names = self.text(), self.one(("", "marketing"))
        return ExportRun(
            *names, status, action, *self.four(), self.figure(), self.figure(), self.excluded(), self.some(self.text)
        )

    def run(self) -> Run:
        ended, done = self.maybe(self.time), self.some(self.export_run)
        return Run(self.text(), START, ended, self.text(), self.one(RunStatus), self.text(), self.figure(), done)

    def reject(self) -> Reject:
        return Reject(self.text(), self.text(), self._dice.randbytes(16), self.text())

    def row(self) -> StatusRow:
        names = self.text(), self.text(), self.text(), self.one(WORDS)
        said = self.text(), self.text()
        return StatusRow(*names, self.figure(), self.maybe(self.time), *said, self.figure())

    def usage(self) -> ConnectionStatus:
        return ConnectionStatus(self.text(), self.text(), self.figure(), self.figure())


scribes = st.builds(Scribe, st.lists(TEXTS, min_size=1, max_size=5), st.integers(0, 10**6))
many = settings(max_examples=50, deadline=None)

ANSI = re.compile(r"\x1b\[[0-9;]+m")
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def assert_quiet(text: str) -> None:
    """Nothing in the text steers a terminal, a runner or the direction of writing."""
    assert not [sign for sign in text if sign != "\n" and unicodedata.category(sign) in UNSEEN]
    assert not [line for line in text.split("\n") if line.strip().startswith("::")]
    assert "##[" not in text
    assert "##vso[" not in text


def assert_described(document: object, schema: dict[str, Any]) -> None:
    """The document fits the schema, and the schema knows each of its keys."""
    jsonschema.Draft202012Validator(schema).validate(document)
    jsonschema.Draft202012Validator(_closed(schema)).validate(document)


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _closed(value) for key, value in schema.items()}
    if "if" in inner:  # `then` adds to the objects of `properties`: they cannot be closed one without the other
        merged = {**inner["properties"], **inner["then"]["properties"]}
        base, more = inner["properties"]["exports"]["items"], inner["then"]["properties"]["exports"]["items"]
        both = {**base["properties"], **more["properties"]}
        merged["exports"] = {"items": {"properties": both, "additionalProperties": False}}
        return {"properties": merged, "additionalProperties": False}
    return {**inner, "additionalProperties": False} if schema.get("type") == "object" else inner


@many
@given(scribes, st.integers(20, 200))
def test_a_plan_as_text_is_quiet_and_colour_changes_nothing_but_colour(scribe: Scribe, width: int) -> None:
    plan, verbose = scribe.plan(), scribe.one((True, False))
    text = plan_text(plan, verbose=verbose, width=width)
    assert_quiet(text)
    assert not [line for line in text.split("\n") if line != line.rstrip()]
    assert ANSI.sub("", plan_text(plan, color=True, verbose=verbose, width=width)) == text


names = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
sentences = st.lists(names, min_size=1, max_size=40).map(" ".join)


@many
@given(names, st.lists(sentences, min_size=1, max_size=3), st.integers(1, 2000))
def test_no_line_of_a_plan_is_wider_than_the_terminal(name: str, said: list[str], line: int) -> None:
    where = Where(f"exports/{name}.yaml", line, 5)
    reasons = tuple(Reason("rule", text, where, text, where) for text in said)
    rows = tuple(ExportPlan(name, "c", a, reasons, notes=(said[0],)) for a in (Action.BLOCKED, Action.SKIPPED))
    plan = Plan((ConnectionPlan("c", "Marketing", 1, 2, 20, exports=rows),))
    assert max(len(line) for line in plan_text(plan, width=80).split("\n")) <= 80


@many
@given(scribes)
def test_json_of_plan_and_apply_fits_the_published_schema(scribe: Scribe) -> None:
    plan, run = scribe.plan(), scribe.run()
    schema = schemas()["plan.schema.json"]
    planned, applied = plan_json(plan), plan_json(plan, run)
    assert json.loads(planned) == plan_document(plan)
    for text in (planned, applied):
        assert_quiet(text)
        assert text.isascii()
        assert_described(json.loads(text), schema)


@many
@given(scribes)
def test_runs_are_quiet_and_fit_their_schemas(scribe: Scribe) -> None:
    past, refused = scribe.some(scribe.run), scribe.some(scribe.reject)
    assert_quiet(history_text(past))
    assert_described(json.loads(history_json(past)), schemas()["history.schema.json"])
    for run in past:
        assert_quiet(run_text(run, refused))
        assert_quiet(history_text(past, export=run.exports[0].export if run.exports else "none"))
        assert ANSI.sub("", run_text(run, refused, color=True)) == run_text(run, refused)
        assert_described(json.loads(run_json(run, refused)), schemas()["show.schema.json"])


@many
@given(scribes)
def test_an_apply_as_text_is_quiet(scribe: Scribe) -> None:
    plan, run = scribe.plan(), scribe.run()
    text = apply_text(plan, run)
    assert_quiet(text)
    assert ANSI.sub("", apply_text(plan, run, color=True)) == text


@many
@given(scribes)
def test_status_is_quiet_and_fits_its_schema(scribe: Scribe) -> None:
    rows, full = scribe.some(scribe.row), scribe.some(scribe.usage)
    assert_quiet(status_text(rows, full))
    assert ANSI.sub("", status_text(rows, full, color=True)) == status_text(rows, full)
    assert_described(json.loads(status_json(rows, full)), schemas()["status.schema.json"])


@many
@given(scribes)
def test_faults_are_one_line_each_and_fit_their_schema(scribe: Scribe) -> None:
    faults = scribe.some(scribe.diagnostic)
    text = diagnostics_text(faults)
    assert_quiet(text)
    assert len(text.splitlines()) == (len(faults) + 2 if faults else 1)
    assert_described(json.loads(diagnostics_json(faults)), schemas()["validate.schema.json"])


COMMAND = re.compile(r"::(error|warning) file=([^,:]*),line=(\d+),col=(\d+),title=([^,:]*)::(.*)")


@many
@given(scribes)
def test_an_annotation_is_one_command_with_its_own_properties(scribe: Scribe) -> None:
    faults = sorted(scribe.some(scribe.diagnostic), key=lambda fault: fault.severity is not Severity.ERROR)
    lines = workflow_annotations(faults).splitlines()
    assert len(lines) == len(faults)
    for line, fault in zip(lines, faults, strict=True):
        found = COMMAND.fullmatch(line)
        assert found is not None
        assert found.group(1, 3, 4) == (fault.severity.value, str(fault.where.line), str(fault.where.column))
        assert _decoded(found.group(6)) == "\n".join(visible(part) for part in fault.message.split("\n"))
        assert _decoded(found.group(5)) == "\n".join(visible(part) for part in fault.rule.split("\n"))


def _decoded(text: str) -> str:
    for sign, escape in ((":", "%3A"), (",", "%2C"), ("\n", "%0A"), ("%", "%25")):
        text = text.replace(escape, sign)
    return text


RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


class _Page(HTMLParser):
    """Collects the tags and the text of what a comment renders to."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.attributes: set[str] = set()
        self.text = ""
        self.comments: list[str] = []
        self.feed(RENDERER.render(source))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes |= {f"{name}={value}" for name, value in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


OURS = {"p", "strong", "ul", "li", "code", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "sub"}


@many
@given(scribes)
def test_a_comment_holds_no_markup_but_ours_and_stays_within_its_bound(scribe: Scribe) -> None:
    plan = scribe.plan()
    comment = plan_markdown(plan)
    assert comment.startswith(f"{MARKER}\n**reconciler plan:** ")
    assert len(comment.encode()) <= LIMIT
    assert_quiet(comment)
    page = _Page(comment)
    assert set(page.tags) <= OURS
    assert page.attributes <= {"style=text-align:right"}
    assert page.comments == [" reconciler:plan "]
    assert page.tags.get("strong", 0) <= 2
    assert page.tags.get("details", 0) <= len(plan.connections) + 1
    assert not re.search(r"@(?!\u200b)|:(?=//)|www\.\w", page.text, re.IGNORECASE)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_reads_in_a_comment_as_it_is_and_no_more(name: str) -> None:
    def comment(text: str) -> _Page:
        segment = SegmentPlan("s", text, 1, 1, 0)
        export = ExportPlan(text, "c", Action.UPDATE, segments=(segment,), notes=(text,), renamed_from=text or None)
        reason = Reason("rule", text, Where(text), text, Where(text))
        blocked = ExportPlan(text, "c", Action.BLOCKED, (reason,))
        return _Page(plan_markdown(Plan((ConnectionPlan("c", text, 1, 2, 20, exports=(export, blocked)),))))

    page = comment(name)
    harmless = comment("x" if name else "")
    assert page.tags == harmless.tags
    shown = visible(name)[:299].strip(" ")
    assert page.text.replace("\u200b", "").count(shown) >= 8
