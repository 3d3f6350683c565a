"""Nobody is named, and no key is told, in anything that any command prints or leaves on the machine."""

from __future__ import annotations

import base64
import codecs
import hashlib
import html
import json
import os
import signal
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest
from support.gossip import SAYINGS
from support.hostile import SIZE, person, personal
from support.leaks import Searcher, files
from support.project import export
from support.story import DEFECTS, KEY, MATCH, WRONG_KEY, Story

from reconciler.redaction import redact
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STRANGER = "Stranger001.Green@mail001.example.net"
SHOWN = 8
"""Findings that a failure tells; the first says enough."""

CODES = {
    "validate": 0,
    "a key in the declarations as JSON": 1,
    "plan": 0,
    "plan as JSON": 0,
    "connect": 0,
    "apply with rejects and faults": 4,
    "status": 0,
    "status as JSON": 0,
    "history": 0,
    "history as JSON": 0,
    "show": 0,
    "show as JSON": 0,
    "plan with drift": 0,
    "plan with drift as Markdown": 0,
    "save a plan": 0,
    "apply a saved plan": 4,
    "apply it again": 1,
    "apply with drift": 4,
    "import": 0,
    "killed": -signal.SIGKILL,
    "crashed": -signal.SIGSEGV,
    "ended": 143,
    "revoked": 4,
    "wrong key": 4,
    "consent": 0,
    "schema": 0,
    "state check": 0,
    "state pull": 0,
    "state pull into a file": 0,
    "forget": 0,
    "forget as JSON": 0,
    "forget what is no address": 1,
    "a source cut short": 3,
    "a predicate that fails": 3,
    "a suppression that is none": 1,
    "a key in the declarations": 1,
    "a state that is damaged": 1,
    "history at last": 0,
    **{f"a defect {where}": 1 for where in DEFECTS},
    "a defect on a thread that decodes": 3,
    "a defect in what is let go": 0,
}
"""What each command of the story leaves with: that it came as far as it should."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with Sandbox(key=KEY, switches=Switches(rate=0)) as server:
        told = Story(tmp_path_factory.mktemp("leaks"), server)
        begin(told)
        drift(told)
        cut_off(told)
        keep_house(told)
        break_down(told)
        told.run("history at last", "history", "--output", "json")
        yield told


@pytest.fixture(scope="module")
def searcher(story: Story) -> Searcher:
    strangers = {"the stranger's address": STRANGER, "a part of it": STRANGER.partition("@")[0]}
    return Searcher({**personal(story.rows), **strangers}, {"the key": KEY, "the wrong key": WRONG_KEY})


def begin(story: Story) -> None:
    """Plan, and send everybody to a server that refuses some and fails often."""
    story.behave()
    story.declare()
    story.people(range(SIZE))
    story.look(
        {
            "validate": "validate",
            "plan": "plan --verbose",
            "plan as JSON": "plan --output json",
            "connect": "connect account",
        }
    )
    kinds = ("500-after", "reset-after", "html-after", "429", "cut-after", "408-after")
    story.behave(*(Fault(kind, count=None, probability=0.04, seed=at) for at, kind in enumerate(kinds)))  # type: ignore[arg-type]  # each is one
    story.run("apply with rejects and faults", "apply", "--yes", swiftly=True)
    story.behave()
    run = story.newest()
    story.look(
        {
            "show": f"show {run}",
            "show as JSON": f"show {run} --output json",
            "status": "status",
            "status as JSON": "status --output json",
            "history": "history",
        }
    )


def drift(story: Story) -> None:
    """Let people come, go and change at both ends; look, save a plan, and adopt a list."""
    story.people(range(SIZE // 2), "b")
    (everybody,) = story.world.lists_titled("everybody")
    stranger = story.world.add_contact({"Email": STRANGER, "FirstName": "Stranger001"})
    story.world.add_member(everybody, stranger)
    members = sorted(story.world.members_of(everybody) - {STRANGER.lower()})
    story.world.remove_member(everybody, members[0])
    story.world.remove_contact(members[1])
    by_hand = story.world.add_list("By hand")
    for who in (stranger, members[2]):
        story.world.add_member(by_hand, who)
    story.look(
        {
            "plan with drift": "plan --refresh --verbose",
            "plan with drift as Markdown": "plan --refresh --output markdown",
        }
    )
    story.run("save a plan", "plan", "--out", "saved.plan")
    story.run("apply a saved plan", "apply", "saved.plan", "--yes", swiftly=True)
    story.run("apply it again", "apply", "saved.plan", "--yes")
    story.run("apply with drift", "apply", "--refresh", "--yes", swiftly=True)
    story.declare(export("found", ["former"], {"Email": "email"}, source="archive", allowEmpty=True))
    story.run("import", "import", "found", "former", "--list", "By hand", "--yes")


def cut_off(story: Story) -> None:
    """Kill, crash and end runs while they send; take the key away from others."""
    story.behave(latency=0.15)
    for version, (label, number) in enumerate(
        {"killed": signal.SIGKILL, "crashed": signal.SIGSEGV, "ended": signal.SIGTERM}.items()
    ):
        story.people(range(SIZE), f"c{version}")
        story.midway(label, number)
    story.people(range(SIZE), "d")
    story.behave(Fault("401-from-now", nth=9))
    story.run("revoked", "apply", "--yes", swiftly=True)
    story.behave()
    story.ended("wrong key", story.start("apply", "--yes", key=WRONG_KEY))


def keep_house(story: Story) -> None:
    """Do what is done now and then, and erase people."""
    story.run("consent", "consent", "account", "--by", "privacy@contoso.com", "--fields", ",".join(MATCH))
    story.look(
        {
            "schema": "schema",
            "state check": "state check",
            "state pull": "state pull",
            "state pull into a file": "state pull pulled",
        }
    )
    story.run("forget", "forget", "-", "--yes", said=person(SIZE - 3)[1].encode())
    story.run("forget as JSON", "forget", "-", "--yes", "--output", "json", said=person(SIZE - 6)[1].encode())
    story.run("forget what is no address", "forget", "-", "--yes", said=b"Person001 at mail001.example.com")


def break_down(story: Story) -> None:
    """Break the inputs, the program and at last the state."""
    story.people(range(SIZE), "e")
    defects = {f"a defect {where}": program for where, program in DEFECTS.items()}
    sending = ("a defect while it sends", "a defect with the key at hand")
    story.look({label: "plan" for label in defects if label not in sending}, defects)
    for label in sending:
        story.run(label, "apply", "--yes", defect=defects[label])
    damaged(story, "a suppression that is none", story.inputs[2], "Person002 at mail002.example.com\n")
    people = story.inputs[0].read_text(encoding="utf-8")
    damaged(story, "a source cut short", story.inputs[0], people[: len(people) // 2] + '"')
    declared = story.root / "exports" / "all.yaml"
    text = declared.read_text()
    cast = text.replace("company <> ''", "CAST(first AS INTEGER) > 0")
    assert cast != text
    damaged(story, "a predicate that fails", declared, cast)
    literal = "\n---\n".join([text, json.dumps({"kind": "Connection", "spec": {"apiKey": KEY, "account": KEY}})])
    damaged(story, "a key in the declarations", declared, literal, "validate")
    damaged(story, "a key in the declarations as JSON", declared, literal, "validate", "--output", "json")
    ledger = story.root / ".reconciler" / "state.sqlite"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    story.run("a state that is damaged", "plan")
    ledger.write_bytes(whole)


def damaged(story: Story, label: str, path: Path, content: str, *words: str) -> None:
    """Run a command while a file is not what it should be."""
    whole = path.read_bytes()
    path.write_text(content, encoding="utf-8", newline="")
    story.run(label, *(words or ("plan",)))
    path.write_bytes(whole)


def test_every_command_comes_as_far_as_it_should(story: Story) -> None:
    codes = {label: printed.code for label, printed in story.printed.items()}
    other = {label: story.printed[label].text[-400:] for label in codes if codes[label] != CODES.get(label)}
    assert not other
    assert codes.keys() == CODES.keys()
    assert json.loads(story.printed["show as JSON"].out)["rejects"]
    statuses = {run["status"] for run in json.loads(story.printed["history at last"].out)["runs"]}
    assert statuses >= {"Interrupted", "Canceled", "Failed"}


def test_nothing_that_is_printed_names_anybody_or_the_key(story: Story, searcher: Searcher) -> None:
    found = {label: searcher.search(printed.out + b"\n" + printed.err) for label, printed in story.printed.items()}
    assert not {label: traces[:SHOWN] for label, traces in found.items() if traces}


def test_nothing_that_is_written_names_anybody_or_the_key(story: Story, searcher: Searcher) -> None:
    left = dict(files(story.tree, without=story.inputs))
    assert "project/.reconciler/state.sqlite" in left
    assert "project/pulled" in left or "work/pulled" in left
    assert "work/saved.plan" in left
    found = {name: searcher.search(content) for name, content in left.items()}
    assert not {name: traces[:SHOWN] for name, traces in found.items() if traces}


def test_what_a_killed_process_leaves_holds_no_data(story: Story) -> None:
    assert not [name for name, _ in files(story.tree / "home")]
    temporary = [path for path in (story.tree / "tmp").rglob("*") if path.is_file()]
    assert not temporary


def test_the_process_list_holds_no_key_and_no_core_may_be_dumped(story: Story, searcher: Searcher) -> None:
    assert len(story.command_lines) > len(story.core_limits) == 3
    assert not [trace for line in story.command_lines for trace in searcher.search(line)]
    assert {tuple(line.split()[-3:-1]) for line in story.core_limits} == {("0", "0")}


def test_a_defect_is_told_by_its_kind_and_place_alone(story: Story) -> None:
    for where in DEFECTS:
        printed = story.printed[f"a defect {where}"]
        assert "Traceback" not in printed.text, where
        assert "this is a defect of reconciler" in printed.text, where


def test_revealing_is_the_one_way_to_name_people_and_writes_nothing(story: Story, searcher: Searcher) -> None:
    run = next(run["id"] for run in json.loads(story.printed["history as JSON"].out)["runs"] if run["requests"])
    before = dict(files(story.tree))
    printed = story.run("reveal", "show", run, "--reveal")
    del story.printed["reveal"]
    assert dict(files(story.tree)) == before
    named = {row[1].strip().lower() for row in map(person, range(len(SAYINGS)))}
    shown = printed.out.decode().split()
    assert named & set(shown)
    assert b"\x1b" not in printed.out
    assert not searcher.search(printed.err)


@pytest.mark.parametrize("number", range(len(SAYINGS)))
def test_what_a_server_repeats_of_a_request_is_taken_out(number: int) -> None:
    _, email, first, last, phone, company, tier, *_ = row = person(number)
    contact = {"Email": email, "FirstName": first, "LastName": last, "Phone": phone, "Company": company}
    sent = json.dumps({"contacts": [contact | {"custom": {"string--Tier": tier}}]}).encode()
    told = redact(SAYINGS[number](contact, KEY), secrets=(KEY,), sent=sent)
    assert not Searcher(personal([row]), {"the key": KEY}).search(told.encode())
    for plain in ("List does not exist.", "Email is not a valid address.", "The body must be a JSON object."):
        assert redact(plain, secrets=(KEY,), sent=sent) == plain


@pytest.mark.parametrize(
    "told", ["someone-else is on no list", "nobody like SOMEONE-ELSE@EXAMPLE.COM", "someone-e... is too long"]
)
def test_an_address_that_was_asked_for_is_taken_out(told: str) -> None:
    shown = redact(told, secrets=(), sent=None, ids=("contactlist_1", "someone-else@example.com"))
    assert "someone" not in shown.lower() or "else" not in shown.lower()


ADDRESS = "Persön001.Blue+tag@example.com"
WRITTEN = {
    "as it is": ADDRESS.encode(),
    "in lower case": ADDRESS.lower().encode(),
    "in upper case": ADDRESS.upper().encode(),
    "decomposed": unicodedata.normalize("NFD", ADDRESS).encode(),
    "in a Windows file": ADDRESS.encode("cp1252"),
    "in UTF-16": ADDRESS.encode("utf-16"),
    "in big-endian UTF-16": ADDRESS.encode("utf-16-be"),
    "in a URL": quote(ADDRESS, safe="").encode(),
    "in a form": urlencode({"email": ADDRESS}).encode(),
    "in JSON": json.dumps({"contact": {"Email": ADDRESS}}).encode(),
    "in HTML": html.escape(f"<{ADDRESS}>").encode(),
    "in a message of Python": repr(ValueError(ADDRESS)).encode("ascii", "backslashreplace"),
    "in hexadecimal": codecs.encode(ADDRESS.encode(), "hex"),
    **{
        f"in base64 after {count} bytes": base64.b64encode(b"Basic "[:count] + ADDRESS.encode() + b" etc.")
        for count in range(6)
    },
    "in base64 for URLs": base64.urlsafe_b64encode(b"x" + ADDRESS.encode()),
    "as a digest without a key": hashlib.sha256(ADDRESS.lower().encode()).hexdigest().encode(),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_the_search_finds_what_is_there(tmp_path: Path, how: str) -> None:
    searcher = Searcher({"it": ADDRESS}, {})
    (tmp_path / "planted").write_bytes(b"\0some bytes " * 999 + WRITTEN[how] + b"\0and more\n")
    ((_, content),) = files(tmp_path)
    assert searcher.search(content)
    assert not searcher.search(content.replace(WRITTEN[how], b""))


@pytest.mark.parametrize("shown", [KEY, KEY.upper(), KEY[3:15], f"x{KEY[20:]}", KEY.encode().hex()])
def test_the_search_finds_keys_and_their_parts(shown: str) -> None:
    searcher = Searcher({}, {"the key": KEY})
    assert searcher.search(f"the key is {shown}".encode())
    assert not searcher.search(f"the key is {KEY[:11]} or {KEY[21:]}".encode())


def test_the_search_looks_at_names_of_files_too(tmp_path: Path) -> None:
    (tmp_path / f"{ADDRESS}.csv").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert [bool(Searcher({"it": ADDRESS}, {}).search(content)) for _, content in files(tmp_path)] == [True, False]
