"""Decides whether an answer is one, and tells what broke in our own words: foreign ones name the whole URL."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import NewConnectionError, ReadTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHUNK = 64 * 1024
TOLD = 64 * 1024
"""Bytes of a refusal that are read for its reason."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx with its JSON, or None where the body is empty on purpose."""

    status: int
    data: object


@dataclass(frozen=True, slots=True)
class Doubt:
    """No usable answer: the request may or may not have been carried out. `after` is the Retry-After in seconds."""

    reason: str
    throttled: bool = False
    after: float | None = None
    final: bool = False


def body_of(response: requests.Response, limit: int) -> bytes | None:
    """Read the body, or up to its limit; None when a 2xx is larger. A whole body keeps the connection alive."""
    parts, size = [], 0
    try:
        for part in response.raw.stream(CHUNK, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > limit:
                return None
            if size > TOLD and not response.ok:
                break
    finally:
        response.raw.close()
    return b"".join(parts)


def parsed(
    status: int, headers: Mapping[str, str], body: bytes | None, fraction: Callable[[str], object] = float
) -> Answer | Doubt:
    """Judge a 2xx: an empty body is an answer only where it says so, or it may have been cut short.

    `fraction` reads a number that has a point or an exponent.
    """
    if body is None:
        return Doubt(f"{status} with a body that is too large")
    if not body and (status == HTTPStatus.NO_CONTENT or headers.get("Content-Length") == "0"):
        return Answer(status, None)
    try:
        return Answer(status, json.loads(body, parse_float=fraction))
    except (ValueError, RecursionError):
        return Doubt(f"{status} with a body that is not JSON")


def unable(status: int, headers: Mapping[str, str], now: dt.datetime, patience: float) -> Doubt:
    """Judge a status that may pass later; `patience` bounds the seconds that a Retry-After may ask for."""
    asked = retry_after(headers.get("Retry-After", ""), now)
    after = None if asked is None else min(asked, patience)
    return Doubt(f"{status} {_phrase(status)}", throttled=status == HTTPStatus.TOO_MANY_REQUESTS, after=after)


def reason(status: int, body: bytes | None) -> str:
    """Give the server's own words from `{"error", "message"}`, else what the status means."""
    try:
        data = json.loads(body or b"")
    except (ValueError, RecursionError):
        data = None
    told = [data.get(key) for key in ("message", "error")] if isinstance(data, dict) else []
    return next((text for text in told if isinstance(text, str) and text.strip()), _phrase(status))


def _phrase(status: int) -> str:
    if status in range(300, 400):
        return "a redirect, which is never followed"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "without a known meaning"


def retry_after(value: str, now: dt.datetime) -> float | None:
    """Give the seconds of a Retry-After, which is a number or a date; a date that is past means that clocks differ."""
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    seconds = (date.replace(tzinfo=date.tzinfo or dt.UTC) - now).total_seconds()
    return seconds if seconds > 0 else None


def fault(error: Exception, connect: float, read: float) -> Doubt:
    """Say what broke; `connect` and `read` are the timeouts in seconds."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    match error:
        case requests.exceptions.SSLError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Doubt("its certificate cannot be verified", final=True)
        case requests.exceptions.ConnectTimeout():
            return Doubt(f"no connection within {connect:g} s")
        case requests.exceptions.ReadTimeout() | ReadTimeoutError():
            return Doubt(f"no answer within {read:g} s")
        case requests.exceptions.ProxyError():
            return Doubt("the proxy did not let it through")
        case _ if isinstance(cause, NewConnectionError):
            return Doubt("no connection; is the address right, and is the server up?")
        case _:
            return Doubt("the connection broke off")
