"""Asks one service of Microsoft's on behalf of an identity; decides when a token is renewed, and what a refusal means.

Nothing is asked but by GET, and the token goes to the declared host alone: a link to another place is refused.
"""

from __future__ import annotations

import random
import threading
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from reconciler.core.errors import (
    DestinationError,
    NotFound,
    Refused,
    SourceDown,
    SourceError,
    Stopped,
    Unauthorized,
    Unavailable,
)
from reconciler.http import Outlet, Policy
from reconciler.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.sources.surroundings import Surroundings
    from reconciler.sources.tokens import Tokens

RATE = 20.0
"""Requests a second: Dataverse lets one user make 6,000 in five minutes."""
AT_A_TIME = 52
"""Requests of one user that a web server of Dataverse works on at a time."""

# The service counts by user, whatever exports, sources and threads ask: so is it counted here
_SLOTS = threading.BoundedSemaphore(AT_A_TIME)
# A Retry-After may be as long as the five minutes that the service looks back on
_POLICY = Policy(read=120.0, body=128 * 1024 * 1024, patience=300.0, connections=4, fraction=Decimal)
_FORBIDDEN = 403


class Service:
    """One service at `base`; `scope` is what its token is for. Shared by the threads that read side by side."""

    def __init__(
        self,
        base: str,
        scope: str,
        tokens: Tokens,
        around: Surroundings,
        headers: Mapping[str, str],
        secrets: Sequence[str] = (),
    ) -> None:
        self._base, self._scope, self._tokens = base.rstrip("/"), scope, tokens
        self._around, self._headers, self._secrets = around, headers, tuple(secrets)
        self._pace = Pace(RATE, around.clock, around.stop)
        self._lock = threading.Lock()
        self._outlet: Outlet | None = None

    @property
    def host(self) -> str:
        """The host, for messages."""
        return urlsplit(self._base).hostname or ""

    def get(self, what: str, pattern: str, query: str = "") -> object:
        """Ask for `what`, and give the JSON. Raises SourceError, which begins with `what`; SecretMissing.

        SourceDown where it is not this question that is at fault: any other would get no answer either.
        """
        stale: Outlet | None = None
        while True:
            outlet = self._door(stale)
            try:
                with _SLOTS:
                    return outlet.request("GET", pattern, query=query).data
            except Unauthorized:
                if stale is not None:
                    raise SourceDown(
                        f"{what}: {self.host} does not take the token of this identity, and a new one neither (401); "
                        "is it a user of this environment?"
                    ) from None
                stale = outlet
            except Unavailable as fault:
                raise SourceDown(f"{what}: {self._told(fault)}") from None
            except DestinationError as fault:
                raise SourceError(f"{what}: {self._told(fault)}") from None

    def below(self, link: str, what: str) -> tuple[str, str]:
        """Split a link of an answer into path and query. Raises SourceError for one that leads elsewhere."""
        ours, theirs = urlsplit(self._base), urlsplit(link)
        path = theirs.path.removeprefix(ours.path)
        inside = theirs.path.startswith(f"{ours.path}/") and _place(theirs) == _place(ours)
        if not inside or "@" in theirs.netloc or ".." in path.split("/"):
            raise SourceError(f"{what}: {self.host} names a next page in another place, which is not asked for")
        return path, f"?{theirs.query}"

    def close(self) -> None:
        """Ask nothing more. May be called twice."""
        with self._lock:
            if self._outlet is not None:
                self._outlet.close()

    def _door(self, stale: Outlet | None) -> Outlet:
        """Give the way out with a token that is good as far as we know: a new one when `stale` was refused."""
        with self._lock:
            if self._outlet is None or self._outlet is stale:
                try:
                    token = self._tokens.get(self._scope, fresh=stale is not None)
                    self._outlet = Outlet(
                        self._base,
                        {**self._headers, "Authorization": f"Bearer {token}"},
                        self._pace,
                        self._around.clock,
                        random.SystemRandom(),
                        secrets=(token, *self._secrets),
                        policy=_POLICY,
                    )
                except (DestinationError, SourceError) as fault:
                    raise SourceDown(str(fault)) from None
            return self._outlet

    def _told(self, fault: DestinationError) -> str:
        """Say what a refusal means; the server's own words may hold what is in its tables."""
        match fault:
            case Stopped():
                return "stopped before it was read"
            case NotFound():
                return f"{self.host} does not have it, or not any more (404)"
            case Refused(status=status) if status == _FORBIDDEN:
                return f"{self.host} does not let this identity read it (403); it needs a role with that right"
            case Refused(status=status):
                return f"{self.host} refuses to give it ({status})"
            case _:
                return str(fault)


def _place(url: SplitResult) -> tuple[str, str | None, int | None]:
    try:
        port = url.port
    except ValueError:
        port = -1
    return url.scheme, url.hostname, port or {"https": 443, "http": 80}.get(url.scheme)
