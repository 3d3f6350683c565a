from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import logging
import random
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reconciler.core.autopilot_fields import RESERVED_FIELDS, STANDARD_FIELDS
from reconciler.core.errors import (
    ContactMissing,
    DestinationError,
    ListMissing,
    NotFound,
    Refused,
    Unauthorized,
    Unavailable,
)
from reconciler.core.model import FieldKind, FieldMatch
from reconciler.core.ports import Destination, Item, Pushed, Wire
from reconciler.destinations import autopilot_wire as wire
from reconciler.destinations.autopilot import Autopilot, open_autopilot
from reconciler.destinations.autopilot_wire import AutopilotWire, bulk_body, single_body
from reconciler.http import Policy
from reconciler.pace import Pace
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, FaultKind, Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reconciler.sandbox.state import Contact
    from reconciler.sandbox.world import World

KEY = "0123456789abcdef0123456789abcdef"
PLAIN = Switches(rate=0)
ANSWERED = [kind for kind in get_args(FaultKind) if kind not in {"slow-after", "partial", "401-from-now"}]
WRITTEN = [kind for kind in ANSWERED if kind.endswith("-after")]


class Hours:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self._lock = threading.Lock()

    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.time, tz=dt.UTC)

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.time += seconds


@contextlib.contextmanager
def opened(url: str, key: str = KEY, policy: Policy | None = None) -> Iterator[Autopilot]:
    clock = Hours()
    pilot = open_autopilot(url, key, Pace(1e6, clock), clock, random.Random(5), policy=policy)
    try:
        yield pilot
    finally:
        pilot.close()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=PLAIN) as it:
        yield it


_NUMBERS = itertools.count(1)


def new_key() -> str:
    """Give a key that opens an account nobody used yet."""
    return f"{next(_NUMBERS):032x}"


@contextlib.contextmanager
def fresh(sandbox: Sandbox, key: str = "", **switches: Any) -> Iterator[tuple[Autopilot, World]]:
    """Give an account of its own, and its world."""
    key = key or new_key()
    sandbox.switches = replace(PLAIN, **switches)
    with opened(sandbox.url, key) as pilot:
        yield pilot, sandbox.account(key)
    sandbox.switches = PLAIN


def item(number: int, *, good: bool = True, **fields: object) -> Item:
    email = f"person{number}@example.com" if good else f"person {number}"
    contact = json.dumps({"Email": email, **fields}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Item(b"%16d" % number, email, contact.encode())


def items(count: int, bad: set[int] | frozenset[int] = frozenset()) -> list[Item]:
    return [item(number, good=number not in bad) for number in range(count)]


def emails(found: Sequence[Item]) -> set[str]:
    return {each.email for each in found}


def known(world: World, email: str) -> Contact:
    contact = world.contact(email)
    assert contact is not None
    return contact


def the_ports_fit(pilot: Autopilot) -> tuple[Destination, Wire]:
    """Let the type checker judge that the ports are implemented."""
    return pilot, AutopilotWire()


# How a contact is written.


def test_fields_are_written_as_autopilot_reads_them() -> None:
    wire = AutopilotWire()
    assert wire.field(FieldMatch("FirstName", "x")) == ("FirstName",)
    assert wire.field(FieldMatch("Loyalty Tier", "x", FieldKind.STRING)) == ("custom", "string--Loyalty--Tier")
    assert {wire.field(FieldMatch(name, "x")) for name in STANDARD_FIELDS} == {(name,) for name in STANDARD_FIELDS}


@pytest.mark.parametrize("kind", [None, FieldKind.BOOLEAN])
@pytest.mark.parametrize("name", RESERVED_FIELDS)
def test_what_is_never_sent_cannot_be_mapped(name: str, kind: FieldKind | None) -> None:
    with pytest.raises(ValueError, match="never sent"):
        AutopilotWire().field(FieldMatch(name, "x", kind))


def test_a_field_without_a_type_must_be_a_standard_one() -> None:
    with pytest.raises(ValueError, match="needs a type"):
        AutopilotWire().field(FieldMatch("Loyalty Tier", "x"))


@pytest.mark.parametrize("write", [lambda one: bulk_body([one], None), lambda one: single_body(one, "l")])
@pytest.mark.parametrize("name", RESERVED_FIELDS)
def test_no_body_ever_holds_what_is_never_sent(write: Callable[[Item], bytes], name: str) -> None:
    with pytest.raises(ValueError, match="never sent") as caught:
        write(item(1, **{name: False}))
    assert "example" not in str(caught.value)


@given(
    values=st.lists(st.text(), min_size=1, max_size=4),
    list_id=st.none() | st.text(min_size=1),
    nested=st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.none(), max_size=2),
)
@example(values=['"unsubscribed":', '","_autopilot_list":"x"}'], list_id='a"}b\\', nested={})
def test_a_spliced_body_is_the_json_that_it_should_be(
    values: list[str], list_id: str | None, nested: dict[str, object]
) -> None:
    contacts = [{"Email": f"p{n}@example.com", "FirstName": v, "custom": nested} for n, v in enumerate(values)]
    rows = [Item(b"k", "", json.dumps(each, sort_keys=True, separators=(",", ":")).encode()) for each in contacts]
    asks = {} if list_id is None else {"_autopilot_list": list_id}
    assert json.loads(bulk_body(rows, list_id)) == {"contacts": [{**each, **asks} for each in contacts]}
    if list_id is not None:
        assert json.loads(single_body(rows[0], list_id)) == {"contact": {**contacts[0], **asks}}


