"""Whatever answers come, and whatever the clock says, a run tells how it ended, and the next one ends the work."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from dataclasses import replace
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.account import Account, crowd
from support.hasty import HastyClock
from support.inside import at_request, goes_on, told

from reconciler.core.errors import StateLocked
from reconciler.sandbox.answers import Answer, error, throttled
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches
from reconciler.state.lock import acquire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.core.ports import Clock
    from reconciler.sandbox.answers import Outcome

SHM = Path("/dev/shm")
DONE, FAILED = 0, 4
HOURS = dt.timedelta(hours=1)


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def account(server: Sandbox) -> Iterator[Account]:
    meet = server._service.meet
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder:
        yield Account(server, Path(folder))
    server._service.meet = meet  # type: ignore[method-assign]  # without what the test put around it


def moved(account: Account, bulk_lists: str = "honoured") -> None:
    """Declare other people than those that a first sound run sent: some new, some changed, some gone."""
    account.behave(bulk_lists=bulk_lists)
    account.declare(crowd(20))
    assert told(account, "apply", "--yes")[0] == DONE
    account.declare(crowd(6, "Grün") | dict(list(crowd(60).items())[12:]))


WRITES = ("500-before", "500-after", "408-after", "reset-before", "reset-after", "html-after", "cut-after", "429")


@pytest.mark.parametrize(("count", "bulk_lists"), [(1, "honoured"), (None, "ignored")])
@pytest.mark.parametrize("kind", [*WRITES, "partial", "401-from-now"])
def test_an_answer_that_lies_or_fails_is_told_and_ended_by_the_next_run(
    account: Account, kind: str, bulk_lists: str, count: int | None
) -> None:
    moved(account, bulk_lists)
    path = "/contact*" if kind == "partial" else None
    account.behave(Fault(kind, path=path, nth=2, count=count), bulk_lists=bulk_lists)  # type: ignore[arg-type]  # one
    code, said = told(account, "apply", "--yes")
    passes = kind in WRITES and count == 1
    assert code == (DONE if passes else FAILED), said
    word = "Successful" if code == DONE else "Failed"
    assert word in told(account, "status")[1].splitlines()[1]
    assert word in told(account, "history")[1].splitlines()[1]
    account.behave(bulk_lists=bulk_lists)
    goes_on(account)


@pytest.mark.parametrize(("status", "count"), [(429, 3), (503, None)])
@pytest.mark.parametrize(
    ("asked", "longest"),
    [
        (None, 16),
        ("0", 1),
        ("999999999999999999999", 121),
        (30 / 3600 * HOURS, 31),
        (50_000 * HOURS, 121),
        (-3 * HOURS, 16),
    ],
)
def test_whenever_a_server_wants_us_back_no_wait_is_endless(
    account: Account, asked: str | dt.timedelta | None, longest: float, status: int, count: int | None
) -> None:
    moved(account)
    clock = account.project.clock
    assert isinstance(clock, HastyClock)
    answers = iter(range(count or 10_000))

    def later(_: object, outcome: Outcome) -> Outcome:
        if next(answers, None) is None:
            return outcome
        when = format_datetime(clock.now() + asked, usegmt=True) if isinstance(asked, dt.timedelta) else asked
        return replace(error(status, "Later."), headers=() if when is None else (("Retry-After", when),))

    meet = account.server._service.meet
    at_request(account.server, 2, lambda: None, later)
    before = clock._slept
    code, said = told(account, "apply", "--yes")
    assert code == (DONE if count else FAILED), said
    assert clock._slept - before <= (longest + 1) * 6 * 16  # six tries at most, and each thread of the crew sleeps
    account.server._service.meet = meet  # type: ignore[method-assign]  # it lets everybody in again
    account.behave()
    goes_on(account)


def _vanish_list(account: Account) -> None:
    account.world.remove_list(account.world.lists_titled("odd")[0])


def _vanish_people(account: Account) -> None:
    for mail in [*crowd(6), "person015@example.com"]:
        account.world.remove_contact(mail)


@pytest.mark.parametrize("bulk_lists", ["honoured", "ignored"])
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize(("vanish", "code"), [(_vanish_list, FAILED), (_vanish_people, DONE)])
def test_what_vanished_is_told_and_made_again(
    account: Account, vanish: Callable[[Account], None], code: int, nth: int, bulk_lists: str
) -> None:
    moved(account, bulk_lists)
    meet = account.server._service.meet
    at_request(account.server, nth, lambda: vanish(account))
    ended, said = told(account, "apply", "--yes")
    account.server._service.meet = meet  # type: ignore[method-assign]  # nothing vanishes any more
    assert ended == code, said
    assert said.count("vanished from Autopilot") == int(code == FAILED)
    if vanish is _vanish_people:  # nobody looks for them unasked
        assert told(account, "apply", "--yes", "--refresh")[0] == DONE
    goes_on(account)


@pytest.mark.parametrize("bulk_lists", ["honoured", "ignored"])
def test_who_was_deleted_there_and_is_sent_again_comes_back_onto_the_lists(account: Account, bulk_lists: str) -> None:
    account.behave(bulk_lists=bulk_lists)
    account.declare(crowd(4))
    account.apply()
    account.world.remove_contact("person001@example.com")
    account.declare(crowd(4) | {"person001@example.com": ("Rot", True)})
    account.apply()
    goes_on(account)


def test_lists_that_cannot_be_made_are_told_once(account: Account) -> None:
    account.behave(Fault("500-before", method="POST", path="/list", count=None))
    account.declare(crowd(30))
    code, said = told(account, "apply", "--yes")
    assert code == FAILED
    assert said.count("did not appear") == 1, said
    account.behave()
    goes_on(account)


class Jumping(HastyClock):
    """A clock whose time of day is set ahead or back; its seconds go on."""

    off = dt.timedelta(0)

    def now(self) -> dt.datetime:
        return super().now() + self.off


def overtake(account: Account, clock: Clock) -> None:
    """A second run, whose clock was set as well, is not let in."""
    with pytest.raises(StateLocked):
        acquire(account.project.root, who="you", clock=clock, wait=0)


@pytest.mark.parametrize("off", [10 * HOURS, -10 * HOURS, 9_000 * HOURS])
@pytest.mark.parametrize("nth", [1, 4])
def test_a_clock_that_jumps_costs_neither_the_lock_nor_the_run(account: Account, off: dt.timedelta, nth: int) -> None:
    moved(account)
    clock = account.project.clock = Jumping()
    throttle = iter([replace(throttled(None), headers=(("Retry-After", format_datetime(clock.now(), usegmt=True)),))])
    overtaken: list[bool] = []

    def jump() -> None:
        clock.off = off
        overtake(account, clock)
        overtaken.append(False)

    at_request(account.server, nth, jump, lambda _, outcome: next(throttle, None) or outcome)
    code, said = told(account, "apply", "--yes", "--lock-timeout=1")
    assert (code, overtaken) == (DONE, [False]), said
    assert clock._slept < 16 * 200  # seconds of all the threads; none waits for the hours to pass
    runs = json.loads(told(account, "history", "--output", "json")[1])["runs"]
    assert all(run["seconds"] >= 0 for run in runs)
    assert len(runs) == 2  # the first, sound one and this
    goes_on(account)


def test_an_answer_of_no_use_to_anybody_ends_in_one_line(account: Account) -> None:
    moved(account)
    meet = account.server._service.meet
    at_request(account.server, 1, lambda: None, lambda *_: Answer(200, b"[" * 100_000))
    code, said = told(account, "apply", "--yes")
    account.server._service.meet = meet  # type: ignore[method-assign]  # it is itself again
    assert code == FAILED
    assert "200 with a body that is not JSON" in said
    goes_on(account)
