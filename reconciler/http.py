"""The one way out. Decides what is tried again, when to give up, and which of our errors a refusal is."""

from __future__ import annotations

import ipaddress
import logging
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from reconciler.answers import Answer, Doubt, body_of, fault, parsed, reason, unable
from reconciler.core.errors import DestinationError, Down, NotFound, Refused, Stopped, Unauthorized, Unavailable
from reconciler.redaction import redact

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from reconciler.core.ports import Clock
    from reconciler.pace import Pace

LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
"""Statuses below 500 that may pass later."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long, how often and how much: seconds, attempts, bytes, connections.

    `read` is twice what the slowest call was recorded at. `patience` bounds what a Retry-After may ask for. After
    `give_up` requests in a row without a usable answer nothing more is sent. `fraction` reads a number with a point.
    """

    retries: int = 5
    connect: float = 10.0
    read: float = 60.0
    body: int = 32 * 1024 * 1024
    first: float = 0.5
    longest: float = 30.0
    patience: float = 120.0
    give_up: int = 5
    connections: int = 16
    fraction: Callable[[str], object] = float


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `pattern` is its path with `{id}` in place of ids, which may be addresses: only it is shown."""

    method: str
    pattern: str
    prepared: requests.PreparedRequest
    body: bytes | None
    ids: Sequence[str]


class Outlet:
    """Sends requests to one base URL with one key; shared by all threads.

    The adapter is used without a Session around it, so that nothing can follow a redirect, keep a cookie or take a
    password from a .netrc. Proxies and certificate bundles of the environment are looked up once, and not for
    loopback, where the key would go to the proxy in the clear.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        pace: Pace,
        clock: Clock,
        rng: random.Random,
        *,
        secrets: Sequence[str] = (),
        policy: Policy | None = None,
    ) -> None:
        self._host, loopback = _host(base_url)
        self._base = base_url.rstrip("/")
        self._headers = {"Accept": "application/json", "User-Agent": "reconciler", **headers}
        self._pace, self._clock, self._rng = pace, clock, rng
        self._secrets = tuple(secret for secret in secrets if secret)
        self._policy = policy or Policy()
        settings = requests.Session().merge_environment_settings(self._base, {}, None, None, None)
        self._verify = settings["verify"] or True
        self._proxies = {} if loopback else dict(settings["proxies"])
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=self._policy.connections, max_retries=0)
        self._lock = threading.Lock()
        self._sent = 0
        self._failures = 0
        self._locked_out = ""
        self._closed = False
        # its debug lines and its warnings hold paths, and a path may hold an address
        logging.getLogger("urllib3.connectionpool").setLevel(logging.CRITICAL)

    def __repr__(self) -> str:
        return f"Outlet({self._host})"

    @property
    def sent(self) -> int:
        """How many requests were sent so far, repetitions included."""
        return self._sent

    def pause(self, seconds: float) -> None:
        """Sleep on this thread. Raises Unavailable when the run is to stop."""
        self._pace.pause(seconds)

    def close(self) -> None:
        """Send nothing more, what another thread would try again included. May be called twice."""
        self._closed = True
        self._adapter.close()

    def request(
        self,
        method: str,
        pattern: str,
        ids: Sequence[str] = (),
        *,
        query: str = "",
        body: bytes | None = None,
        repeatable: bool = True,
    ) -> Answer:
        """Send one request until there is an answer, and give it.

        Each `{id}` of `pattern` stands for one of `ids`, in whatever characters; `query` begins with `?`, is encoded,
        and is never shown; `body` is JSON. Raises Unauthorized, after which nothing more is sent, NotFound, Refused;
        Unavailable when the retries are used up, or at the first doubt if it is not `repeatable`.
        """
        call = self._call(method, pattern, ids, query, body)
        attempt = 0
        while isinstance(outcome := self._tried(call, tried=attempt > 0), Doubt):
            if outcome.final or not repeatable or attempt >= self._policy.retries:
                self._settle(answered=False)
                tries = f" (tried {attempt + 1} times)" if attempt else ""
                raise Unavailable(f"{method} {pattern} at {self._host}: {outcome.reason}{tries}")
            self._back_off(outcome, attempt)
            attempt += 1
        self._settle(answered=True)
        return outcome

    def shown(self, said: str) -> str:
        """Give what the server said of itself as one line that may be shown: it may repeat the key."""
        return redact(said, secrets=self._secrets, sent=None)

    def _call(self, method: str, pattern: str, ids: Sequence[str], query: str, body: bytes | None) -> Call:
        path = pattern
        for each in ids:
            path = path.replace("{id}", _segment(each, f"{method} {pattern} at {self._host}"), 1)
        prepared = requests.PreparedRequest()
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        prepared.prepare(method=method, url=self._base + path + query, headers=headers, data=body)
        return Call(method, pattern, prepared, body, ids)

    def _tried(self, call: Call, *, tried: bool) -> Answer | Doubt:
        self._hope(call, tried=tried)
        self._pace.wait()
        self._hope(call, tried=tried)  # all may be lost since
        return self._attempt(call)

    def _attempt(self, call: Call) -> Answer | Doubt:
        connect, read = self._policy.connect, self._policy.read
        with self._lock:
            self._sent += 1
        try:
            response = self._adapter.send(
                call.prepared, stream=True, timeout=(connect, read), verify=self._verify, proxies=self._proxies
            )
            body = body_of(response, self._policy.body)
        except (OSError, HTTPError, ValueError) as error:  # ValueError: a chunk of negative size
            return fault(error, connect, read)
        status = response.status_code
        if status in range(200, 300):
            return parsed(status, response.headers, body, self._policy.fraction)
        if status in LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return unable(status, response.headers, self._clock.now(), self._policy.patience)
        self._settle(answered=True)
        raise self._refusal(call, status, reason(status, body))

    def _refusal(self, call: Call, status: int, told: str) -> DestinationError:
        shown = redact(told, secrets=self._secrets, sent=call.body, ids=call.ids)
        message = f"{call.method} {call.pattern} at {self._host}: {status} {shown}"
        match status:
            case 401:
                self._locked_out = self._locked_out or message  # told in the same words to whoever comes after
                return Unauthorized(self._locked_out)
            case 404:
                return NotFound(message, status=status, reason=shown)
            case _:
                return Refused(message, status=status, reason=shown)

    def _hope(self, call: Call, *, tried: bool) -> None:
        if self._closed:
            raise Stopped(f"{call.method} {call.pattern} at {self._host} was not sent: the run is over")
        if self._locked_out:
            raise Unauthorized(self._locked_out)
        if self._failures >= self._policy.give_up:
            raise Down(f"{self._host} is not answering, so nothing more is sent to it", tried=tried)

    def _back_off(self, doubt: Doubt, attempt: int) -> None:
        """Wait at random up to a bound that doubles; a server that throttles is left alone by every thread."""
        bound = min(self._policy.longest, self._policy.first * 2**attempt)
        if doubt.throttled:
            self._pace.hold(bound / 2 if doubt.after is None else doubt.after)
        self._pace.pause(self._rng.uniform(0, bound) if doubt.after is None else doubt.after)

    def _settle(self, *, answered: bool) -> None:
        with self._lock:
            if self._failures < self._policy.give_up:
                self._failures = 0 if answered else self._failures + 1


def _host(base_url: str) -> tuple[str, bool]:
    """Give the host to name in messages, and whether it is loopback. Raises DestinationError for an unsafe URL."""
    host = (parts := urlsplit(base_url)).hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not host or "@" in parts.netloc or parts.scheme not in {"http", "https"}:
        raise DestinationError("the base URL must be like https://host/path, without a user or password")
    if parts.scheme == "http" and not loopback:
        raise DestinationError(f"{host}: plain http is only for loopback, or the key could be read on the way")
    return host, loopback


def _segment(each: str, where: str) -> str:
    """Encode one id whole. `.` and `..` would name another path, and half a surrogate pair cannot be written."""
    try:
        encoded = quote(each, safe="")
    except UnicodeEncodeError:
        encoded = ""
    if encoded in {"", ".", ".."}:
        raise NotFound(f"{where}: the id cannot be asked for", status=404, reason="the id cannot be asked for")
    return encoded
