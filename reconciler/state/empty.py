"""The recorded state of a project that has none yet. It decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.core.record import Claim, Identity, Intent, RecordedExport, RecordedList, Reject, Run


class EmptyReader:
    """A LedgerReader over nothing: no file is needed, and none is made."""

    def identity(self) -> Identity | None:
        """None: nothing was ever recorded."""
        return None

    def connections(self) -> tuple[str, ...]:
        """None recorded."""
        return ()

    def exports(self, connection: str) -> tuple[RecordedExport, ...]:  # noqa: ARG002  # the port's
        """None recorded."""
        return ()

    def lists(self, connection: str) -> tuple[RecordedList, ...]:  # noqa: ARG002  # the port's
        """None known."""
        return ()

    def claims(self, connection: str) -> Iterator[Claim]:  # noqa: ARG002  # the port's
        """Nobody."""
        return iter(())

    def contact_ids(self, connection: str, keys: Iterable[bytes]) -> dict[bytes, str]:  # noqa: ARG002  # the port's
        """None known."""
        return {}

    def bulk_lists(self, connection: str) -> bool | None:  # noqa: ARG002  # the port's
        """Not known yet."""
        return None

    def foreign(self, connection: str) -> dict[bytes, frozenset[int]]:  # noqa: ARG002  # the port's
        """Nobody."""
        return {}

    def doubtful(self, connection: str) -> tuple[Intent, ...]:  # noqa: ARG002  # the port's
        """Nobody."""
        return ()

    def rejected(self, connection: str) -> frozenset[bytes]:  # noqa: ARG002  # the port's
        """Nobody."""
        return frozenset()

    def suppressed(self) -> frozenset[bytes]:
        """Nobody."""
        return frozenset()

    def erasures(self) -> dict[str, dict[bytes, str | None]]:
        """None begun."""
        return {}

    def runs(self, export: str | None = None, limit: int = 50) -> tuple[Run, ...]:  # noqa: ARG002  # the port's
        """None yet."""
        return ()

    def run(self, run_id: str) -> tuple[Run, tuple[Reject, ...]]:
        """Raise StateError: there is none."""
        raise StateError(f"no run {run_id!r} is recorded; nothing was ever applied here")

    def used_by(self, seal: str) -> str | None:  # noqa: ARG002  # the port's
        """No run."""
        return None

    def close(self) -> None:
        """Nothing to close."""
