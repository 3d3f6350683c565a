"""Each switch of the stand-in changes just what it says, and the rate is judged by the clock it is given."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sandbox.gate import Gate
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "0123456789abcdef" * 2
FREE = Switches(rate=0)
ANN, BEN, CAT = ({"Email": f"{name}@example.com"} for name in ("Ann", "ben", "cat"))
BAD = {"Email": "nobody"}


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
    ("setting", "one", "two"),
    [
        ("honoured", {"ann@example.com"}, {"ben@example.com"}),
        ("ignored", set(), set()),
        ("first", {"ann@example.com", "ben@example.com", "cat@example.com"}, set()),
    ],
)
def test_bulk_lists(api: Api, setting: str, one: set[str], two: set[str]) -> None:
    api.switch(bulk_lists=setting)
    first, second = api.world.add_list("one"), api.world.add_list("two")
    assert api.bulk({**ANN, "_autopilot_list": first}, {**BEN, "_autopilot_list": second}, CAT)[0] == 200
    assert (api.world.members("one"), api.world.members("two")) == (one, two)
    assert len(api.known()) == 3


@pytest.mark.parametrize(("setting", "status"), [("refuse", 404), ("ignore", 200)])
def test_gone_list(api: Api, setting: str, status: int) -> None:
    api.switch(gone_list=setting)
    lost = {**ANN, "_autopilot_list": "contactlist_none"}
    assert api.bulk(lost)[0] == api("POST", "/contact", {"contact": lost})[0] == status
    assert bool(api.known()) == (status == 200)


@pytest.mark.parametrize(("setting", "status", "known"), [("refuse", 400, set()), ("drop", 200, {"ann@example.com"})])
def test_bad_row(api: Api, setting: str, status: int, known: set[str]) -> None:
    api.switch(bad_row=setting)
    got, answer = api.bulk(BAD, ANN)
    assert (got, api.known()) == (status, known)
    assert set(answer.get("email_contact_map", ())) == known


@pytest.mark.parametrize("setting", [True, False])
def test_quote_bad(api: Api, *, setting: bool) -> None:
    api.switch(quote_bad=setting)
    assert ("nobody" in api.bulk(BAD)[1]["message"]) == setting


@pytest.mark.parametrize(("setting", "key"), [("lower", "ann@example.com"), ("asis", "Ann@example.com")])
def test_map_keys(api: Api, setting: str, key: str) -> None:
    api.switch(map_keys=setting)
    assert set(api.bulk(ANN)[1]["email_contact_map"]) == {key}


@pytest.mark.parametrize(
    ("setting", "status", "lists"), [("conflict", 409, 1), ("second", 200, 2), ("existing", 200, 1)]
)
def test_twin_titles(api: Api, setting: str, status: int, lists: int) -> None:
    api.switch(twin_titles=setting)
    first = api.world.add_list("news")
    got, answer = api("POST", "/list", {"name": "news"})
    assert (got, len(api.world.lists_titled("news"))) == (status, lists)
    assert (answer.get("list_id") == first) == (setting == "existing")


def test_list_answer(api: Api) -> None:
    api.switch(list_answer="message")
    status, answer = api("POST", "/list", {"name": "news"})
    assert (status, set(answer)) == (200, {"message"})
    assert len(api.world.lists_titled("news")) == 1


@pytest.mark.parametrize(("setting", "name"), [(True, "New"), (False, "Old")])
def test_names_overwritten(api: Api, *, setting: bool, name: str) -> None:
    api.switch(names_overwritten=setting)
    api.world.add_contact({**ANN, "FirstName": "Old"})
    api.bulk({**ANN, "FirstName": "New", "LastName": "First", "Title": "Dr"})
    found = api.world.contact("ann@example.com")
    assert found is not None
    assert dict(found.fields) == {"Email": "ann@example.com", "FirstName": name, "LastName": "First", "Title": "Dr"}


def test_not_modified_unknown_list_and_delete_status(api: Api) -> None:
    api.switch(not_modified=False, unknown_list="empty", delete_status=204)
    news = api.world.add_list("news")
    api.world.add_contact(ANN)
    assert api("DELETE", f"/list/{news}/contact/ann@example.com") == (200, {})
    assert api("GET", "/list/none/contacts") == (404, None)
    assert api("GET", "/list/none/contact/ann@example.com") == (404, None)
    assert api("DELETE", "/contact/ann@example.com") == (204, None)
    assert api("GET", "/lists")[0] == 200  # the connection is still in step after the answers without a body
    api.switch(unknown_list="text")
    assert api("GET", "/list/none/contacts")[1]["message"] == "List does not exist."


def test_latency_waits_and_the_close_does_not() -> None:
    arrived = threading.Semaphore(0)

    def clock() -> float:
        arrived.release()
        return 0.0

    with Sandbox(switches=replace(FREE, list_latency=3600), clock=clock) as sandbox:
        host, port = sandbox.root.removeprefix("http://").split(":")
        slow = http.client.HTTPConnection(host, int(port), timeout=10)
        slow.request("POST", "/v1/list", json.dumps({"name": "x"}), {"autopilotapikey": KEY})
        assert arrived.acquire(timeout=10)
        with requests.get(f"{sandbox.url}/lists", headers={"autopilotapikey": KEY}, timeout=10) as quick:
            assert quick.json() == {"lists": []}
    assert slow.getresponse().status == 200
    assert len(sandbox.world.lists_titled("x")) == 1
    slow.close()


def test_the_rate_is_kept_for_each_key_and_own_paths_are_free() -> None:
    now = [100.0]
    switches = Switches(rate=20, rate_window=0.25, retry_after=1)
    with Sandbox(switches=switches, clock=lambda: now[0]) as sandbox, requests.Session() as session:

        def ask(key: str = KEY) -> requests.Response:
            return session.get(f"{sandbox.url}/account", headers={"autopilotapikey": key}, timeout=10)

        assert [ask().status_code for _ in range(8)] == [200] * 6 + [429] * 2
        assert ask().headers["Retry-After"] == "1"
        assert ask("f" * 32).status_code == 200
        assert session.get(f"{sandbox.root}/_sandbox/requests", timeout=10).status_code == 200
        now[0] += 0.051
        assert [ask().status_code for _ in range(2)] == [200, 429]


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=200), st.floats(1, 50), st.floats(0, 1))
def test_no_span_of_time_gets_more_than_its_share_and_a_burst(gaps: list[float], rate: float, window: float) -> None:
    gate, now, taken = Gate(), 0.0, list[float]()
    for gap in gaps:
        now += gap
        if gate.admits(now, rate=rate, window=window):
            taken.append(now)
    assert taken
    for i, start in enumerate(taken):
        for j in range(i, len(taken)):
            assert j - i <= (taken[j] - start + window) * rate + 1e-6


def test_switches_travel_as_json() -> None:
    with Sandbox() as sandbox:
        own = f"{sandbox.root}/_sandbox/switches"
        assert from_json(requests.get(own, timeout=10).json()) == Switches()
        wanted = Switches(
            bulk_lists="first", rate=5, retry_after=3, faults=(Fault("429", count=None, probability=0.1),)
        )
        assert requests.put(own, json=to_json(wanted), timeout=10).status_code == 200
        assert sandbox.switches == wanted
        assert requests.put(own, json={"rate": 7}, timeout=10).status_code == 200
        assert sandbox.switches == Switches(rate=7)
        wrongs: tuple[object, ...] = (
            [],
            {"speed": 1},
            {"rate": "fast"},
            {"bulk_lists": "maybe"},
            {"quote_bad": 1},
            {"delete_status": True},
            {"faults": {}},
            {"faults": [{}]},
            {"faults": [{"kind": "429", "nth": 0}]},
            {"retry_after": 1.5},
        )
        for wrong in wrongs:
            refused = requests.put(own, json=wrong, timeout=10)
            assert (refused.status_code, set(refused.json())) == (400, {"error", "message"}), wrong
        assert sandbox.switches == Switches(rate=7)
