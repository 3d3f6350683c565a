"""Erases people at Autopilot. It decides the order: off the lists, then the contact, and only then the record of it.

Every step may be repeated, so whoever comes next goes on where somebody was cut off.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from reconciler.core.errors import DestinationError, SecretMissing
from reconciler.core.outcome import Erased
from reconciler.flow.plan import recorded_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.core.model import Connection, Declarations
    from reconciler.core.ports import Destination, Ledger, LedgerReader
    from reconciler.flow.outside import Outside


def places(declarations: Declarations, ledger: LedgerReader) -> dict[str, Connection | None]:
    """Give every connection of the project by the name that the ledger knows it by; None: it is not declared."""
    recorded = {name: [export.name for export in ledger.exports(name)] for name in ledger.connections()}
    names = {name: name for name in declarations.connections} | recorded_names(declarations, recorded)
    found = {old: declarations.connections.get(name) for name, old in names.items()}
    return found | {name: declarations.connections.get(name) for name in ledger.erasures() if name not in found}


def erase(
    name: str, connection: Connection | None, key: bytes, address: str | None, ledger: Ledger, outside: Outside
) -> Erased:
    """Erase a person in one connection, and in the ledger's record of it. Raises StateError.

    Without the `address` only the contact that is recorded can be found.
    """
    contact = ledger.erasures().get(name, {}).get(key)
    whom = [each for each in (contact, address) if each is not None]
    if connection is None:
        return Erased(name, fault="the connection is not declared any more, so there is no key")
    if not whom:
        return Erased(name, fault="no contact id is known; `reconciler forget` finds it by the address")
    try:
        with closing(outside.destination(connection)) as destination:
            done = _erase(name, key, whom, ledger, destination)
    except (DestinationError, SecretMissing) as error:
        return Erased(name, fault=str(error))
    ledger.erased(name, key)
    return done


def _erase(name: str, key: bytes, whom: list[str], ledger: Ledger, destination: Destination) -> Erased:
    lists = {entry.slot: entry.list_id for entry in ledger.lists(name)}
    slots = {slot for claim in ledger.claims(name) if claim.key == key for slot in claim.slots}
    for slot in sorted(slots & lists.keys()):
        destination.leave(lists[slot], whom[0])
    deleted = [destination.erase(each) for each in whom]  # every one of them, so not inside any()
    return Erased(name, len(slots & lists.keys()), any(deleted), requests=destination.requests())


def finish(declarations: Declarations, ledger: Ledger, outside: Outside) -> tuple[Erased, ...]:
    """Go on with every erasure that was begun; gives those that are still not done. Raises StateError."""
    pending = ledger.erasures()
    if not pending:
        return ()
    known = places(declarations, ledger)
    done = (_all(name, known.get(name), keys, ledger, outside) for name, keys in pending.items())
    return tuple(one for several in done for one in several if one.fault)


def _all(
    name: str, connection: Connection | None, keys: Iterable[bytes], ledger: Ledger, outside: Outside
) -> list[Erased]:
    return [erase(name, connection, key, None, ledger, outside) for key in keys]