# Contacts in bulk.


@pytest.mark.parametrize("map_keys", ["lower", "asis"])
@pytest.mark.parametrize("bulk_lists", ["honoured", "ignored", "first"])
def test_a_hundred_people_in_one_request(sandbox: Sandbox, map_keys: str, bulk_lists: str) -> None:
    with fresh(sandbox, map_keys=map_keys, bulk_lists=bulk_lists) as (pilot, world):
        list_id = world.add_list("News")
        people = [item(n, FirstName=f"First {n}", custom={"string--Loyalty--Tier": "gold"}) for n in range(100)]
        pushed = pilot.push(people, list_id)
        assert pilot.requests() == 1
        assert pushed.accepted == {each.key: known(world, each.email).id for each in people}
        assert pushed.rejected == {}
        assert world.members("News") == (set() if bulk_lists == "ignored" else emails(people))
        assert known(world, "person7@example.com").custom == {"string--Loyalty--Tier": "gold"}
        assert pilot.push(people, None) == pushed


def test_keys_of_the_map_count_in_either_case(sandbox: Sandbox) -> None:
    with fresh(sandbox, map_keys="asis") as (pilot, _):
        loud = Item(b"k", "loud@example.com", b'{"Email":"LOUD@Example.com"}')
        assert list(pilot.push([loud], None).accepted) == [b"k"]


def test_nobody_costs_nothing(sandbox: Sandbox) -> None:
    with fresh(sandbox) as (pilot, _):
        assert pilot.push([], None) == Pushed()
        assert pilot.requests() == 0


def test_who_is_dropped_without_a_word_is_rejected(sandbox: Sandbox) -> None:
    with fresh(sandbox, bad_row="drop") as (pilot, world):
        people = items(100, {3, 50})
        pushed = pilot.push(people, None)
        assert pushed.rejected == {people[n].key: "left out of the answer" for n in (3, 50)}
        assert len(pushed.accepted) == 98
        assert len(world.snapshot().contacts) == 98
        assert pilot.requests() == 1


def test_who_is_missing_in_the_answer_is_not_taken_for_accepted(sandbox: Sandbox) -> None:
    with fresh(sandbox, faults=(Fault("partial"),)) as (pilot, _):
        pushed = pilot.push(items(10), None)
    assert (len(pushed.accepted), len(pushed.rejected)) == (5, 5)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), quote_bad=st.booleans())
def test_a_refused_batch_is_halved_until_the_bad_rows_stand_alone(
    sandbox: Sandbox, data: st.DataObject, *, quote_bad: bool
) -> None:
    count = data.draw(st.integers(1, 100))
    bad = data.draw(st.frozensets(st.integers(0, count - 1), max_size=6))
    people = items(count, bad)
    with fresh(sandbox, quote_bad=quote_bad) as (pilot, world):
        list_id = world.add_list("News")
        pushed = pilot.push(people, list_id)
        assert set(pushed.rejected) == {people[n].key for n in bad}
        assert set(pushed.accepted) == {each.key for each in people} - set(pushed.rejected)
        assert world.members("News") == emails(people) - {people[n].email for n in bad}
        assert all("person" not in reason for reason in pushed.rejected.values())
        assert pilot.requests() <= 1 + len(bad) * 2 * (count - 1).bit_length()


