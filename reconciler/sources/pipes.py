"""Turns files of any encoding, compressed or not, into UTF-8 on the fly; it decides nothing.

The engine itself reads UTF-8 and Latin-1 well, UTF-16 by half and without a word, and the rest not at all; of a gzip
file that is cut short it gives the first part as if it were all. So Python decodes, strictly, and the engine reads a
named pipe. Nothing of the data is put on disk.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING

import duckdb

from reconciler.core.errors import SourceError
from reconciler.sources.texts import FAULTS, first, reading, undecodable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.sources.places import Named

_BLOCK = 1 << 18  # characters decoded at a time
_PATIENCE = 10.0  # seconds for a thread to end whose file has been read


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the files of a table become text. What comes out of a pipe always has a header, of `width` made-up names."""

    called: str
    delimiter: str
    header: bool
    width: int


@contextmanager
def flowing(files: Sequence[Named], how: Decoding, spool: Path, label: str) -> Iterator[tuple[str, ...]]:
    """Give the path of a pipe for each file, all of them written to while the block runs.

    The pipes live in a folder of their own below `spool`. Raises SourceError at the end of the block when a file could
    not be decoded to its end, or was not read to its end.
    """
    with TemporaryDirectory(dir=spool) as folder:
        pours = [_Pour(path, how, Path(folder) / f"{index}.csv") for index, path in enumerate(files)]
        for pour in pours:
            pour.start()
        try:
            yield tuple(str(pour.pipe) for pour in pours)
            for pour in pours:
                pour.finish(label)
        except (SourceError, duckdb.Error):
            for pour in pours:
                pour.blame(label)  # a file that cannot be decoded is why the engine found it cut short
            raise
        finally:
            for pour in pours:
                pour.stop()


class _Pour(threading.Thread):
    """Writes one file into one pipe."""

    def __init__(self, path: Named, how: Decoding, pipe: Path) -> None:
        super().__init__(daemon=True, name=f"decode-{path.name}")
        self.pipe = pipe
        self._path = path
        self._how = how
        self._reached = self._done = False
        self._fault: BaseException | None = None
        self._stopping = threading.Event()
        os.mkfifo(pipe, 0o600)

    def run(self) -> None:
        """Decode to the end, or to the first fault, which is kept."""
        try:
            with self.pipe.open("wb") as out, reading(self._path, self._how.called) as text:
                self._reached = True
                out.write(self._beginning(text).encode())
                while not self._stopping.is_set() and (block := text.read(_BLOCK)):
                    out.write(block.encode())
        except FAULTS as fault:
            self._fault = fault
        else:
            self._done = not self._stopping.is_set()

    def _beginning(self, text: IO[str]) -> str:
        """Give the made-up header, and the first record unless that is the header."""
        record = first(text, self._how.delimiter)
        names = self._how.delimiter.join(f"c{position}" for position in range(self._how.width))
        return names + record.end + ("" if self._how.header else record.text)

    def finish(self, label: str) -> None:
        """Raise SourceError unless the whole file went through, or the engine, which is done, wanted nothing of it."""
        if not self._reached:
            return
        self.join(_PATIENCE)
        self.blame(label)
        if not self._done:
            raise SourceError(f"{label}: {self._path.name} was read by half")

    def blame(self, label: str) -> None:
        """Raise SourceError when the file itself is at fault."""
        if self._fault is not None and not isinstance(self._fault, BrokenPipeError):
            raise undecodable(self._fault, self._path, self._how.called, label) from None

    def stop(self) -> None:
        """End the thread: it may wait for a reader that never comes, or for one that has lost interest."""
        self._stopping.set()
        while self.is_alive():
            with suppress(FileNotFoundError):  # the source was closed in mid-stream
                reader = os.open(self.pipe, os.O_RDONLY | os.O_NONBLOCK)
                with open(reader, "rb", buffering=0) as drain:  # noqa: PTH123  # of a descriptor
                    while drain.read(_BLOCK):
                        pass
            self.join(0.005)
