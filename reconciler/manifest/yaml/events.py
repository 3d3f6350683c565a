"""YAML 1.2 as events with positions. It decides how what is not YAML is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from reconciler.manifest.yaml.quick import QuickParser

if TYPE_CHECKING:
    from collections.abc import Iterator

SCALAR: Final = "scalar"
MAPPING: Final = "mapping"
SEQUENCE: Final = "sequence"
ALIAS: Final = "alias"
DOCUMENT: Final = "document"
END: Final = "end"

_WORDS: Final = (
    (r"'\t'", "a tab cannot indent YAML; use two spaces"),
    ("could not find expected ':'", "a line above is no key and value; write key: value"),
    ("mapping values are not allowed here", 'a second ":" on a line, or a wrong indent; write key: "a: b"'),
    ("unexpected end of stream", 'a quote is never closed; write key: "value"'),
    ("expected ',' or", "a bracket is never closed, or a comma is missing; write [a, b] or {key: value}"),
    ("cannot start any token", 'a value cannot start with this sign; write it in quotes, key: "value"'),
    ("expected <block end>", "the indent fits nothing above; indent keys that belong together alike, by two spaces"),
    ("expected the node content", "a value is missing here; write key: value"),
    ("expected alphabetic or numeric", 'a value cannot start with this sign; write it in quotes, key: "value"'),
    ("escape", "a backslash in double quotes starts an escape that is none; write \\\\ or use single quotes"),
)


class Malformed(Exception):  # noqa: N818  # says what is so
    """The text is not YAML from this place on (line and column counted from 1); `problem` is one line."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.column, self.problem = line, column, problem


class Event(NamedTuple):
    """One event: its kind, its place counted from 1, and what it carries.

    `style` is "" for a plain scalar, else its quote or block sign. For a document, `value` is the directives' text and
    `style` is "---" when its start is written out; `end` closes a mapping, a sequence or a document.
    """

    kind: str
    line: int
    column: int
    value: str = ""
    style: str = ""
    anchor: str | None = None
    tag: str | None = None


def events(text: str) -> Iterator[Event]:
    """Yield the events of every document. Raises Malformed, after the events that stand before the fault."""
    parser = None
    try:
        parser = QuickParser(text)
        while (event := parser.get_event()) is not None:
            found = _event(event)
            if found is not None:
                yield found
    except MarkedYAMLError as error:
        raise _malformed(error) from None
    except Exception as error:  # noqa: BLE001  # the parser meets hostile text with whatever exception comes
        line = parser.scanner.reader.line + 1 if parser else 1
        raise Malformed(line, 1, f"this cannot be read as YAML ({type(error).__name__}); write key: value") from None


def _event(event: Any) -> Event | None:
    mark = event.start_mark
    line, column = mark.line + 1, mark.column + 1
    if isinstance(event, ScalarEvent):
        style = event.style or ("" if event.implicit[0] else "!")
        return Event(SCALAR, line, column, str(event.value), style, event.anchor, _tag(event))
    if isinstance(event, MappingStartEvent):
        return Event(MAPPING, line, column, "", "", event.anchor, _tag(event))
    if isinstance(event, SequenceStartEvent):
        return Event(SEQUENCE, line, column, "", "", event.anchor, _tag(event))
    if isinstance(event, AliasEvent):
        return Event(ALIAS, line, column, "", "", event.anchor)
    if isinstance(event, DocumentStartEvent):
        return Event(DOCUMENT, line, column, _directives(event), "---" if event.explicit else "")
    name = type(event).__name__
    return Event(END, line, column) if name.endswith("EndEvent") and name != "StreamEndEvent" else None


def _tag(event: Any) -> str | None:
    tag = event.ctag
    return None if tag is None else str(tag)


def _directives(event: DocumentStartEvent) -> str:
    version = event.version
    named = [] if version is None or tuple(version) == (1, 2) else ["%YAML " + ".".join(str(n) for n in version)]
    return ", ".join([*named, *(f"%TAG {handle}" for handle in event.tags or {})])


def _malformed(error: MarkedYAMLError) -> Malformed:
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or error.context or "this is not YAML").split("\n", 1)[0]
    known = (words for part, words in _WORDS if part in problem)
    words = next(known, f"{problem}; write key: value")
    return Malformed(mark.line + 1, mark.column + 1, words) if mark else Malformed(1, 1, words)
