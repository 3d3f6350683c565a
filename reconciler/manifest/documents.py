"""Bytes → documents: decides what is YAML that we read at all, and keeps the place of every key and value.

Hostile text ends in one line: what is expanded, nested or counted is limited before it is built.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from reconciler.core.diagnostics import Diagnostic, Marks, Path, Where
from reconciler.manifest.scalars import resolve
from reconciler.manifest.words import plain, quote
from reconciler.manifest.yaml import events as yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEEPEST = 32
EXPANDED = 1_000
"""Values that all aliases of one document may stand for together."""

_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DROPPED = "\0"


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its value, where its keys (`marks`) and its values (`places`) stand, and its file's text."""

    file: str
    value: object
    marks: Marks
    places: Mapping[Path, tuple[int, int]]
    text: str = field(repr=False)

    def at_value(self, path: Path) -> Where:
        """Return the place of the value at `path`, or of its nearest parent that has one."""
        return Marks(self.file, self.places).at(*path)


@dataclass(frozen=True, slots=True)
class Read:
    """What a file holds. `whole` False: it could not be read to its end, so it may declare more than is known."""

    documents: tuple[Document, ...] = ()
    faults: tuple[Diagnostic, ...] = ()
    whole: bool = True


def read(file: str, data: bytes) -> Read:
    """Read the documents of a file. Empty documents are left out."""
    text = _decode(file, data)
    if isinstance(text, Diagnostic):
        return Read(faults=(text,), whole=False)
    composer = _Composer(file, text)
    try:
        documents = tuple(composer.documents())
    except yaml.Malformed as error:
        fault = Diagnostic(Where(file, error.line, error.column), "yaml", plain(error.problem, 160))
        return Read(tuple(composer.done), (*composer.faults, fault), whole=False)
    except _Hostile as error:
        return Read(tuple(composer.done), (*composer.faults, error.fault), whole=False)
    return Read(documents, tuple(composer.faults))


def _decode(file: str, data: bytes) -> str | Diagnostic:
    """Turn bytes into text, or say where they are not."""
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        message = f"byte {error.start + 1} is not UTF-8; save the file as UTF-8"
        return Diagnostic(_place(file, before), "encoding", message)
    if (found := _NOT_TEXT.search(text)) is not None:
        what = "a NUL" if found[0] == "\0" else f"the control character U+{ord(found[0]):04X}"
        return Diagnostic(_place(file, text[: found.start()]), "control-character", f"{what} is in the file; remove it")
    return text


