"""Decides how a CSV file is read as text: its encoding, its first record, and how its lines end. Nothing is guessed."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from reconciler.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.sources.places import Named

FAULTS = (OSError, EOFError, UnicodeError, zlib.error)
"""What can go wrong while a file is decoded."""
NATIVE = {"utf-8": "utf-8", "utf-8-sig": "utf-8", "iso8859-1": "latin-1"}
"""Python's names of the encodings that the engine reads well, and the engine's."""


@dataclass(frozen=True, slots=True)
class Record:
    """The first record of a file: its cells, the text it was read from, and the line end after it."""

    cells: tuple[str, ...]
    text: str
    end: str

    @property
    def plain(self) -> bool:
        r"""Whether the engine sees how lines end: it looks at the first break, be it inside quotes.

        LF and CR can be told to it; CR LF cannot (it then reads nothing, and says nothing).
        """
        return self.end != "\r\n" or self.text.splitlines(keepends=True)[0].endswith("\r\n")


def encoding(declared: str | None, label: str) -> str:
    """Give Python's name of a declared encoding. Raises SourceError for one that does not exist."""
    try:
        called = codecs.lookup(declared or "utf-8").name
        "".encode(called)  # refuses codecs that do not make text
    except (LookupError, ValueError):
        raise SourceError(
            f"{label}: there is no encoding {declared!r}; write one such as utf-8, latin-1, cp1252 or utf-16"
        ) from None
    return called


def compressed(path: Named) -> bool:
    """Tell whether a file is read through gzip."""
    return path.name.lower().endswith(".gz")


@contextmanager
def reading(path: Named, called: str) -> Iterator[IO[str]]:
    """Open a file as text, decoded strictly, with its line ends as they are. Raises what FAULTS lists."""
    with path.open("rb") as raw:
        data = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if compressed(path) else raw
        with io.TextIOWrapper(data, encoding="utf-8-sig" if called == "utf-8" else called, newline="") as text:
            yield text


def first(text: IO[str], delimiter: str) -> Record:
    """Read the first record, which may go over several lines. Raises csv.Error, and what FAULTS lists."""
    lines: list[str] = []

    def taken() -> Iterator[str]:
        while line := text.readline():
            lines.append(line if lines else line.removeprefix("\ufeff"))
            yield lines[-1]

    cells = next(csv.reader(taken(), delimiter=delimiter, strict=True), [])
    last = lines[-1] if lines else ""
    end = next((end for end in ("\r\n", "\n", "\r") if last.endswith(end)), "\n")
    return Record(tuple(cells), "".join(lines), end)


def undecodable(fault: BaseException, path: Named, called: str, label: str) -> SourceError:
    """Say why a file cannot be read as text, without a byte of it."""
    match fault:
        case UnicodeError():
            return SourceError(f"{label}: {path.name} is not {called} text; declare its encoding, such as cp1252")
        case EOFError() | zlib.error() | gzip.BadGzipFile():
            return SourceError(f"{label}: {path.name} is cut short or damaged: its compressed data does not end well")
        case _:
            why = getattr(fault, "strerror", None) or "no reason given"
            return SourceError(f"{label}: {path.name} cannot be read: {why}")
