"""Lists, memberships, segments, hooks and pages of the stand-in, in the shape that Autopilot's notes give them."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.state import Roll
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "0123456789abcdef0123456789ABCDEF"
FREE = Switches(rate=0)
LIST = re.compile(r"contactlist_[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")


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


def test_a_list_is_written_as_name_and_read_as_title(api: Api) -> None:
    made = api.good("POST", "/list", {"name": "Large families"})
    assert LIST.fullmatch(made["list_id"])
    assert made["name"] == "Large families"
    assert api.good("GET", "/lists") == {"lists": [{"list_id": made["list_id"], "title": "Large families"}]}
    assert api("POST", "/list", {"name": " "})[0] == 400
    assert api("POST", "/list", {})[0] == 400
    assert api("DELETE", f"/list/{made['list_id']}") == (
        404,
        {"code": "ResourceNotFound", "message": f"/list/{made['list_id']} does not exist"},
    )


def test_a_membership_is_made_read_and_ended(api: Api) -> None:
    world = api.sandbox.world
    news = world.add_list("news", "contactlist_my old list/2014")
    person = world.add_contact({"Email": "a+b@example.com"})
    for who in (person, "a+b@example.com"):
        path = f"/list/{quote(news, safe='')}/contact/{quote(who, safe='')}"
        assert api("GET", path)[0] == 404
        assert api.good("POST", path) == {}
        assert api.good("POST", path) == {"not_modified": True}
        assert api("GET", path)[0] == 200
        assert world.members("news") == {"a+b@example.com"}
        assert api.good("DELETE", path) == {}
        assert api.good("DELETE", path) == {"not_modified": True}
    for method in ("POST", "DELETE"):
        status, answer = api(method, f"/list/contactlist_none/contact/{person}")
        assert (status, answer["message"]) == (404, "List does not exist.")
        status, answer = api(method, f"/list/{quote(news, safe='')}/contact/person_none")
        assert (status, answer["message"]) == (404, "Contact could not be found.")


def test_segments_and_hooks(api: Api) -> None:
    world = api.sandbox.world
    world.add_contact({"Email": "a@example.com"})
    assert api.good("GET", "/smart_segments") == {"segments": []}
    segment = world.add_segment("Warm", ["a@example.com"])
    assert api.good("GET", "/smart_segments") == {"segments": [{"segment_id": segment, "title": "Warm"}]}
    assert api.good("GET", f"/smart_segments/{segment}/contacts")["total_contacts"] == 1
    assert api("GET", "/smart_segments/none/contacts")[0] == 404
    hook = api.good("POST", "/hook", {"event": "contact_added", "target_url": "https://example.com/"})["hook_id"]
    assert api.good("GET", "/hooks")["hooks"][0]["hook_id"] == hook
    assert api("POST", "/hook", {"event": "contact_added"})[0] == 400
    assert api("DELETE", f"/hook/{hook}")[0] == 200
    assert api("DELETE", f"/hook/{hook}")[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("PUT", "/lists"), ("GET", "/"), ("PATCH", "/contact/x"), ("GET", "/list/a/b/c")],
)
def test_an_unknown_route_says_so(api: Api, method: str, path: str) -> None:
    status, answer = api(method, path)
    assert (status, answer["code"]) == (404, "ResourceNotFound")


def test_pages_of_a_hundred_with_a_bookmark_until_the_last(api: Api) -> None:
    world = api.sandbox.world
    news = world.add_list("news")
    for i in range(201):
        world.add_contact({"Email": f"p{i}@example.com", "_autopilot_list": news})
    for path in ("/contacts", f"/list/{news}/contacts"):
        sizes, seen = list[int](), list[str]()
        bookmark: str | None = ""
        while bookmark is not None:
            page = api.good("GET", f"{path}{bookmark and '/' + quote(bookmark, safe='')}")
            assert page["total_contacts"] == 201
            sizes.append(len(page["contacts"]))
            seen += [one["Email"] for one in page["contacts"]]
            bookmark = page.get("bookmark")
        assert sizes == [100, 100, 1]
        assert seen == [f"p{i}@example.com" for i in range(201)]
    world.remove_contact("p200@example.com")
    second = api.good("GET", "/contacts")["bookmark"]
    assert "bookmark" not in api.good("GET", f"/contacts/{second}")
    for bad in ("x", "é", base64.urlsafe_b64encode(b"after x").decode()):
        assert api("GET", f"/contacts/{quote(bad)}")[0] == 400


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=80),
    st.integers(1, 7),
    st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=10),
)
def test_pages_one_after_the_other_are_the_members_also_when_some_leave_between(
    steps: list[tuple[bool, int]], size: int, between: list[tuple[bool, int]]
) -> None:
    roll, order = Roll(), list[str]()
    for add, number in steps:
        entry = str(number)
        if add and roll.add(entry):
            order.append(entry)
        elif not add and roll.discard(entry):
            order.remove(entry)
    assert list(roll) == order
    stayed, seen, after = set(order), list[str](), 0
    changes = iter(between)
    while True:
        ids, last = roll.page(after, size)
        seen += ids
        if last is None:
            break
        after = last
        if (change := next(changes, None)) is not None and not change[0]:
            roll.discard(str(change[1]))
            stayed.discard(str(change[1]))
    assert [entry for entry in seen if entry in stayed] == [entry for entry in order if entry in stayed]
    assert len(seen) == len(set(seen))
