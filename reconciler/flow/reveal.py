"""Joins the rejected people of a run with the source. It decides who is found again; nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.errors import ReconcilerError
from reconciler.core.outcome import Revealed
from reconciler.flow.reading import Library

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.core.digest import Digests
    from reconciler.core.model import Declarations, Export
    from reconciler.core.people import Person
    from reconciler.core.ports import LedgerReader
    from reconciler.core.record import Reject
    from reconciler.flow.outside import Outside


def reveal(
    rejects: Iterable[Reject], declarations: Declarations, ledger: LedgerReader, outside: Outside, digests: Digests
) -> tuple[Revealed, ...]:
    """Give who of the rejected is still among the people of the export, in the order of `rejects`.

    Whoever left the segment, changed the address, or was suppressed since is not found. Raises ReconcilerError when a
    source cannot be read.
    """
    found: list[Revealed] = []
    people: dict[str, Mapping[bytes, Person]] = {}
    with Library(declarations, outside, digests, ledger.suppressed()) as library:
        for reject in rejects:
            export = _declared(reject, declarations)
            if export is None:
                continue
            if export.name not in people:
                people[export.name] = _people(export, declarations, library)
            person = people[export.name].get(reject.key)
            if person is not None:
                found.append(Revealed(reject, person.id, person.address or ""))
    return tuple(found)


def _declared(reject: Reject, declarations: Declarations) -> Export | None:
    """Find the export, also under a new name that no run has seen yet."""
    exports = [e for e in declarations.exports.values() if e.connection is not None]
    named = (e for e in exports if e.name == reject.export)
    renamed = (e for e in exports if e.previous_name == reject.export)
    return next(named, next(renamed, None))


def _people(export: Export, declarations: Declarations, library: Library) -> Mapping[bytes, Person]:
    assert export.connection is not None
    found = library.find(export, declarations.connections[export.connection], keep=True)
    if found.gathered is None:
        raise ReconcilerError(f"the people of {export.name} cannot be read now: {found.failure}")
    return found.gathered.people
