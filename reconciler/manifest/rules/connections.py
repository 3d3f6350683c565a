"""Decides what a connection may say about its address, its consent and its precedence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.autopilot_fields import STANDARD_FIELDS
from reconciler.manifest.rules.urls import judged
from reconciler.manifest.rules.world import fault, warning
from reconciler.manifest.words import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.diagnostics import Diagnostic
    from reconciler.manifest.rules.world import World

_URL = ("spec", "baseUrl")
_STANDARD = {name.casefold(): name for name in STANDARD_FIELDS}


def base_url(world: World) -> Iterator[Diagnostic]:
    """Refuse plain http to a host that is not this machine, and URLs that carry a password or no host."""
    right = "write baseUrl: https://api2.autopilothq.com/v1"
    for connection in world.connections:
        yield from judged(connection.marks, _URL, connection.base_url, right)


def consent_date(world: World) -> Iterator[Diagnostic]:
    """Refuse a day that the calendar has not."""
    path = ("spec", "consent", "on")
    for connection in world.connections:
        consent = connection.consent
        if consent is not None and consent.on is None and path in connection.marks.spots:
            yield fault(connection.marks, path, "consent-date", "there is no such day; write on: 2026-11-02")


def consent_signed(world: World) -> Iterator[Diagnostic]:
    """Warn of a consent that nobody signed, and of fields that it names in another spelling."""
    for connection in world.connections:
        consent = connection.consent
        if consent is None:
            continue
        if consent.accepted and (consent.by is None or ("spec", "consent", "on") not in connection.marks.spots):
            message = "nobody stands for this consent; write by: privacy@contoso.com and on: 2026-11-02"
            yield warning(connection.marks, ("spec", "consent"), "consent-unsigned", message)
        for index, field in enumerate(consent.fields):
            meant = _STANDARD.get(field.casefold(), field)
            if meant != field:
                message = f"Autopilot has no field {quote(field)}, so this covers nothing; did you mean {quote(meant)}?"
                yield warning(connection.marks, ("spec", "consent", "fields", index), "consent-field", message)


def precedence(world: World) -> Iterator[Diagnostic]:
    """Refuse exports that are named twice, or that go elsewhere."""
    goes = {export.name: export.connection for export in world.exports}
    for connection in world.connections:
        for index, name in enumerate(connection.precedence):
            path = ("spec", "precedence", index)
            if name in connection.precedence[:index]:
                yield fault(connection.marks, path, "precedence", f"{quote(name)} stands twice; keep the first")
            elif name in goes and goes[name] != connection.name:
                message = f"the Export {quote(name)} does not use this connection; leave it out"
                yield fault(connection.marks, path, "precedence", message)
