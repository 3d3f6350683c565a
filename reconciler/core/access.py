"""Decides who may change which declaration. What counts is the base: its roles and sharing, never those of the change.

Administrators may change everything. Contributors may change exports over connections that the base shares with them,
and segments that only such exports use, and may not loosen what guards people. Nobody else may change anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Diagnostic, Where, tidy
from reconciler.core.model import Bound, Percent
from reconciler.core.roles import Role
from reconciler.core.versions import Change, Version, changes

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from reconciler.core.diagnostics import Path
    from reconciler.core.model import Declarations, Export, PersonConsent, Safety

RULE = "access"
_NAMED = 5
"""Administrators that a message names."""

Because = tuple["Path", str]
"""The key that may not be changed, and why; the empty path stands for the whole document."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for the change, in which role, and who would be asked instead."""

    name: str
    role: Role
    administrators: tuple[str, ...] = ()

    def denial(self, where: Where, verb: str, what: str, why: str = "") -> Diagnostic:
        """Say that this may not be done, why, and who does it."""
        reason = f", {why}" if why else ""
        return Diagnostic(where, RULE, f"{self.name} may not {verb} {what}{reason}: {self._instead()}")

    def _instead(self) -> str:
        named, more = self.administrators[:_NAMED], len(self.administrators) - _NAMED
        if not named:
            return "an administrator does, and the base names none; whoever sets the project up uses --bootstrap NAME"
        return f"an administrator ({', '.join(named)}{f' and {more} more' if more > 0 else ''}) does"


def denials(actor: Actor, base: Version, head: Version) -> tuple[Diagnostic, ...]:
    """Give every change to a declaration that the actor may not make."""
    if actor.role is Role.ADMINISTRATOR:
        return ()
    return tidy(
        actor.denial(change.at(path), change.verb, _what(change, path), why)
        for change in changes(base, head)
        for path, why in _because(actor.role, change, base, head)
    )


def contributed(declared: Declarations) -> frozenset[tuple[str, str]]:
    """Give the kind and name of every document that contributors may change where it stands."""
    exports = {name for name, export in declared.exports.items() if _unshared(declared, export.connection) is None}
    segments = {name for name in declared.segments if not set(_users(declared, name)) - exports}
    return frozenset({("Export", name) for name in exports} | {("Segment", name) for name in segments})


def _because(role: Role, change: Change, base: Version, head: Version) -> Iterator[Because]:
    if role is Role.CONTRIBUTOR and change.kind == "Export":
        yield from _export(change, base, head)
    elif role is Role.CONTRIBUTOR and change.kind == "Segment":
        yield from _segment(change, base.declarations, head.declarations)
    else:
        yield from ((path, "") for path in change.paths or ((),))


def _what(change: Change, path: Path) -> str:
    document = f'the {change.kind} "{change.name}"'
    return f"{'.'.join(map(str, path))} of {document}" if path and change.verb == "change" else document


def _export(change: Change, base: Version, head: Version) -> Iterator[Because]:
    before, after = base.declarations.exports.get(change.name), head.declarations.exports.get(change.name)
    first = change.paths[0] if change.paths else ()
    for connection in dict.fromkeys(export.connection for export in (before, after) if export is not None):
        why = _unshared(base.declarations, connection)
        if why is not None:
            chosen = after is not None and after.connection == connection and connection is not None
            yield (("spec", "connection") if chosen and not _kept(before, after) else first), why
    renamed = after.previous_name if after is not None else None
    if renamed is not None and ("metadata", "previousName") in change.paths + _new(change):
        yield from _takeover(renamed, base.declarations.exports)
    baseline = before or (base.declarations.exports.get(renamed) if renamed is not None else None)
    heirs = {export.previous_name for export in head.declarations.exports.values()}
    if after is not None or change.name not in heirs:
        yield from _loosened(baseline, after, base.safety)


def _kept(before: Export | None, after: Export | None) -> bool:
    return before is not None and after is not None and before.connection == after.connection


def _new(change: Change) -> tuple[Path, ...]:
    """Give what a new document brings along that a changed one would list in its paths."""
    return (("metadata", "previousName"),) if change.old is None else ()


def _segment(change: Change, base: Declarations, head: Declarations) -> Iterator[Because]:
    first = change.paths[0] if change.paths else ()
    for declared in (base, head):
        for user in _users(declared, change.name):
            connection = declared.exports[user].connection
            if (why := _unshared(base, connection)) is not None:
                yield first, f'used by the Export "{user}", {why}'
    after = head.segments.get(change.name)
    renamed = after.previous_name if after is not None else None
    if renamed is not None and ("metadata", "previousName") in change.paths + _new(change):
        yield from _takeover(renamed, base.segments)


def _takeover(old: str, known: Container[str]) -> Iterator[Because]:
    """Refuse to take over what is recorded of what the base does not declare: nobody knows whose it was."""
    if old not in known:
        why = f'which takes over what is recorded for "{old}", and the base does not declare that'
        yield ("metadata", "previousName"), why


def _users(declared: Declarations, segment: str) -> Iterator[str]:
    for name, export in declared.exports.items():
        if any(use.segment == segment for use in export.segments):
            yield name


def _unshared(base: Declarations, connection: str | None) -> str | None:
    """Say why a connection is not the contributors', as the base has it; None when it is shared with them."""
    if connection is None:
        return "detached, so that no shared connection covers it"
    found = base.connections.get(connection)
    if found is None:
        return f'over the Connection "{connection}", which the base does not declare'
    if "contributors" not in found.usable_by:
        return f'over the Connection "{connection}", whose usableBy does not name contributors in the base'
    return None


def _loosened(before: Export | None, after: Export | None, default: Safety) -> Iterator[Because]:
    """Yield what stops guarding people. `default` are the bounds that the base's Project gives."""
    if before is not None and before.protected:
        if after is None:
            yield (), "which is protected"
        elif after.connection != before.connection:
            yield ("spec", "connection"), "which is protected"
        elif not after.protected:
            yield ("spec", "protected"), "which lifts a protection"
    if after is None:
        return
    had = default if before is None else before.safety
    pairs: Sequence[tuple[str, Bound, tuple[Bound, Bound]]] = (
        ("maxRemovals", after.safety.max_removals, (had.max_removals, default.max_removals)),
        ("maxUpdates", after.safety.max_updates, (had.max_updates, default.max_updates)),
    )
    for key, wanted, allowed in pairs:
        if all(_exceeds(wanted, bound) for bound in allowed):
            yield ("spec", "safety", key), "which loosens a safety bound of the base"
    if after.allow_empty and not (before is not None and before.allow_empty):
        yield ("spec", "allowEmpty"), "which lets an empty segment remove everybody"
    if before is not None and before.consent is not None and _said(after.consent) != _said(before.consent):
        yield ("spec", "consent"), "which is the consent of each person"


def _exceeds(wanted: Bound, bound: Bound) -> bool:
    """Whether a bound allows more. A percentage and a count cannot be compared, so the other kind counts as more."""
    return isinstance(wanted, Percent) is not isinstance(bound, Percent) or wanted.value > bound.value


def _said(consent: PersonConsent | None) -> tuple[str, type, object] | None:
    return None if consent is None else (consent.column, type(consent.equals), consent.equals)
