"""Decides how a table of Dataverse is read: only the columns that a statement names, in one pass, to the last page."""

from __future__ import annotations

import re
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciler.core.errors import PartUnread, SourceError
from reconciler.core.texts import folded
from reconciler.sources import attributes, kinds, odata, streams
from reconciler.sources.attributes import Attribute, Mistyped
from reconciler.sources.odata import Query
from reconciler.sources.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from reconciler.sources.insights import Watch
    from reconciler.sources.odata import Page
    from reconciler.sources.service import Service
    from reconciler.sources.table import Reading

_FILTERED = 10  # segments that the service is asked to look for by name; with more it reads its whole table anyway
_BETWEEN = re.compile(r"[\s,;|\[\](){}]*")  # what may stand between two names


@dataclass(slots=True)
class Seen:
    """What the last scan came upon. `whole`: the engine took all of it; `names`: how many rows list each segment.

    `unasked`: the engine took nothing of it, because no row could make a difference to the answer.
    """

    rows: int = 0
    whole: bool = False
    unasked: bool = False
    names: Counter[str] = field(default_factory=Counter)


class Scans(threading.local):
    """The last scan of this thread: exports that run side by side do not count each other's rows."""

    def __init__(self) -> None:
        self.seen = Seen()


@dataclass(frozen=True, slots=True)
class EntityTable(Table):
    """The rows of an entity set. `prefix` is left out of the columns' names, and may be written all the same."""

    service: Service
    table: str
    held: Mapping[str, Attribute]
    prefix: str
    watch: Watch
    stop: Callable[[], bool]
    scans: Scans = field(default_factory=Scans)

    @property
    def seen(self) -> Seen:
        """What the last scan of this thread came upon."""
        return self.scans.seen

    @property
    def label(self) -> str:
        """The entity set."""
        return self.table

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns, in order, with their engine types."""
        return {name: attribute.type for name, attribute in self.held.items()}

    @property
    def piped(self) -> bool:
        """Rows come over the network."""
        return True

    def column(self, wanted: str, what: str) -> str:
        """Give the name of a column, which may be written with the prefix. Raises SourceError."""
        if self.prefix and folded(wanted).startswith(folded(self.prefix)):
            short = folded(wanted[len(self.prefix) :])
            wanted = next((name for name in self.held if folded(name) == short), wanted)
        return Table.column(self, wanted, what)

    @contextmanager
    def reading(self, needs: Reading) -> Iterator[str]:
        """Give SQL of the rows, for one scan inside the block. Raises SourceError at its end when they are not all."""
        assert needs.spool is not None
        self.scans.seen = seen = Seen()
        names = [name for name in self.held if name in needs.columns]
        blocks = self._blocks(names, needs, seen)
        with streams.flowing(blocks, needs.spool, self.stop, needs.engine.cuts) as stream:
            yield csv_sql(str(stream.pipe), [(name, self.held[name].type) for name in names])
        seen.whole, seen.unasked = stream.whole, stream.unasked

    def mark(self) -> str | None:
        """Give what the last refresh is called, if that can be known."""
        return self.watch.refreshed()

    def snapshot(self) -> str:
        """Say how many rows were read, and of which refresh."""
        return f"{self.label} at {self.service.host}: {self.seen.rows:,} rows read, {self.watch.told()}"

    def query(self, names: Sequence[str], needs: Reading) -> Query:  # noqa: ARG002  # memberships need it
        """Ask for the columns."""
        return Query([self.held[name].logical for name in names])

    def lines(self, page: Page, names: Sequence[str], needs: Reading, seen: Seen) -> Iterator[str]:  # noqa: ARG002  # same
        """Write a page as CSV. Raises SourceError."""
        cells = [(self.held[name].logical, attributes.cell(self.held[name].type)) for name in names]
        try:
            for row in page:
                yield ",".join([write(row[logical]) for logical, write in cells])
        except (KeyError, Mistyped):
            raise self._wrong(page, names) from None

    def _blocks(self, names: Sequence[str], needs: Reading, seen: Seen) -> Iterator[bytes]:
        for page in odata.pages(self.service, f"/{self.table}", self.query(names, needs), self.label):
            seen.rows += len(page)
            lines = [f"{line},.\n" for line in self.lines(page, names, needs, seen)]
            if lines:
                yield _encoded("".join(lines), self.label)

    def _wrong(self, page: Page, names: Sequence[str]) -> SourceError:
        """Name the column at fault: one that a row does not have, or one that holds what it should not."""
        for name in names:
            attribute = self.held[name]
            if any(attribute.logical not in row for row in page):
                gone = f"{self.label}: column {name!r} is gone since the read began, so it was read by half"
                return PartUnread({}, {name: gone})
            if not all(_fits(attribute, row[attribute.logical]) for row in page):
                wrong = f"{self.label}: column {name!r} holds a value that is not of its type {attribute.type}"
                return PartUnread({}, {name: wrong})
        raise AssertionError("a page is at fault and none of its columns")


@dataclass(frozen=True, slots=True)
class HeldTable(EntityTable):
    """The memberships: rows of a profile and the text that lists its segments become rows of a profile and a name.

    `listing` is the column with that text; `quote` stands before and after each name in it.
    """

    listing: str = ""
    quote: str = '"'

    def mark(self) -> str | None:
        """Give a digest of what is known of all segments."""
        return self.watch.evaluated()

    def query(self, names: Sequence[str], needs: Reading) -> Query:
        """Ask for the rows that may name a wanted segment, where the service can be trusted with the names.

        Its `contains` looks at neither case nor accents, takes _ and % for wildcards, and so finds too much; a bracket
        makes it find too little. What comes is matched exactly here.
        """
        plain = EntityTable.query(self, names, needs)
        members = sorted(needs.members)
        if not 0 < len(members) <= _FILTERED or any(set("[]^\\") & set(name) for name in members):
            return plain
        column = self.held[self.listing].logical
        looked = (f"contains({column},{odata.literal(self.quote + name + self.quote)})" for name in members)
        return Query(plain.select, " or ".join(looked))

    def lines(self, page: Page, names: Sequence[str], needs: Reading, seen: Seen) -> Iterator[str]:
        """Write a line for each name that is wanted; every name when none is."""
        key = next((name for name in names if name != self.listing), self.listing)
        text, logical = attributes.cell("VARCHAR"), self.held[key].logical
        listing, position = self.held[self.listing].logical, list(names).index(self.listing)
        try:
            for row in page:
                found = dict.fromkeys(self._names(row[listing]))
                for name in found.keys() & needs.members if needs.members else found:
                    seen.names[name] += 1
                    cells = [text(row[logical]), text(name)]
                    yield ",".join(cells if position else cells[::-1])
        except (KeyError, Mistyped):
            raise self._wrong(page, names) from None

    def _names(self, listed: Any) -> list[str]:
        """Take the names out of the text. Raises SourceError when it is not a list of quoted names, Mistyped."""
        if listed is None:
            return []
        if type(listed) is not str:
            raise Mistyped
        parts = listed.split(self.quote)
        if len(parts) % 2 == 0 or not all(_BETWEEN.fullmatch(part) for part in parts[::2]):
            raise SourceError(
                f"{self.label}: {self.listing} does not list names between {self.quote}; memberships.quote says what "
                "stands before and after each name"
            )
        return parts[1::2]


def _encoded(lines: str, label: str) -> bytes:
    try:
        return lines.encode()
    except UnicodeEncodeError:  # half of a pair, which JSON can write
        raise SourceError(f"{label}: holds a text that is not Unicode") from None


def _fits(attribute: Attribute, value: Any) -> bool:
    try:
        attributes.cell(attribute.type)(value)
    except Mistyped:
        return False
    return True


def csv_sql(path: str, columns: Sequence[tuple[str, str]]) -> str:
    """Write the scan of a pipe: a text is always in quotes, an empty cell is NULL, and a last cell ends each line.

    Without that cell a line of one missing value would be empty, and so no row.
    """
    shape = ", ".join([*(f"c{position}: '{of}'" for position, (_, of) in enumerate(columns)), "ends: 'VARCHAR'"])
    kept = ", ".join(f"c{position} AS {kinds.name(name)}" for position, (name, _) in enumerate(columns))
    return f"SELECT {kept} FROM read_csv({kinds.literal(path)}, columns={{{shape}}}, {_CSV})"  # noqa: S608  # quoted by `kinds`


_CSV = (
    "auto_detect=false, header=false, delim=',', quote='\"', escape='\"', new_line='\\n', nullstr='', "
    "allow_quoted_nulls=false, strict_mode=true, null_padding=false, ignore_errors=false, encoding='utf-8', "
    "hive_partitioning=false, union_by_name=false"
)
