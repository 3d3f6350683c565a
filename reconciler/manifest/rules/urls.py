"""Decides which URLs of servers a declaration may name."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reconciler.manifest.rules.world import fault
from reconciler.manifest.words import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.diagnostics import Diagnostic, Marks, Path


def judged(marks: Marks, path: Path, text: str, right: str) -> Iterator[Diagnostic]:
    """Refuse plain http to a host that is not this machine, and URLs that carry a password or no host."""
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        host, url = None, urlsplit("")
    if not host or url.query or url.fragment:
        yield fault(marks, path, "url", f"this is not the base of an API; {right}")
    elif url.username is not None or url.password is not None:
        yield fault(marks, path, "url", f"a URL must carry no name and no password; {right}")
    elif url.scheme != "https" and not _loopback(host):
        message = f"plain http would send people's data in the open to {quote(host)}; {right}"
        yield fault(marks, path, "plain-http", message)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
