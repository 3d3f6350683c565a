"""Every error the product raises on purpose, as one tree.

ReconcilerError                 one clear line; exit code 1
├── InvalidDeclarations         the YAML is wrong: carries every diagnostic
├── SecretMissing               a key or a state key that is referenced cannot be had
├── PlanRefused                 a saved plan is not carried out: something is not as it was reviewed
├── SourceError                 the source cannot be read, or was read by half
│   ├── SourceDown              the service that has it does not answer, or does not let us in
│   ├── PartUnread              some segments or columns of it cannot be read, and all else can
│   └── PredicateRefused        a segment's predicate is not one boolean expression over the profile's columns
├── DestinationError            the destination did not do what was asked
│   ├── Unauthorized            the key is not valid (any more): stop the connection
│   ├── Refused                 this request will never pass as it is
│   │   └── NotFound            what it names does not exist
│   │       ├── ListMissing     a list that is gone
│   │       └── ContactMissing  a contact that is gone
│   └── Unavailable             it may pass later: retries are used up
│       ├── Down                so many requests got no answer that this one is not sent (any more)
│       └── Stopped             the run is ending: the request was not sent
└── StateError                  the ledger cannot be used as it is
    ├── StateLocked             another writer holds it; exit code 5
    ├── StoreConflict           another writer was quicker: the object is not as it was read
    └── StoreUnreachable        the store does not answer; it may later
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reconciler.core.diagnostics import Diagnostic


class ReconcilerError(Exception):
    """A fault that the user can read and act on; its text is one line and holds no personal data and no key."""


class InvalidDeclarations(ReconcilerError):  # noqa: N818  # the name that users and docs know it by
    """The declarations are wrong; `diagnostics` holds every fault found, sorted."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(f"{len(diagnostics)} faults in the declarations")
        self.diagnostics = diagnostics


class SecretMissing(ReconcilerError):  # noqa: N818  # says what is so, not what class it is
    """A secret that is referenced is not there, is not readable, or is kept unsafely."""


class PlanRefused(ReconcilerError):  # noqa: N818  # says what is so
    """A saved plan is not carried out: its seal, its age, its use, or what it was made from is not right."""


class SourceError(ReconcilerError):
    """The source cannot be read; nobody is pushed and nobody is removed for it.

    Unless it is one of those below, it is of the whole source, so that no part of it is worth another try.
    """


class SourceDown(SourceError):  # noqa: N818  # says what is so
    """The service that has the source does not answer, or does not let us in; to ask again, open it anew."""


class PartUnread(SourceError):  # noqa: N818  # says what is so
    """Some segments, or what reads some columns, cannot be read: the reason for each, by the name that was asked for.

    `complete`: all else was read to its end, and needs no other try.
    """

    def __init__(
        self, segments: Mapping[str, str], columns: Mapping[str, str] | None = None, *, complete: bool = False
    ) -> None:
        self.segments, self.columns, self.complete = dict(segments), dict(columns or {}), complete
        super().__init__(next(iter((*self.segments.values(), *self.columns.values()))))

    def reason(self, segments: Collection[str], columns: Collection[str]) -> str | None:
        """Say why whoever wants these cannot have them; None: nothing of it is at fault."""
        found = [self.segments[name] for name in segments if name in self.segments]
        found += [self.columns[name] for name in columns if name in self.columns]
        return found[0] if found else None


class PredicateRefused(SourceError):  # noqa: N818  # says what is so
    """A predicate is not one boolean expression over the profile's columns, or a value breaks it midway.

    Whose it is of several segments may not be known then: a second read, `apart`, goes on past it to the end, where it
    raises PartUnread.

    `offset` is the place in the predicate's text, counted from 0, where it is known.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class DestinationError(ReconcilerError):
    """The destination did not do what was asked."""


class Unauthorized(DestinationError):  # noqa: N818  # says what is so
    """The key is missing, wrong or revoked."""


class Refused(DestinationError):  # noqa: N818  # says what is so
    """The destination said no, and will say no again. `status` is the HTTP status, `reason` its own words, escaped."""

    def __init__(self, message: str, *, status: int, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class NotFound(Refused):
    """A list or a contact that the request names does not exist."""


class ListMissing(NotFound):
    """The list is gone."""


class ContactMissing(NotFound):
    """The contact is gone."""


class Unavailable(DestinationError):  # noqa: N818  # says what is so
    """No usable answer within the bounded retries. The request may have been carried out all the same."""


class Down(Unavailable):
    """The destination is not answering, so nothing more is sent in this run. `tried`: this request was, before."""

    def __init__(self, message: str, *, tried: bool) -> None:
        super().__init__(message)
        self.tried = tried


class Stopped(Unavailable):
    """The run is to end, so the request was not sent."""


class StateError(ReconcilerError):
    """The ledger cannot be used: its format, its key, its place or its content is wrong."""


class StateLocked(StateError):  # noqa: N818  # says what is so
    """Another writer holds the ledger."""


class StoreConflict(StateError):  # noqa: N818  # says what is so
    """An object of a shared store is there already, or is not as it was read: another writer was quicker."""


class StoreUnreachable(StateError):  # noqa: N818  # says what is so
    """A shared store does not answer within the bounded retries. A write may have been carried out all the same."""