@pytest.mark.parametrize("where", [0, 1, 37, 50, 98, 99])
def test_one_bad_row_in_a_hundred_costs_few_requests(sandbox: Sandbox, where: int) -> None:
    with fresh(sandbox) as (pilot, _):
        pushed = pilot.push(items(100, {where}), None)
        assert (len(pushed.accepted), len(pushed.rejected)) == (99, 1)
        assert pilot.requests() <= 14


def test_a_refusal_that_is_not_for_the_rows_stops_early(sandbox: Sandbox) -> None:
    with fresh(sandbox) as (pilot, world):
        with pytest.raises(Refused) as caught:
            pilot.push(items(100, set(range(100))), None)
        assert caught.value.status == 400
        assert pilot.requests() <= 25
        assert world.snapshot().contacts == {}


def test_a_few_bad_rows_are_rejected_even_when_nobody_is_left(sandbox: Sandbox) -> None:
    with fresh(sandbox) as (pilot, _):
        pushed = pilot.push(items(8, set(range(8))), None)
    assert (len(pushed.accepted), len(pushed.rejected)) == (0, 8)


@pytest.mark.parametrize("kind", ANSWERED)
def test_a_fault_loses_nobody(sandbox: Sandbox, kind: FaultKind) -> None:
    people = items(60, {11})
    faults = (Fault(kind, method="POST", path="/contacts", every=2, count=None),)
    with fresh(sandbox, faults=faults) as (pilot, world):
        list_id = world.add_list("News")
        pushed = pilot.push(people, list_id)
        assert world.members("News") == emails(people) - {people[11].email}
        assert set(pushed.rejected) == {people[11].key}
        assert len(pushed.accepted) == 59


def test_a_slow_answer_is_asked_for_again(sandbox: Sandbox) -> None:
    sandbox.switches = replace(PLAIN, faults=(Fault("slow-after", seconds=0.4),))
    with opened(sandbox.url, new_key(), Policy(read=0.15)) as pilot:
        assert len(pilot.push(items(3), None).accepted) == 3
        assert pilot.requests() == 2


def test_a_batch_for_a_list_that_is_gone_says_so(sandbox: Sandbox) -> None:
    with fresh(sandbox) as (pilot, _):
        with pytest.raises(ListMissing):
            pilot.push(items(100), "contactlist_GONE")
        assert pilot.requests() == 1


def test_one_contact_onto_one_list(sandbox: Sandbox) -> None:
    with fresh(sandbox, quote_bad=True) as (pilot, world):
        list_id = world.add_list("News", 'a list/of "ours"?')
        pushed = pilot.put(item(1), list_id)
        assert pushed == Pushed({item(1).key: known(world, "person1@example.com").id}, {})
        assert world.members("News") == {"person1@example.com"}
        bad = pilot.put(item(2, good=False), list_id)
        assert list(bad.rejected) == [item(2).key]
        assert "person" not in bad.rejected[item(2).key]
        with pytest.raises(ListMissing):
            pilot.put(item(3), "contactlist_GONE")


# Lists.


@pytest.mark.parametrize("twin_titles", ["conflict", "second", "existing"])
@pytest.mark.parametrize("list_answer", ["id", "message"])
@pytest.mark.parametrize("kind", [None, *ANSWERED])
@pytest.mark.parametrize("times", [1, 2])
def test_a_list_is_made_exactly_once(
    sandbox: Sandbox, twin_titles: str, list_answer: str, kind: FaultKind | None, times: int
) -> None:
    faults = () if kind is None else (Fault(kind, method="POST", path="/list", count=times),)
    also = () if kind is None else (Fault(kind, method="GET", path="/lists", nth=2, count=times),)
    key = new_key()
    asked = {"twin_titles": twin_titles, "list_answer": list_answer, "faults": faults + also}
    with fresh(sandbox, key, **asked) as (pilot, world):
        made = pilot.make_list("News & “views”")
        assert world.lists_titled("News & “views”") == (made,)
        assert pilot.make_list("News & “views”") == made
    with opened(sandbox.url, key) as again:
        assert again.make_list("News & “views”") == made
        assert world.lists_titled("News & “views”") == (made,)


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_list_whose_making_is_always_in_doubt_is_found(sandbox: Sandbox, kind: FaultKind) -> None:
    faults = (Fault(kind, method="POST", path="/list", count=None),)
    with fresh(sandbox, twin_titles="second", faults=faults) as (pilot, world):
        made = pilot.make_list("News")
        assert world.lists_titled("News") == (made,)


