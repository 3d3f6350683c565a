"""Hands rows that come over the network to the engine through a named pipe, page by page; it decides nothing.

The next page is asked for while the engine reads the last one. Two pages are in memory, and nothing is put on disk.
"""

from __future__ import annotations

import os
import queue
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Self

import duckdb

from reconciler.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

_TICK = 0.1  # seconds between two looks at whether the run is to end
PATIENCE = 10.0  # seconds for a thread to end whose rows have all been read
_GOODBYES = 200  # looks at a thread that is to end, 5 ms each; one that waits for an answer is left to itself
_BLOCK = 1 << 18


@contextmanager
def flowing(
    blocks: Iterable[bytes], spool: Path, stop: Callable[[], bool], cuts: list[Callable[[], None]]
) -> Iterator[Stream]:
    """Write `blocks` into a pipe of its own below `spool` while the block runs; what ends it is among `cuts` so long.

    Raises SourceError, whatever the engine made of the rows, when they did not come to their end.
    """
    with TemporaryDirectory(dir=spool, ignore_cleanup_errors=True) as folder:
        stream = Stream(blocks, Path(folder) / "rows.csv", stop)
        cuts.append(stream.cut)
        stream.start()
        try:
            yield stream
            stream.finish()
        except (SourceError, duckdb.Error):
            stream.blame()  # rows that stopped are why the engine found them cut short
            raise
        finally:
            cuts.remove(stream.cut)
            stream.end()


class Stream(threading.Thread):
    """Writes one table into one pipe. `whole`: the engine has been handed all of it; `unasked`: it wanted nothing."""

    def __init__(self, blocks: Iterable[bytes], pipe: Path, stop: Callable[[], bool]) -> None:
        super().__init__(daemon=True, name="rows")
        self.pipe = pipe
        self.whole = self.unasked = False
        self._reached = False
        self._blocks, self._halted = blocks, stop
        self._ending = threading.Event()
        self._fault: BaseException | None = None
        os.mkfifo(pipe, 0o600)

    def run(self) -> None:
        """Write to the end, or to the first fault, which is kept: also one that nobody thought of."""
        try:
            with self.pipe.open("wb") as out:
                self._reached = True
                self._pour(out)
        except Exception as fault:  # noqa: BLE001  # raised again by the thread that reads
            self._fault = fault
        else:
            self.whole = True

    def _pour(self, out: IO[bytes]) -> None:
        if self._ending.is_set():  # nobody wanted it, so not a page is asked for
            raise SourceError("stopped before it was read")
        with Ahead(self._blocks, self._over) as blocks:
            for block in blocks:
                out.write(block)

    def _over(self) -> bool:
        return self._ending.is_set() or self._halted()

    def cut(self) -> None:
        """Let the rows end where they are, as a fault."""
        self._ending.set()

    def finish(self) -> None:
        """Wait for the end, when the engine has read what it wanted. Raises SourceError, and what else went wrong.

        Of a pipe that nobody opened not a byte was read: no row of this table can be in the answer.
        """
        self.unasked = not self._reached
        if not self.unasked:
            self.join(PATIENCE)
        self.blame()

    def blame(self) -> None:
        """Raise what went wrong with the rows themselves; that the engine wanted no more of them is not a fault."""
        if self._fault is not None and not isinstance(self._fault, BrokenPipeError | FileNotFoundError):
            raise self._fault

    def end(self) -> None:
        """End the thread: it may wait for a reader that never comes, or for one that has lost interest."""
        self._ending.set()
        for _ in range(_GOODBYES):
            if not self.is_alive():
                return
            with suppress(FileNotFoundError):
                reader = os.open(self.pipe, os.O_RDONLY | os.O_NONBLOCK)
                with open(reader, "rb", buffering=0) as drain:  # noqa: PTH123  # of a descriptor
                    while drain.read(_BLOCK):
                        pass
            self.join(0.005)


class Ahead:
    """Gives items of which the next is fetched on another thread while the last is used. A context manager.

    `over` ends it: the wait for an item that a server is slow to give must not keep the run.
    """

    def __init__(self, items: Iterable[bytes], over: Callable[[], bool]) -> None:
        self._items, self._over = items, over
        self._ready: queue.Queue[bytes | Exception | None] = queue.Queue(1)
        self._left = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._fetch, daemon=True, name="pages").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()

    def __iter__(self) -> Generator[bytes, None, None]:
        while True:
            try:
                item = self._ready.get(timeout=_TICK)
            except queue.Empty:
                if self._over():
                    raise SourceError("stopped before all was read") from None
                continue
            if isinstance(item, Exception):
                raise item
            if item is None:
                return
            yield item

    def _fetch(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(None)
        except Exception as fault:  # noqa: BLE001  # raised again by the thread that uses the items
            self._put(fault)

    def _put(self, item: bytes | Exception | None) -> bool:
        """Hand one over, or a fault, or None for the end; False when nobody wants it any more."""
        while not self._left.is_set():
            with suppress(queue.Full):
                self._ready.put(item, timeout=_TICK)
                return True
        return False
