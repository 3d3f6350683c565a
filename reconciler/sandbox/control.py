"""Decides how the stand-in's own paths are answered: its page, and below /_sandbox its switches, worlds and log.

They need no key, are not rate limited and not logged. None of them is part of Autopilot.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from reconciler.sandbox.answers import HTML, Answer, Refusal, error, ok, parsed, unknown_route
from reconciler.sandbox.call import flat
from reconciler.sandbox.page import render
from reconciler.sandbox.switches import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.sandbox.accounts import Account
    from reconciler.sandbox.service import Request, Service

PAGE_HEADERS = (
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)


def is_control(target: str) -> bool:
    """Tell whether the path is the stand-in's own."""
    path = target.partition("?")[0]
    return path == "/" or path.startswith("/_sandbox/")


def control(service: Service, request: Request) -> Answer:
    """Carry out one of the stand-in's own calls; nothing is raised for a bad request."""
    act = _ACTS.get((request.method, request.target.partition("?")[0]))
    try:
        return unknown_route(request.target) if act is None else act(service, request)
    except Refusal as refusal:
        return refusal.answer
    except ValueError as wrong:
        return error(400, str(wrong))


def _page(service: Service, request: Request) -> Answer:
    asked = {name: values[-1] for name, values in parse_qs(request.target.partition("?")[2]).items()}
    html = render(service.accounts.all(), asked)
    if html is None:
        return Answer(404, b"<!doctype html><title>Not here</title><p>There is no such page.", HTML, PAGE_HEADERS)
    return Answer(200, html.encode(errors="replace"), HTML, PAGE_HEADERS)


def _switches(service: Service, _: Request) -> Answer:
    return ok(to_json(service.switches))


def _switch(service: Service, request: Request) -> Answer:
    service.switches = from_json(parsed(request.body))
    return ok(to_json(service.switches))


def _world(service: Service, _: Request) -> Answer:
    return ok({"accounts": [_account(account) for account in service.accounts.all()]})


def _requests(service: Service, _: Request) -> Answer:
    return ok({"requests": [asdict(entry) for entry in service.requests]})


def _forget(service: Service, _: Request) -> Answer:
    service.forget_requests()
    return ok({})


def _account(account: Account) -> dict[str, Any]:
    with account.world.reading() as state:
        return {
            "account": account.number,
            "contacts": [flat(state, state.contacts[entry]) for entry in state.order],
            "lists": [
                {"list_id": one.id, "title": one.title, "members": list(one.members)} for one in state.lists.values()
            ],
            "segments": [
                {"segment_id": one.id, "title": one.title, "members": list(one.members)}
                for one in state.segments.values()
            ],
            "hooks": [asdict(hook) for hook in state.hooks.values()],
        }


_ACTS: Mapping[tuple[str, str], Callable[[Service, Request], Answer]] = {
    ("GET", "/"): _page,
    ("GET", "/_sandbox/switches"): _switches,
    ("PUT", "/_sandbox/switches"): _switch,
    ("GET", "/_sandbox/world"): _world,
    ("GET", "/_sandbox/requests"): _requests,
    ("DELETE", "/_sandbox/requests"): _forget,
}