def test_a_list_that_appears_late_is_waited_for(sandbox: Sandbox) -> None:
    faults = (Fault("500-before", method="POST", path="/list", count=None),)
    sandbox.forget_requests()
    with fresh(sandbox, twin_titles="second", faults=faults) as (pilot, world):

        class Late(Hours):
            def sleep(self, seconds: float) -> None:
                super().sleep(seconds)
                if self.time > 1_000_004 and not world.lists_titled("News"):
                    world.add_list("News")

        pilot._outlet._pace._clock = Late()
        assert pilot.make_list("News") == world.lists_titled("News")[0]
        assert sum((each.method, each.path) == ("POST", "/list") for each in sandbox.requests) == 1


def test_a_list_that_somebody_else_made_meanwhile_is_used(sandbox: Sandbox) -> None:
    with fresh(sandbox, twin_titles="conflict") as (pilot, world):
        pilot.lists()
        other = world.add_list("News")
        assert pilot.make_list("News") == other
        assert world.lists_titled("News") == (other,)


def test_a_list_that_cannot_be_made_is_given_up(sandbox: Sandbox) -> None:
    with fresh(sandbox, faults=(Fault("500-before", method="POST", count=None),)) as (pilot, world):
        with pytest.raises(Unavailable, match="did not appear"):
            pilot.make_list("News")
        assert world.lists_titled("News") == ()


def test_an_existing_list_is_used_the_smallest_id_first_and_lists_are_read_once(sandbox: Sandbox) -> None:
    with fresh(sandbox) as (pilot, world):
        for list_id in ("contactlist_B", "contactlist_A", "contactlist_C"):
            world.add_list("Twins", list_id)
        world.add_list("twins", "contactlist_0")
        one = world.add_list("One")
        assert pilot.make_list("Twins") == "contactlist_A"
        assert pilot.make_list("One") == one
        assert pilot.requests() == 1
        assert pilot.lists()["Twins"] == ("contactlist_A", "contactlist_B", "contactlist_C")


