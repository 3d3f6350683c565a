"""The command line inside this process, on a clock of the test's, and what a server is made to do at one request."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from reconciler import wiring
from reconciler.cli.main import app
from reconciler.core.record import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.account import Account

    from reconciler.sandbox.answers import Outcome
    from reconciler.sandbox.server import Sandbox
    from reconciler.sandbox.service import Request


def told(account: Account, *words: str) -> tuple[int, str]:
    """Run a command on the account's project, by its clock, and give the exit code and all that was said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "SystemClock", lambda: account.project.clock)
        result = CliRunner(env=account.project.environ).invoke(app, ["-C", str(account.project.root), *words])
    assert "Traceback" not in result.output
    assert "defect" not in result.output, result.output
    return result.exit_code, result.output


def at_request(
    server: Sandbox,
    number: int,
    act: Callable[[], None],
    instead: Callable[[Request, Outcome], Outcome] = lambda _, outcome: outcome,
) -> None:
    """When so many requests have arrived, do something once; from then on, `instead` says what is answered."""
    meet, lock, seen = server._service.meet, threading.Lock(), 0

    def met(request: Request) -> Outcome:
        nonlocal seen
        with lock:
            seen += 1
            mine = seen
        if mine == number:
            act()
        outcome = meet(request)
        return instead(request, outcome) if mine >= number else outcome

    server._service.meet = met  # type: ignore[method-assign]  # this is the tap


def goes_on(account: Account, *connections: str) -> None:
    """The next run, against a sound server, ends the work: both worlds are the declared one, and nobody is in doubt."""
    code, said = told(account, "apply", "--yes")
    assert code == 0, said
    account.check_declared()
    assert set(account.recorded()) == set(account.table)
    shop = account.project.shop()
    with shop.recorded(shop.declarations()) as ledger:
        assert all(ledger.doubtful(name) == () for name in connections or ("account",))
        assert ledger.runs(limit=1)[0].status is RunStatus.SUCCESSFUL
    assert told(account, "plan", "--exit-code")[0] == 0
    assert "Successful" in told(account, "status")[1].splitlines()[1]
    assert "Successful" in told(account, "history")[1].splitlines()[1]
