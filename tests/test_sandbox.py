"""The stand-in answers every call in the shape that Autopilot's notes give it, and keeps a world."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import requests

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "0123456789abcdef0123456789ABCDEF"
FREE = Switches(rate=0)
PERSON = re.compile(r"person_[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")


class Api:
    """One kept-alive connection to a stand-in."""

    def __init__(self, sandbox: Sandbox, key: str = KEY) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["autopilotapikey"] = key

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        answer = self.session.request(method, self.sandbox.url + path, json=body, timeout=10)
        return answer.status_code, answer.json() if answer.content else None

    def good(self, method: str, path: str, body: object = None) -> Any:
        status, answer = self(method, path, body)
        assert status == 200, answer
        return answer


@pytest.fixture
def api() -> Iterator[Api]:
    with Sandbox(switches=FREE) as sandbox:
        api = Api(sandbox)
        with api.session:
            yield api


def test_a_key_is_needed_and_must_be_one(api: Api) -> None:
    url = f"{api.sandbox.url}/account"
    nobody = requests.get(url, timeout=10)
    assert (nobody.status_code, nobody.json()["message"]) == (400, "No autopilotapikey header provided.")
    wrong = requests.get(url, headers={"autopilotapikey": KEY[:-1]}, timeout=10)
    assert (wrong.status_code, wrong.json()["message"]) == (401, "Provided autopilotapikey not valid.")
    assert set(api.good("GET", "/account")) >= {"instanceId", "fullName", "email"}


def test_with_a_key_of_its_own_no_other_is_valid() -> None:
    with Sandbox(key=KEY) as sandbox:
        other = requests.get(f"{sandbox.url}/account", headers={"autopilotapikey": "f" * 32}, timeout=10)
        right = requests.get(f"{sandbox.url}/account", headers={"autopilotapikey": KEY}, timeout=10)
    assert (other.status_code, right.status_code) == (401, 200)


def test_each_key_opens_an_account_of_its_own(api: Api) -> None:
    api.good("POST", "/list", {"name": "mine"})
    other = Api(api.sandbox, "f" * 32)
    with other.session:
        assert other.good("GET", "/lists") == {"lists": []}
    assert api.sandbox.world is api.sandbox.account(KEY)
    assert api.sandbox.account("f" * 32).lists_titled("mine") == ()
    with pytest.raises(KeyError):
        api.sandbox.account("no key")


def test_one_contact_is_made_then_changed_under_the_same_id(api: Api) -> None:
    made = api.good("POST", "/contact", {"contact": {"Email": "Ann@Example.COM", "FirstName": "Ann", "Phone": "1"}})
    assert PERSON.fullmatch(made["contact_id"])
    changed = api.good("POST", "/contact", {"contact": {"Email": "ann@example.com", "Phone": None, "Title": "Dr"}})
    assert changed == made
    for who in (made["contact_id"], "ann@example.com", "ANN@example.com"):
        read = api.good("GET", f"/contact/{who}")
        assert (read["Email"], read["FirstName"], read["Title"]) == ("ann@example.com", "Ann", "Dr")
        assert (read["contact_id"], read["lists"], read["unsubscribed"]) == (made["contact_id"], [], False)
        assert "Phone" not in read


def test_a_contact_without_an_address_is_a_new_one_each_time(api: Api) -> None:
    ids = {api.good("POST", "/contact", {"contact": {"FirstName": "Ann"}})["contact_id"] for _ in range(3)}
    assert len(ids) == 3
    assert api.sandbox.world.snapshot().nameless == 3


def test_custom_fields_are_read_back_by_name_and_type(api: Api) -> None:
    custom = {"string--Loyalty--Tier": "gold", "integer--Income": 3, "date--Born": "1980-01-31", "float--Share": 0.5}
    api.good("POST", "/contact", {"contact": {"Email": "a@example.com", "custom": {**custom, "boolean--Owner": True}}})
    read = api.good("GET", "/contact/a@example.com")["custom_fields"]
    assert {"kind": "Loyalty Tier", "value": "gold", "fieldType": "string"} in read
    assert {(one["kind"], one["fieldType"]) for one in read} >= {("Income", "integer"), ("Owner", "boolean")}
    api.good("POST", "/contact", {"contact": {"Email": "a@example.com", "custom": {"string--Loyalty--Tier": None}}})
    assert len(api.good("GET", "/contact/a@example.com")["custom_fields"]) == 4
    registry = api.good("GET", "/contacts/custom_fields")
    assert {"fieldType": "string", "key": "string--Loyalty--Tier", "name": "Loyalty Tier"} in registry
    assert len(registry) == 5


@pytest.mark.parametrize(
    "contact",
    [
        "text",
        {"Email": "nobody"},
        {"Email": "a b@example.com"},
        {"Email": 7},
        {"Nickname": "x"},
        {"FirstName": ["x"]},
        {"unsubscribed": "no"},
        {"_autopilot_list": 1},
        {"custom": []},
        {"custom": {"money--Income": 1}},
        {"custom": {"string--": "x"}},
        {"custom": {"integer--Income": "3"}},
        {"custom": {"integer--Income": True}},
    ],
)
def test_what_is_no_contact_is_refused_and_nothing_written(api: Api, contact: object) -> None:
    before = api.sandbox.world.snapshot()
    status, answer = api("POST", "/contact", {"contact": contact})
    assert (status, answer["error"]) == (400, "Bad Request")
    assert api("POST", "/contacts", {"contacts": [{"Email": "good@example.com"}, contact]})[0] == 400
    assert api.sandbox.world.snapshot() == before


@pytest.mark.parametrize("body", [{}, [], {"contacts": []}, {"contacts": {}}, None])
def test_a_write_without_contacts_is_refused(api: Api, body: object) -> None:
    assert api("POST", "/contact", body)[0] == 400
    assert api("POST", "/contacts", body)[0] == 400


@pytest.mark.parametrize(
    "body", [b"{", b"[" * 100_000, b'{"contact": {"Email": NaN}}', b"\xff", b'{"a": ' + b"9" * 9999]
)
def test_a_body_that_is_no_json_is_refused_in_json(api: Api, body: bytes) -> None:
    answer = api.session.post(f"{api.sandbox.url}/contact", data=body, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")


def test_a_bulk_write_names_everyone_and_takes_a_hundred(api: Api) -> None:
    people = [{"Email": f"p{i}@example.com"} for i in range(101)]
    assert api("POST", "/contacts", {"contacts": people})[0] == 400
    assert api.sandbox.world.snapshot().contacts == {}
    answer = api.good("POST", "/contacts", {"contacts": [*people[:99], {"Email": "P0@example.com", "Title": "Dr"}]})
    assert len(answer["contact_ids"]) == 100
    assert set(answer["email_contact_map"]) == {f"p{i}@example.com" for i in range(99)}
    assert answer["email_contact_map"]["p0@example.com"] == answer["contact_ids"][0] == answer["contact_ids"][99]
    assert answer["_removeResultKeys"] == []
    found = api.sandbox.world.contact("p0@example.com")
    assert found is not None
    assert found.fields["Title"] == "Dr"


def test_deleting_takes_a_contact_off_its_lists(api: Api) -> None:
    world = api.sandbox.world
    world.add_contact({"Email": "a@example.com", "_autopilot_list": world.add_list("news")})
    assert world.members("news") == {"a@example.com"}
    api.good("DELETE", "/contact/a%40example.com")
    assert world.members("news") == set()
    assert api("DELETE", "/contact/a@example.com") == (
        404,
        {"error": "Not Found", "message": "Contact could not be found."},
    )
    assert api("GET", "/contact/a@example.com")[0] == 404


def test_unsubscribing_keeps_the_lists_and_only_false_takes_it_back(api: Api) -> None:
    world = api.sandbox.world
    world.add_contact({"Email": "a@example.com", "_autopilot_list": world.add_list("news")})
    api.good("POST", "/contact/a@example.com/unsubscribe")
    assert api("POST", "/contact/b@example.com/unsubscribe")[0] == 404
    api.good("POST", "/contact", {"contact": {"Email": "a@example.com", "FirstName": "Ann"}})
    found = world.contact("a@example.com")
    assert found is not None
    assert found.unsubscribed
    assert world.members("news") == {"a@example.com"}
    assert sum(entry.resubscribed for entry in api.sandbox.requests) == 0
    api.good("POST", "/contacts", {"contacts": [{"Email": "a@example.com", "unsubscribed": False}]})
    assert api.good("GET", "/contact/a@example.com")["unsubscribed"] is False
    assert sum(entry.resubscribed for entry in api.sandbox.requests) == 1


def test_the_log_names_calls_and_nobody(api: Api) -> None:
    api.good("POST", "/contacts", {"contacts": [{"Email": "secret@example.com"}]})
    api.good("GET", "/contact/secret@example.com")
    log = requests.get(f"{api.sandbox.root}/_sandbox/requests", timeout=10)
    assert [(one["method"], one["path"], one["status"], one["contacts"]) for one in log.json()["requests"]] == [
        ("POST", "/contacts", 200, 1),
        ("GET", "/contact/{contact}", 200, 0),
    ]
    assert "secret" not in log.text
    assert KEY not in log.text
    assert requests.delete(f"{api.sandbox.root}/_sandbox/requests", timeout=10).ok
    assert api.sandbox.requests == ()


def test_the_world_is_shown_whole(api: Api) -> None:
    news = api.good("POST", "/list", {"name": "news"})["list_id"]
    person = api.good("POST", "/contact", {"contact": {"Email": "a@example.com", "_autopilot_list": news}})[
        "contact_id"
    ]
    shown = requests.get(f"{api.sandbox.root}/_sandbox/world", timeout=10)
    account = shown.json()["accounts"][0]
    assert account["lists"] == [{"list_id": news, "title": "news", "members": [person]}]
    assert [one["Email"] for one in account["contacts"]] == ["a@example.com"]
    assert KEY not in json.dumps(shown.json())
