"""Each fault of the stand-in strikes as it says, on the requests it says, and the world shows what was carried out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sandbox.faults import FaultPicker
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, FaultKind, Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "0123456789abcdef" * 2
FREE = Switches(rate=0)
ANN, BEN, CAT = ({"Email": f"{name}@example.com"} for name in ("Ann", "ben", "cat"))


class Api:
    """One kept-alive connection to a stand-in."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.world = sandbox.world
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["autopilotapikey"] = KEY

    def switch(self, **changes: Any) -> None:
        self.sandbox.switches = replace(self.sandbox.switches, **changes)

    def raw(self, method: str, path: str, body: object = None) -> requests.Response:
        return self.session.request(method, self.sandbox.url + path, json=body, timeout=10)

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        answer = self.raw(method, path, body)
        return answer.status_code, answer.json() if answer.content else None

    def bulk(self, *people: dict[str, Any]) -> tuple[int, Any]:
        return self("POST", "/contacts", {"contacts": list(people)})

    def known(self) -> set[str]:
        return set(self.world.snapshot().contacts)


@pytest.fixture
def api() -> Iterator[Api]:
    with Sandbox(switches=FREE) as sandbox:
        api = Api(sandbox)
        with api.session:
            yield api


@pytest.mark.parametrize(
    ("kind", "status", "written"),
    [
        ("500-before", 500, False),
        ("500-after", 500, True),
        ("408-after", 408, True),
        ("429", 429, False),
        ("slow-after", 200, True),
    ],
)
def test_faults_that_answer(api: Api, kind: FaultKind, status: int, *, written: bool) -> None:
    api.switch(faults=(Fault(kind, "POST", "/contacts", seconds=0.001),))
    assert api("GET", "/lists")[0] == 200
    got, answer = api.bulk(ANN)
    assert (got, bool(api.known())) == (status, written)
    assert isinstance(answer, dict)
    assert api.bulk(ANN)[0] == 200


@pytest.mark.parametrize(("kind", "written"), [("reset-before", False), ("reset-after", True), ("cut-after", True)])
def test_faults_that_break_the_connection(api: Api, kind: FaultKind, *, written: bool) -> None:
    api.switch(faults=(Fault(kind),))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        api.bulk(ANN)
    assert bool(api.known()) == written
    assert api.bulk(ANN)[0] == 200
    assert [entry.status for entry in api.sandbox.requests] == [200 if kind == "cut-after" else None, 200]


def test_fault_html(api: Api) -> None:
    api.switch(faults=(Fault("html-after"),))
    answer = api.raw("POST", "/contacts", {"contacts": [ANN]})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert api.known() == {"ann@example.com"}


def test_fault_partial(api: Api) -> None:
    api.switch(faults=(Fault("partial", count=None),))
    status, answer = api.bulk(ANN, BEN, CAT)
    assert (status, len(api.known())) == (200, 3)
    assert set(answer["email_contact_map"]) == {"ben@example.com"}
    assert api("GET", "/contacts/custom_fields") == (200, [])


def test_fault_unauthorized_lasts_until_the_faults_change(api: Api) -> None:
    api.switch(faults=(Fault("401-from-now", nth=2),))
    assert [api("GET", "/account")[0] for _ in range(4)] == [200, 401, 401, 401]
    api.switch(faults=())
    assert api("GET", "/account")[0] == 200


@pytest.mark.parametrize(("seconds", "header"), [(None, None), (7, "7")])
def test_retry_after(api: Api, seconds: int | None, header: str | None) -> None:
    api.switch(faults=(Fault("429", retry_after=seconds),))
    struck = api.raw("GET", "/account")
    assert (struck.status_code, struck.headers.get("Retry-After")) == (429, header)
    assert struck.json()["message"].startswith("Your request was throttled.")


@given(st.integers(1, 5), st.integers(1, 5), st.one_of(st.none(), st.integers(0, 5)))
def test_a_fault_strikes_from_the_nth_and_every_so_many(nth: int, every: int, count: int | None) -> None:
    picker = FaultPicker((Fault("500-before", nth=nth, every=every, count=count),))
    struck = [i for i in range(1, 31) if picker.pick("GET", "/lists")]
    assert struck == list(range(nth, 31, every))[:count]


def test_chance_is_the_same_each_time_and_patterns_narrow_it() -> None:
    fault = Fault("500-before", "POST", "/list/*/contact/*", count=None, probability=0.5, seed=7)
    one, two = FaultPicker((fault,)), FaultPicker((fault,))
    runs = [[bool(picker.pick("POST", "/list/x y/contact/z")) for _ in range(200)] for picker in (one, two)]
    assert runs[0] == runs[1]
    assert 60 < sum(runs[0]) < 140
    assert not any(two.pick(*call) for call in [("DELETE", "/list/x/contact/z"), ("POST", "/list")] * 50)
