"""One changed byte is one too many, a file that is no plan is one line, and every process seals the same."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.allow import Allowance
from reconciler.core.canonical import declared
from reconciler.core.diagnostics import Marks
from reconciler.core.digest import Digests
from reconciler.core.errors import PlanRefused
from reconciler.core.model import Connection, Consent, Declarations, EnvSecret, FileSecret, Project
from reconciler.core.review import Here, admit
from reconciler.core.seal import (
    EDITED,
    NEWER,
    NO_KEY,
    NO_PLAN,
    OTHER_KEY,
    Reviewed,
    Sealed,
    recognised,
    sealed,
    unsealed,
)

if TYPE_CHECKING:
    from pathlib import Path

DIGESTS = Digests(bytes(range(32)))
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
PLAN = Sealed(
    created=NOON,
    project="shop",
    lineage="0f0e7a52-0000-4000-8000-000000000000",
    serial=3,
    commit="a" * 40,
    declarations="b" * 64,
    exports=("news",),
    trigger="demand",
    refresh=False,
    allowances=(Allowance("news", "removals", "two shops closed", 12),),
    checksum="c" * 64,
    reviewed=(Reviewed("news", "account", "update", {"new": 5, "changed": 0, "leaving": 12, "added to all": 5}),),
    connections={"account": (100, 7)},
)
FILE = sealed(PLAN, DIGESTS)
HERE = Here(NOON, "shop", PLAN.lineage, 3, "b" * 64)
DAY = dt.timedelta(days=1)
REFUSALS = {EDITED, NEWER, NO_PLAN, OTHER_KEY}


def refusal(file: bytes, digests: Digests | None = DIGESTS) -> str:
    with pytest.raises(PlanRefused) as refused:
        unsealed(file, digests)
    return str(refused.value)


def test_what_was_sealed_is_what_is_unsealed() -> None:
    assert unsealed(FILE, DIGESTS) == PLAN
    nothing = replace(PLAN, lineage=None, serial=0, commit=None, exports=(), allowances=(), reviewed=(), connections={})
    assert unsealed(sealed(nothing, DIGESTS), DIGESTS) == nothing


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_one_changed_byte_is_refused(place: int, change: int) -> None:
    changed = bytearray(FILE)
    changed[place] ^= change
    assert refusal(bytes(changed)) in REFUSALS


@given(st.integers(0, len(FILE) - 1), st.integers(0, 40), st.binary(max_size=8))
def test_what_is_cut_out_put_in_or_cut_short_is_refused(place: int, length: int, other: bytes) -> None:
    changed = FILE[:place] + other + FILE[place + length :]
    if changed != FILE:
        assert refusal(changed) in REFUSALS
    assert refusal(FILE[:place]) in REFUSALS


def test_the_same_json_in_another_layout_is_edited() -> None:
    assert refusal(json.dumps(json.loads(FILE)).encode()) == EDITED
    assert refusal(FILE.replace(b"\n", b"\r\n")) == EDITED
    assert refusal(FILE.decode().encode("utf-16")) == EDITED


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(json.loads(FILE))), VALUES)
def test_another_value_is_one_line_also_where_the_seal_is_ours(name: str, value: object) -> None:
    told = json.loads(FILE)
    if value == told[name] and type(value) is type(told[name]):
        return
    assert refusal(json.dumps(told | {name: value}).encode()) in REFUSALS


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode())
    | VALUES.map(json.dumps).map(str.encode)
)
def test_what_is_not_a_saved_plan_is_told_so(file: bytes) -> None:
    assert refusal(file) == NO_PLAN
    assert not recognised(file)


@pytest.mark.parametrize(
    "file",
    [b"[" * 100_000, b'{"a":' * 100_000, b"1" * 10_000, b'{"kind": "reconciler plan", "format": true}', b"",
     b'{"kind": "reconciler plan", "format": "1"}', b'{"kind": "reconciler plan"}', b"\xff\xfe\x00", b" " * 17_000_000],
)  # fmt: skip
def test_what_would_exhaust_a_reader_is_told_so_too(file: bytes) -> None:
    assert refusal(file) == NO_PLAN


def test_a_plan_that_is_as_deep_as_a_reader_may_go_is_edited() -> None:
    for depth in (100, 500, 900, 990):
        file = b'{"kind": "reconciler plan", "format": 1, "deep": ' + b"[" * depth + b"]" * depth + b"}"
        assert refusal(file) in {EDITED, OTHER_KEY, NO_PLAN}


def test_a_newer_format_says_so_before_its_seal_is_looked_at() -> None:
    assert refusal(FILE.replace(b'"format": 1', b'"format": 2')) == NEWER


def test_without_a_key_or_under_another_it_is_not_believed() -> None:
    assert refusal(FILE, None) == NO_KEY
    assert refusal(FILE, Digests(bytes(32))) == OTHER_KEY
    assert refusal(FILE, Digests(bytes(31) + b"\x01")) == OTHER_KEY


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=100))
def test_a_seal_is_neither_an_address_nor_a_content(key: bytes, document: bytes) -> None:
    digests = Digests(key)
    assert digests.seal(document)[:16] != digests.content(document)
    assert len(digests.seal(document)) == 32


SEAL = """
import datetime as dt, sys
from reconciler.core.digest import Digests
from reconciler.core.seal import sealed, unsealed
digests = Digests(bytes(range(32)))
file = sys.stdin.buffer.read()
assert sealed(unsealed(file, digests), digests) == file
"""


@pytest.mark.parametrize("seed", ["0", "1", "31337"])
def test_every_process_seals_the_same(seed: str, repository: Path) -> None:
    environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(repository)}
    subprocess.run([sys.executable, "-c", SEAL], env=environ, input=FILE, check=True)


def refused(plan: Sealed = PLAN, here: Here = HERE, max_age: dt.timedelta = DAY) -> str:
    with pytest.raises(PlanRefused) as caught:
        admit(plan, here, max_age)
    return str(caught.value)


def test_what_is_as_it_was_is_admitted() -> None:
    admit(PLAN, HERE, DAY)
    admit(replace(PLAN, lineage=None, serial=0), replace(HERE, serial=0), DAY)  # the state was made, and never used
    admit(replace(PLAN, lineage=None, serial=0), replace(HERE, lineage=None, serial=0), DAY)


@given(st.integers(-400, 3000))
def test_an_age_is_judged_to_the_second_and_clocks_may_differ_by_five_minutes(minutes: int) -> None:
    here = replace(HERE, now=NOON + dt.timedelta(minutes=minutes))
    if -5 <= minutes <= 24 * 60:
        admit(PLAN, here, DAY)
    else:
        assert ("old" if minutes > 0 else "clock") in refused(here=here)
    assert "old" in refused(here=replace(HERE, now=NOON + DAY + dt.timedelta(seconds=1)))
    assert "clock" in refused(here=replace(HERE, now=NOON - dt.timedelta(minutes=5, seconds=1)))


def test_every_difference_has_its_own_sentence() -> None:
    said = [
        refused(here=replace(HERE, project="other")),
        refused(here=replace(HERE, lineage="other")),
        refused(here=replace(HERE, lineage=None, serial=0)),
        refused(here=replace(HERE, used_by="20260301T120000Z-abc")),
        refused(here=replace(HERE, declarations="d" * 64)),
        refused(here=replace(HERE, serial=4)),
        refused(here=replace(HERE, serial=2)),
        refused(replace(PLAN, lineage=None, serial=0)),
    ]
    words = ["project", "another state", "another state", "by run 20260301T120000Z-abc", "declarations"]
    assert all(word in sentence for word, sentence in zip(words, said, strict=False))
    assert ["moved on" in sentence for sentence in said[5:]] == [True, False, True]
    assert "restored" in said[6]
    assert len(set(said)) == 6
    assert all("\n" not in sentence for sentence in said)


ACCOUNT = Connection(
    "a", "A", EnvSecret("KEY"), "https://api.example.com", 100, 20, Consent(accepted=True, on=NOON.date())
)


def test_declarations_are_the_same_by_what_they_say() -> None:
    moved = replace(ACCOUNT, marks=Marks("exports/a.yaml", {(): (9, 9)}))
    other = replace(ACCOUNT, name="b")
    one = Declarations(connections={"a": ACCOUNT, "b": other})
    assert declared(one) == declared(Declarations(connections={"b": other, "a": moved}))
    for changed in (
        replace(ACCOUNT, rate=21),
        replace(ACCOUNT, api_key=FileSecret("KEY")),
        replace(ACCOUNT, consent=Consent(accepted=False)),
        replace(ACCOUNT, usable_by=("contributors",)),
    ):
        assert declared(Declarations(connections={"a": changed, "b": other})) != declared(one)
    assert declared(Declarations(project=Project(state_url="x"))) != declared(Declarations())