def _place(file: str, before: str) -> Where:
    return Where(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


class _Hostile(Exception):  # noqa: N818  # says what is so
    """The file is not read any further."""

    def __init__(self, fault: Diagnostic) -> None:
        super().__init__(fault.message)
        self.fault = fault


class _Composer:
    """Builds values and places in one pass over the events; recursion ends at DEEPEST."""

    def __init__(self, file: str, text: str) -> None:
        self.faults: list[Diagnostic] = []
        self.done: list[Document] = []
        self._file, self._text = file, text
        self._events = yaml.events(text)
        self._spots: dict[Path, tuple[int, int]] = {}
        self._places: dict[Path, tuple[int, int]] = {}
        self._anchors: dict[str, tuple[object, int]] = {}
        self._nodes = self._expanded = 0

    def documents(self) -> Iterator[Document]:
        for event in self._events:
            if event.kind != yaml.DOCUMENT:
                continue
            self._begin(event)
            root = next(self._events)
            value = self._value(root, ())
            self._spots[()] = (root.line, root.column)
            next(self._events)
            if value is not None:
                document = Document(self._file, value, Marks(self._file, self._spots), self._places, self._text)
                self.done.append(document)
                yield document

    def _begin(self, event: yaml.Event) -> None:
        self._spots, self._places, self._anchors = {}, {}, {}
        self._nodes = self._expanded = 0
        if event.value:
            message = f"{quote(event.value)} is not allowed: this is YAML 1.2; remove the line"
            self._soft(event, "yaml-directive", message)

    def _value(self, event: yaml.Event, path: Path) -> object:
        if len(path) > DEEPEST:
            self._hard(event, "too-deep", f"nested deeper than {DEEPEST} levels; no declaration needs that")
        self._places[path] = (event.line, event.column)
        before = self._nodes
        self._nodes += 1
        if event.tag is not None:
            self._soft(event, "yaml-tag", f"the tag {quote(event.tag)} is not allowed; write the value without it")
        value = self._content(event, path)
        if event.anchor is not None and event.kind != yaml.ALIAS:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _content(self, event: yaml.Event, path: Path) -> object:
        match event.kind:
            case yaml.SCALAR:
                return self._scalar(event)
            case yaml.MAPPING:
                return self._mapping(path)
            case yaml.SEQUENCE:
                return self._sequence(path)
            case _:
                return self._alias(event)

    def _mapping(self, path: Path) -> dict[str, object]:
        made: dict[str, object] = {}
        while (event := next(self._events)).kind != yaml.END:
            key = self._key(event, path, made)
            if key is None:
                self._value(next(self._events), (*path, _DROPPED))
                continue
            self._spots[*path, key] = (event.line, event.column)
            made[key] = self._value(next(self._events), (*path, key))
        return made

    def _sequence(self, path: Path) -> list[object]:
        made: list[object] = []
        while (event := next(self._events)).kind != yaml.END:
            here = (*path, len(made))
            self._spots[here] = (event.line, event.column)
            made.append(self._value(event, here))
        return made

    def _key(self, event: yaml.Event, path: Path, made: Mapping[str, object]) -> str | None:
        """Return the key, or None when what stands there is none and its value is to be dropped."""
        if event.kind != yaml.SCALAR:
            self._soft(event, "yaml-key", "a key must be text, not an alias, a list or a mapping; write key: value")
            self._value(event, (*path, _DROPPED))
            return None
        key = event.value
        if key == "<<" and event.style == "":
            self._soft(event, "merge-key", 'the merge key "<<" is not allowed; write the keys out')
            return None
        if event.anchor is not None or event.tag is not None:
            self._soft(event, "yaml-key", f"the key {quote(key)} must carry no anchor and no tag; write key: value")
        elif event.style == "" and not isinstance(resolve(key), str):
            self._soft(event, "yaml-key", f'the key {quote(key)} is not text; write it in quotes: "{plain(key)}": …')
        if key in made:
            line, _ = self._spots[*path, key]
            self._duplicate(event, path, key, line)
            return None
        return key

    def _duplicate(self, event: yaml.Event, path: Path, key: str, line: int) -> None:
        if path == ("spec", "match"):
            message = f"the Autopilot field {quote(key)} is mapped twice, first in line {line}; keep one of the two"
            self._soft(event, "field-twice", message)
        else:
            self._soft(event, "duplicate-key", f"{quote(key)} stands twice, first in line {line}; keep one of the two")

    def _alias(self, event: yaml.Event) -> object:
        name = str(event.anchor)
        if name not in self._anchors:
            message = f"the alias {quote(name)} names no anchor that stands before it; write it out"
            self._hard(event, "yaml-alias", message)
        value, size = self._anchors[name]
        self._nodes += size
        self._expanded += size
        if self._expanded > EXPANDED:
            self._hard(event, "yaml-alias", f"aliases stand for more than {EXPANDED:,} values; write them out")
        return value

    def _scalar(self, event: yaml.Event) -> object:
        if _NOT_TEXT.search(event.value) is not None:
            message = "an escape writes a control character or half a character; remove it"
            self._soft(event, "control-character", message)
            return ""
        if event.style != "":
            return event.value
        value = resolve(event.value)
        if isinstance(value, float) and not math.isfinite(value):
            self._soft(event, "yaml-number", f"{quote(event.value)} is not a number that can be used; write digits")
            return 0
        return value

    def _soft(self, event: yaml.Event, rule: str, message: str) -> None:
        self.faults.append(Diagnostic(Where(self._file, event.line, event.column), rule, message))

    def _hard(self, event: yaml.Event, rule: str, message: str) -> NoReturn:
        raise _Hostile(Diagnostic(Where(self._file, event.line, event.column), rule, message))
