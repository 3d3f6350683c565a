"""Decides what a table is to the source that reads it: columns, SQL of its rows, and how it is told apart later."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.errors import SourceError
from reconciler.core.texts import folded
from reconciler.sources import kinds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from reconciler.sources.engine import Engine


@dataclass(frozen=True, slots=True)
class Reading:
    """What one scan needs of a table: the columns that the statement names, and the kept segments that it asks for.

    `spool` is the folder of the pipes, for tables that are handed to the engine through one.
    """

    engine: Engine
    columns: frozenset[str]
    members: frozenset[str] = frozenset()
    spool: Path | None = None


class Table(ABC):
    """One readable table. `columns` maps each name to its engine type; `label` is how it is declared, for messages."""

    __slots__ = ()

    @property
    @abstractmethod
    def label(self) -> str:
        """How messages name the table."""

    @property
    @abstractmethod
    def columns(self) -> Mapping[str, str]:
        """The columns, in order, with their engine types."""

    @property
    def cells(self) -> tuple[str, ...]:
        """The column behind each position that a value of the wrong type is reported by."""
        return ()

    @property
    def files(self) -> Mapping[str, str]:
        """What messages call each file that the engine may name in a fault."""
        return {}

    @property
    def piped(self) -> bool:
        """Whether rows are handed to the engine through a pipe, for which there must be a folder."""
        return False

    def fault(self, message: str) -> SourceError | None:  # noqa: ARG002  # for those that know
        """Say what a fault of the engine means that comes from below it, from what hands it the rows; None: unknown."""
        return None

    @abstractmethod
    def reading(self, needs: Reading) -> AbstractContextManager[str]:
        """Give SQL of the table's rows, for one scan inside the block.

        Raises SourceError at its end when it was not read to its end, or changed meanwhile.
        """

    @abstractmethod
    def mark(self) -> str | None:
        """Tell the content apart from that at another time, alike on every machine; None: it cannot be told."""

    @abstractmethod
    def snapshot(self) -> str:
        """Say which data is read, in one line for the run's record, without personal data."""

    def column(self, wanted: str, what: str) -> str:
        """Give the name of a column as the table has it. Raises SourceError with the nearest one."""
        names = {folded(name): name for name in self.columns}
        if (found := names.get(folded(wanted))) is not None:
            return found
        near = difflib.get_close_matches(folded(wanted), names, 1)
        hint = f"; did you mean {names[near[0]]}?" if near and kinds.tellable(near[0]) else ""
        headless = "; a file without a header needs header: false and columns" if self.cells and not hint else ""
        raise SourceError(f"{self.label}: there is no column {wanted!r} for {what}{hint}{headless}")

    def typed_nulls(self) -> str:
        """Give SQL of the table's shape without its rows; no file is touched."""
        return "SELECT " + ", ".join(f"CAST(NULL AS {of}) AS {kinds.name(name)}" for name, of in self.columns.items())
