from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import Unavailable
from reconciler.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable


class Hours:
    """A clock that moves when somebody sleeps, and oversleeps by what it is given."""

    def __init__(self, late: list[float] | None = None) -> None:
        self.time = 1000.0
        self.late = late or [0.0]
        self.naps = 0
        self._lock = threading.Lock()

    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.time, tz=dt.UTC)

    def monotonic(self) -> float:
        with self._lock:
            return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        with self._lock:
            self.naps += 1
            self.time += seconds + self.late[self.naps % len(self.late)]


def most_in_one_second(times: list[float]) -> int:
    return max(sum(start <= each < start + 1 for each in times) for start in times)


@given(
    rate=st.integers(1, 50),
    late=st.lists(st.floats(0, 0.01), min_size=1, max_size=7),
    work=st.lists(st.floats(0, 0.3), min_size=2, max_size=120),
)
def test_no_second_ever_sees_more_than_the_rate(rate: int, late: list[float], work: list[float]) -> None:
    clock = Hours(late)
    pace = Pace(rate, clock)
    times = []
    for seconds in work:
        pace.wait()
        times.append(clock.time)
        clock.time += seconds
    assert most_in_one_second(times) <= rate


@given(rate=st.floats(0.1, 1000), requests=st.integers(2, 300))
def test_the_rate_is_used_up_to_one_percent(rate: float, requests: int) -> None:
    clock = Hours()
    pace = Pace(rate, clock)
    for _ in range(requests):
        pace.wait()
    assert (requests - 1) / rate <= clock.time - 1000 <= requests / rate * 1.011


def test_oversleeping_is_made_up_for() -> None:
    clock = Hours([0.004])
    pace = Pace(20, clock)
    for _ in range(401):
        pace.wait()
    assert clock.time - 1000 <= 20 * 1.011


def test_slots_nobody_came_for_are_not_saved_up() -> None:
    clock = Hours()
    pace = Pace(10, clock)
    pace.wait()
    clock.time += 60
    times = []
    for _ in range(30):
        pace.wait()
        times.append(clock.time)
    assert most_in_one_second(times) <= 10


def test_many_threads_share_one_pace() -> None:
    clock = Hours()
    pace = Pace(20, clock)
    gone: list[int] = []

    def work() -> None:
        for _ in range(25):
            pace.wait()
            gone.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(gone) == 200
    assert 199 / 20 <= clock.time - 1000 <= 10 * 1.011


@given(seconds=st.floats(0.01, 100))
def test_a_hold_stops_everybody_and_the_pace_goes_on_from_there(seconds: float) -> None:
    clock = Hours()
    pace = Pace(20, clock)
    pace.wait()
    pace.hold(seconds)
    pace.hold(seconds / 2)
    times = []
    for _ in range(30):
        pace.wait()
        times.append(clock.time)
    assert times[0] >= 1000 + seconds
    assert most_in_one_second(times) <= 20


@given(late=st.lists(st.floats(0, 0.03), min_size=1, max_size=7))
def test_after_a_hold_the_gaps_are_wider(late: list[float]) -> None:
    clock = Hours(late)
    pace = Pace(20, clock)
    pace.hold(1)
    times = []
    for _ in range(201):
        pace.wait()
        times.append(clock.time)
    assert most_in_one_second(times) <= 20
    assert times[-1] - times[0] <= 10 * 1.04


def test_a_hold_reaches_a_thread_that_is_waiting_already() -> None:
    clock = Hours()
    pace = Pace(0.1, clock)
    pace.wait()

    class Held(Hours):
        def sleep(self, seconds: float) -> None:
            if not self.naps:
                pace.hold(40)
            super().sleep(seconds)

    held = Held()
    pace._clock = held
    pace.wait()
    assert held.time >= 1040


@pytest.mark.parametrize(
    "wait",
    [Pace.wait, lambda pace: pace.pause(500), lambda pace: (pace.hold(500), pace.wait())],
    ids=["slot", "pause", "hold"],
)
def test_every_wait_ends_soon_when_the_run_is_to_stop(wait: Callable[[Pace], object]) -> None:
    clock = Hours()
    pace = Pace(0.001, clock, stop=lambda: clock.time > 1003)
    pace.wait()
    with pytest.raises(Unavailable, match="stopped"):
        wait(pace)
    assert clock.time < 1004


def test_a_pause_is_as_long_as_asked() -> None:
    clock = Hours()
    Pace(1, clock).pause(7.5)
    assert clock.time == pytest.approx(1007.5)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Pace(rate, Hours())