def test_threads_that_want_one_list_make_one(sandbox: Sandbox) -> None:
    with fresh(sandbox, twin_titles="second") as (pilot, world):
        made: list[str] = []
        threads = [threading.Thread(target=lambda: made.append(pilot.make_list("News"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert world.lists_titled("News") == (made[0],)
        assert set(made) == {made[0]}
        assert len(made) == 8


# Memberships.


@pytest.mark.parametrize("not_modified", [True, False])
def test_joining_and_leaving(sandbox: Sandbox, *, not_modified: bool) -> None:
    with fresh(sandbox, not_modified=not_modified) as (pilot, world):
        list_id = world.add_list("News", "a list/with ?everything#")
        who = world.add_contact({"Email": "some.one@example.com"})
        assert not pilot.on_list(list_id, who)
        for _ in range(2):
            pilot.join(list_id, who)
            assert world.members("News") == {"some.one@example.com"}
        assert pilot.on_list(list_id, who)
        assert pilot.on_list(list_id, "some.one@example.com")
        for _ in range(2):
            pilot.leave(list_id, who)
            assert world.members("News") == set()


@pytest.mark.parametrize("unknown_list", ["text", "empty"])
def test_what_is_gone_is_told_apart_on_joining_and_is_success_on_leaving(sandbox: Sandbox, unknown_list: str) -> None:
    with fresh(sandbox, unknown_list=unknown_list) as (pilot, world):
        list_id = world.add_list("News")
        who = world.add_contact({"Email": "some.one@example.com"})
        for gone in ("contactlist_GONE", "..", ""):
            with pytest.raises(ListMissing):
                pilot.join(gone, who)
            pilot.leave(gone, who)
            assert not pilot.on_list(gone, who)
        for nobody in ("person_GONE", ".."):
            with pytest.raises(ContactMissing):
                pilot.join(list_id, nobody)
        pilot.leave(list_id, "person_GONE")
        assert not pilot.on_list(list_id, "person_GONE")


@pytest.mark.parametrize("kind", ANSWERED)
def test_memberships_survive_faults(sandbox: Sandbox, kind: FaultKind) -> None:
    with fresh(sandbox, faults=(Fault(kind, every=2, count=None),)) as (pilot, world):
        list_id = world.add_list("News")
        who = [world.add_contact({"Email": f"p{n}@example.com"}) for n in range(4)]
        for each in who:
            pilot.join(list_id, each)
        pilot.leave(list_id, who[0])
        assert world.members("News") == {f"p{n}@example.com" for n in range(1, 4)}


# The account, the key, the connections.


def test_the_account_is_what_the_key_opens(sandbox: Sandbox) -> None:
    with fresh(sandbox) as (pilot, _):
        account = pilot.account()
        assert account.instance.startswith("sandbox-")
        assert account.name


def test_a_wrong_key_a_revoked_key_and_no_key(sandbox: Sandbox) -> None:
    with opened(sandbox.url, "nonsense") as pilot, pytest.raises(Unauthorized):
        pilot.account()
    with fresh(sandbox, faults=(Fault("401-from-now", nth=2),)) as (pilot, world):
        pilot.push(items(2), None)
        for _ in range(3):
            with pytest.raises(Unauthorized):
                pilot.push(items(5), None)
        assert pilot.requests() == 2  # the one that passed, and the first that was told so
        assert len(world.snapshot().contacts) == 2


@pytest.mark.parametrize("key", ["", "two\nlines", " spaced", "ключ", "nul\0"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str) -> None:
    with pytest.raises(Unauthorized) as caught, opened("http://127.0.0.1:9/v1", key):
        pass
    assert not key.strip() or key not in str(caught.value)


def test_workers_keep_their_connections(sandbox: Sandbox) -> None:
    workers = 6
    with fresh(sandbox) as (pilot, world):
        before = len(sandbox._listener._open)

        def work(start: int) -> None:
            for batch in range(10):
                pilot.push([item(start * 1000 + batch * 10 + n) for n in range(10)], None)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 <= len(sandbox._listener._open) - before <= workers
        assert pilot.requests() == 60
        assert len(world.snapshot().contacts) == 600


@pytest.mark.parametrize("status", [200, 204])
@pytest.mark.parametrize("by", ["id", "address"])
def test_erasing_takes_a_contact_off_every_list_and_may_be_repeated(
    sandbox: Sandbox, status: Literal[200, 204], by: str
) -> None:
    with fresh(sandbox, delete_status=status) as (pilot, world):
        who = world.add_contact({"Email": "some+one@example.com"})
        world.add_contact({"Email": "other@example.com"})
        for title in ("News", "More"):
            for address in ("some+one@example.com", "other@example.com"):
                world.add_member(world.add_list(title), address)
        given = who if by == "id" else "Some+One@example.com"
        assert pilot.known(given)
        assert pilot.erase(given)
        assert not pilot.known(given)
        assert not pilot.erase(given)
        assert world.members("News") == world.members("More") == {"other@example.com"}


def test_a_list_that_is_given_by_half_is_no_answer(parrot: Parrot) -> None:
    """Whoever is missing from it would be taken for gone."""
    contacts = [{"contact_id": f"person_{n}", "Email": f"person{n}@example.com"} for n in range(3)]
    parrot.status = 200
    for total, whole in ((3, True), (2, True), (4, False), ("4", True), (None, True)):
        parrot.body = json.dumps({"contacts": contacts, "total_contacts": total}).encode()
        with opened(parrot.url, policy=Policy(retries=0)) as pilot:
            if whole:
                assert [len(page) for page in pilot.members("l")] == [3]
            else:
                with pytest.raises(Unavailable, match="the list has 4 contacts, and 3 were given"):
                    list(pilot.members("l"))


def outcome(call: Callable[[Autopilot], object], pilot: Autopilot) -> object:
    """Give what a call returns, or the error of ours that it raises; anything else goes through."""
    try:
        return call(pilot)
    except DestinationError as error:
        return error


@pytest.mark.parametrize("kind", [*ANSWERED, "401-from-now"])
def test_neither_key_nor_person_is_ever_told(
    sandbox: Sandbox, kind: FaultKind, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = new_key()
    calls: list[Callable[[Autopilot], object]] = [
        lambda pilot: pilot.on_list("some list", "person1@example.com"),
        lambda pilot: pilot.erase("person1@example.com"),
        lambda pilot: pilot.put(item(1, good=False), "some list"),
        lambda pilot: pilot.push(items(3, {1}), "some list"),
        lambda pilot: pilot.make_list("News"),
        repr,
    ]
    with fresh(sandbox, key, quote_bad=True, faults=(Fault(kind, nth=2, count=None),)) as (pilot, _):
        told = [outcome(call, pilot) for call in calls]
    everything = f"{told} {[str(each) for each in told]} {[vars(e) for e in told if isinstance(e, Exception)]}"
    everything += f"{[each.__context__ for each in told if isinstance(each, Exception)]} {caplog.text}"
    assert key not in everything
    assert "person1" not in everything
    assert "person 1" not in everything


# Answers of any shape.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KNOWN = ["email_contact_map", "contact_ids", "contact_id", "lists", "list_id", "title", "message", "error", "fullName"]
PARTS = st.dictionaries(st.sampled_from([*KNOWN, "person1@example.com", "News"]), JSON, max_size=4)
ANSWERS = JSON | PARTS | st.fixed_dictionaries({"lists": st.lists(PARTS)}) | st.fixed_dictionaries({KNOWN[0]: PARTS})


class Parrot:
    """A server that gives one answer to everything, but to `GET /lists` if `lists` says what."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b""
        self.lists: bytes | None = None
        parrot = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                lists = parrot.lists if self.path == "/v1/lists" else None
                status, body = (parrot.status, parrot.body) if lists is None else (200, lists)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_DELETE = do_GET  # noqa: N815  # the names that the base class looks for

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()


@pytest.fixture(scope="module")
def parrot() -> Iterator[Parrot]:
    it = Parrot()
    yield it
    it.server.shutdown()
    it.thread.join()
    it.server.server_close()


@settings(max_examples=120)
@given(answer=ANSWERS, status=st.sampled_from([200, 200, 200, 201, 400, 404, 409, 413, 422, 301, 401]))
@example(answer={"email_contact_map": {"person1@example.com": ".."}}, status=200)
@example(answer={"lists": [{"list_id": "\ud800", "title": "News"}, None, {"title": "News"}]}, status=200)
@example(answer={"message": "No autopilotapikey header provided."}, status=400)
def test_an_answer_of_any_shape_ends_in_an_outcome_or_an_error_of_ours(
    parrot: Parrot, answer: object, status: int
) -> None:
    parrot.status, parrot.body = status, json.dumps(answer).encode()
    people = items(3)
    calls: list[Callable[[Autopilot], object]] = [
        Autopilot.account,
        Autopilot.lists,
        lambda pilot: pilot.make_list("News"),
        lambda pilot: pilot.push(people, "l"),
        lambda pilot: pilot.put(people[0], "l"),
        lambda pilot: pilot.join("l", "c"),
        lambda pilot: pilot.leave("l", "c"),
        lambda pilot: pilot.on_list("l", "c"),
        lambda pilot: list(pilot.members("l")),
        lambda pilot: pilot.known("c"),
        lambda pilot: pilot.erase("c"),
    ]
    with opened(parrot.url, policy=Policy(retries=0, give_up=99)) as pilot:
        ends = [outcome(call, pilot) for call in calls]
    assert all(str(end).isprintable() for end in ends if isinstance(end, DestinationError))
    for end in ends:
        if isinstance(end, Pushed):
            assert end.accepted.keys().isdisjoint(end.rejected)
            assert all(isinstance(each, str) and each for each in end.accepted.values())


def test_the_words_of_a_missing_key_mean_unauthorized(parrot: Parrot) -> None:
    parrot.status, parrot.body = 400, b'{"error": "Bad Request", "message": "No autopilotapikey header provided."}'
    with opened(parrot.url) as pilot:
        with pytest.raises(Unauthorized):
            pilot.push(items(50), None)
        assert pilot.requests() == 1


@pytest.fixture
def one_list(parrot: Parrot) -> Iterator[Parrot]:
    parrot.lists = b'{"lists": [{"list_id": "l", "title": "One"}]}'
    yield parrot
    parrot.lists = None


@pytest.mark.parametrize(("list_id", "missing"), [("l", ContactMissing), ("gone", ListMissing)])
def test_a_404_without_words_is_told_apart_by_the_lists(
    one_list: Parrot, list_id: str, missing: type[NotFound]
) -> None:
    one_list.status, one_list.body = 404, b""
    with opened(one_list.url) as pilot, pytest.raises(missing):
        pilot.join(list_id, "c")


@pytest.mark.parametrize("list_id", ["l", None])
def test_an_unknown_route_is_not_taken_for_a_list_that_is_gone(one_list: Parrot, list_id: str | None) -> None:
    one_list.status, one_list.body = 404, b'{"code": "ResourceNotFound", "message": "/x does not exist"}'
    with opened(one_list.url) as pilot:
        with pytest.raises(NotFound) as caught:
            pilot.push(items(20), list_id)
        assert type(caught.value) is NotFound


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_list_that_is_gone_is_known_by_the_words_whatever_the_status(one_list: Parrot, status: int) -> None:
    one_list.status, one_list.body = status, b'{"message": "List does not exist."}'
    with opened(one_list.url) as pilot:
        with pytest.raises(ListMissing):
            pilot.push(items(20), "gone")
        with pytest.raises(ListMissing):
            pilot.put(item(1), "gone")
        assert pilot.requests() == 2


def test_a_list_that_is_refused_for_its_title_is_asked_for_once(one_list: Parrot) -> None:
    one_list.status, one_list.body = 400, b'{"message": "name is too long"}'
    with opened(one_list.url) as pilot:
        with pytest.raises(Refused, match="name is too long"):
            pilot.make_list("News")
        assert pilot.requests() == 2


def test_a_title_that_is_refused_and_nowhere_is_told(one_list: Parrot) -> None:
    one_list.status, one_list.body = 409, b'{"message": "A list with this name exists."}'
    with opened(one_list.url) as pilot:
        with pytest.raises(Refused, match="409 A list with"):
            pilot.make_list("News")
        assert pilot.make_list("One") == "l"


def test_a_bulk_answer_without_a_map_takes_nobody(parrot: Parrot) -> None:
    parrot.status, parrot.body = 200, b'{"contact_ids": ["person_1", "person_2"]}'
    with opened(parrot.url) as pilot:
        assert pilot.push(items(2), None).rejected == {each.key: "left out of the answer" for each in items(2)}


def test_an_answer_without_lists_is_not_taken_for_no_lists(parrot: Parrot) -> None:
    parrot.status, parrot.body = 200, b'{"message": "please wait"}'
    with opened(parrot.url) as pilot:
        with pytest.raises(Unavailable, match="has no lists"):
            pilot.make_list("News")
        assert pilot.requests() == 1


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"{}"), (200, b'{"not_modified": true}'), (204, b""), (404, b""), (404, b'{"code": 1}')]
)
def test_leaving_is_done_whatever_way_it_is_said(parrot: Parrot, status: int, body: bytes) -> None:
    parrot.status, parrot.body = status, body
    with opened(parrot.url) as pilot:
        pilot.leave("l", "c")
        assert pilot.requests() == 1


def test_an_address_is_never_taken_for_an_id() -> None:
    odd = "somebody@example.com"
    assert wire.taken({"email_contact_map": {odd: odd, "other@example.com": "person_1"}}) == {
        "other@example.com": "person_1"
    }
    page = wire.members({"contacts": [{"contact_id": odd, "Email": odd}]})
    assert page is not None
    assert page.people == [("", odd)]
    assert wire.titles({"lists": [{"list_id": odd, "title": "all"}]}) == {}
    assert wire.identifier({"contact_id": "person\x1b[31m"}, "contact_id") == ""
