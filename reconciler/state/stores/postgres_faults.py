"""Decides what a fault of PostgreSQL means. Nothing of its text is shown: that quotes names, if not a password."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.core.errors import StateError, StoreUnreachable

if TYPE_CHECKING:
    import psycopg

_RIGHTS = "the server refuses this user or password, or a right of docs/stores.md lacks"
_NOWHERE = "there is no such database or schema; make it first"
_STATES = {
    "28000": _RIGHTS,
    "28P01": _RIGHTS,
    "42501": _RIGHTS,
    "25006": _RIGHTS,
    "3D000": _NOWHERE,
    "3F000": _NOWHERE,
}
# Too little of something, a server that goes or comes, a statement that took too long, a lost connection
_PASSING = ("08", "53", "57", "55P03", "40")

# A connection that is refused carries no code, and the server speaks its own language; its FATAL is the same in most
_ANSWERED = re.compile(r"FATAL|password|authentication|pg_hba|does not exist", re.IGNORECASE)
_SOON = re.compile(r"starting up|shutting down|recovery|too many|remaining connection slots", re.IGNORECASE)
_TLS = re.compile(r"SSL|certificate", re.IGNORECASE)


def fault(error: psycopg.Error, place: str) -> StateError:
    """Give our error in place of the library's."""
    if error.sqlstate is None:
        return _unconnected(str(error), place)
    if error.sqlstate in _STATES:
        return StateError(f"{place}: {_STATES[error.sqlstate]} ({error.sqlstate})")
    if error.sqlstate.startswith(_PASSING):
        return StoreUnreachable(f"{place}: the server cannot answer now ({error.sqlstate})")
    return StateError(f"{place}: the server refuses the request ({error.sqlstate})")


def _unconnected(text: str, place: str) -> StateError:
    if _SOON.search(text):
        return StoreUnreachable(f"{place}: the server cannot answer now")
    if "does not exist" in text and "role" not in text:
        return StateError(f"{place}: {_NOWHERE}")
    if _ANSWERED.search(text):
        return StateError(f"{place}: {_RIGHTS}")
    if _TLS.search(text):
        return StateError(f"{place}: no connection by TLS could be agreed upon; sslmode and sslrootcert say how")
    return StoreUnreachable(f"{place}: the server does not answer")
