"""Tests a connection, and writes an administrator's consent to it."""

from __future__ import annotations

from contextlib import closing
from difflib import get_close_matches
from typing import TYPE_CHECKING, Protocol

from reconciler.core.errors import ReconcilerError
from reconciler.manifest.edit import set_consent

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.core.model import Connection, Declarations
    from reconciler.core.ports import Account, Clock, Destination


class Accounts(Protocol):
    """What is needed of the workshop."""

    @property
    def root(self) -> Path:
        """The project's folder."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock."""
        ...

    def declarations(self) -> Declarations:
        """Load what is declared."""
        ...

    def destination(self, connection: Connection) -> Destination:
        """Open an account."""
        ...


def connect(shop: Accounts, name: str) -> Account:
    """Ask for the account: the cheapest way to test the key. Raises DestinationError, SecretMissing."""
    connection = _named(shop.declarations(), name)
    with closing(shop.destination(connection)) as destination:
        return destination.account()


def accept(shop: Accounts, name: str, by: str, fields: tuple[str, ...]) -> str:
    """Write the consent into the connection's YAML, dated today, and give the file's name. Raises ReconcilerError."""
    connection = _named(shop.declarations(), name)
    file = connection.marks.file
    set_consent(shop.root / file, name, by=by, on=shop.clock.now().date(), fields=fields)
    return file


def _named(declarations: Declarations, name: str) -> Connection:
    if name in declarations.connections:
        return declarations.connections[name]
    near = get_close_matches(name, declarations.connections, 1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    raise ReconcilerError(f'there is no connection "{name}"{hint}')
