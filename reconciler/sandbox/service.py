"""Decides how a request is met: the key first, then the rate, then a fault if one strikes, then its route."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from reconciler.sandbox import contacts
from reconciler.sandbox.answers import (
    BAD_KEY,
    FAILED,
    NO_KEY,
    PROXY_PAGE,
    TIMED_OUT,
    Answer,
    Cut,
    Outcome,
    Refusal,
    Reset,
    throttled,
    unknown_route,
)
from reconciler.sandbox.call import Call
from reconciler.sandbox.faults import FaultPicker
from reconciler.sandbox.routes import Found, find

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.sandbox.accounts import Account, Accounts
    from reconciler.sandbox.switches import Fault, Switches

REMEMBERED = 200_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in; `target` is the path with its query, not decoded."""

    method: str
    target: str
    key: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of the log. `path` has its variable segments in braces, so that it names nobody.

    `status` is None when the connection was reset; `contacts` how many were given, `resubscribed` how many of them
    asked for `unsubscribed: false`, both 0 when the body was not looked at; `account` is None without a valid key; `at`
    the seconds of the server's clock.
    """

    method: str
    path: str
    status: int | None
    contacts: int
    resubscribed: int
    account: int | None
    at: float


class Service:
    """The API without its wire. Every method may be called from any thread."""

    def __init__(self, accounts: Accounts, switches: Switches, clock: Callable[[], float]) -> None:
        self.accounts = accounts
        self.stopping = threading.Event()
        self._clock = clock
        self._switches = switches
        self._picker = FaultPicker(switches.faults)
        self._log: deque[Entry] = deque(maxlen=REMEMBERED)

    @property
    def switches(self) -> Switches:
        """How it behaves now."""
        return self._switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        if switches.faults != self._switches.faults:
            self._picker = FaultPicker(switches.faults)
            for account in self.accounts.all():
                account.revoked = False
        self._switches = switches

    @property
    def requests(self) -> tuple[Entry, ...]:
        """The requests so far, the oldest first; the last 200,000 of them."""
        return tuple(self._log.copy())

    def forget_requests(self) -> None:
        """Empty the log."""
        self._log.clear()

    def meet(self, request: Request) -> Outcome:
        """Carry a request out and say what goes back; nothing is raised."""
        at = self._clock()
        found = find(request.method, request.target)
        account = None if request.key is None else self.accounts.of(request.key)
        call = None if account is None else Call(account, self._switches, found.args, request.body)
        if call is None:
            outcome: Outcome = NO_KEY if request.key is None else BAD_KEY
        else:
            outcome = _refused(call, at) or self._carried_out(found, request, call)
        self._log.append(_entry(found, request, call, outcome, at))
        return outcome

    def _carried_out(self, found: Found, request: Request, call: Call) -> Outcome:
        fault = self._picker.pick(request.method, found.path)
        made = found.route is not None and (found.route.method, found.route.path) == ("POST", "/list")
        self._wait(call.switches.latency + (call.switches.list_latency if made else 0))
        if fault is not None and (outcome := _before(fault, call.account)) is not None:
            return outcome
        answer = self._routed(found, call)
        return answer if fault is None else self._after(fault, answer)

    def _routed(self, found: Found, call: Call) -> Answer:
        if found.route is None:
            return unknown_route(found.path)
        try:
            return found.route.answer(call)
        except Refusal as refusal:
            return refusal.answer
        except Exception:  # noqa: BLE001  # whatever it is, the caller gets JSON and the console stays quiet
            return FAILED

    def _after(self, fault: Fault, answer: Answer) -> Outcome:
        outcome: Outcome = answer
        match fault.kind:
            case "500-after":
                outcome = FAILED
            case "408-after":
                outcome = TIMED_OUT
            case "reset-after":
                outcome = Reset()
            case "html-after":
                outcome = PROXY_PAGE
            case "cut-after":
                outcome = Cut(answer)
            case "slow-after":
                self._wait(fault.seconds)
            case "partial":
                outcome = contacts.partial(answer)
            case "500-before" | "429" | "reset-before" | "401-from-now":
                pass
            case _:
                assert_never(fault.kind)
        return outcome

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self.stopping.wait(seconds)


def _refused(call: Call, at: float) -> Answer | None:
    if call.account.revoked:
        return BAD_KEY
    if not call.account.gate.admits(at, rate=call.switches.rate, window=call.switches.rate_window):
        return throttled(call.switches.retry_after)
    return None


def _before(fault: Fault, account: Account) -> Outcome | None:
    match fault.kind:
        case "500-before":
            return FAILED
        case "429":
            return throttled(fault.retry_after)
        case "reset-before":
            return Reset()
        case "401-from-now":
            account.revoked = True
            return BAD_KEY
        case _:
            return None


def _entry(found: Found, request: Request, call: Call | None, outcome: Outcome, at: float) -> Entry:
    match outcome:
        case Answer():
            status: int | None = outcome.status
        case Cut():
            status = outcome.answer.status
        case Reset():
            status = None
    path = "(unknown)" if found.route is None else found.route.path
    contacts_given, resubscribed = (0, 0) if call is None else (call.contacts, call.resubscribed)
    number = None if call is None else call.account.number
    return Entry(request.method, path, status, contacts_given, resubscribed, number, at)
