"""Decides nothing: what goes back over the wire, and the errors in the words that Autopilot uses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    body: bytes = b""
    type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """An answer that breaks off in the middle of its body."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Reset:
    """No answer: the connection is reset."""


Outcome = Answer | Cut | Reset


class Refusal(Exception):  # noqa: N818  # says what is so
    """The request is answered with an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def ok(payload: object, status: int = 200) -> Answer:
    """Answer with JSON; 204 has no body."""
    if status == HTTPStatus.NO_CONTENT:
        return Answer(status)
    return Answer(status, json.dumps(payload, separators=(",", ":")).encode())


def error(status: int, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Answer with the reason that the status stands for and the words of the server."""
    payload = {"error": HTTPStatus(status).phrase, "message": message}
    return Answer(status, json.dumps(payload).encode(), headers=headers)


def parsed(body: bytes) -> Any:
    """Read the JSON of a request. Raises Refusal."""
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(BAD_JSON) from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


NO_KEY = error(400, "No autopilotapikey header provided.")
BAD_KEY = error(401, "Provided autopilotapikey not valid.")
BAD_JSON = error(400, "The body is not valid JSON.")
NO_CONTACT = error(404, "Contact could not be found.")
NO_LIST = error(404, "List does not exist.")
NO_SEGMENT = error(404, "Segment does not exist.")
NO_HOOK = error(404, "Hook could not be found.")
TIMED_OUT = error(408, "The request timed out.")
FAILED = error(500, "Something went wrong.")
PROXY_PAGE = Answer(200, b"<!doctype html><title>Be right back</title><h1>We are down for maintenance</h1>", HTML)


def throttled(retry_after: int | None) -> Answer:
    """Answer 429, with a `Retry-After` where one is asked for."""
    headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
    return error(429, "Your request was throttled. Please slow down.", headers)


def unknown_route(path: str) -> Answer:
    """Answer as the server does where nothing is."""
    return ok({"code": "ResourceNotFound", "message": f"{path} does not exist"}, 404)
