"""The published schemas and the models are one truth: they accept and refuse the same documents."""

from __future__ import annotations

import copy
import json
import pathlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.core.autopilot_fields import STANDARD_FIELDS
from reconciler.manifest import schema
from reconciler.manifest.shapes.checking import check
from reconciler.manifest.shapes.kinds import KINDS
from reconciler.manifest.shapes.published import json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[1]
VALIDATORS = {kind: Draft202012Validator(json_schema(kind)) for kind in KINDS}
EXTREMES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        5.0,
        5.5,
        100_000,
        100_001,
        1e30,
        "",
        " ",
        "5",
        "yes",
        "x",
        "a\n",
        "A",
        "-a",
        "a" * 64,
    ),
    *(
        "20%",
        "101%",
        "100%",
        "6:00",
        "06:00",
        "24:00",
        "2026-11-02",
        "2026-13-01",
        "https://x",
        "http://x y",
        "ftp://x",
    ),
    *("0123456789abcdef0123456789abcdef", "decimal(5,2)", "decimal(39,1)", "\u00e9", "a--b", [], ["a"], {}, {"a": 1}),
]

name = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\Z")
column = st.sampled_from(["EmailAddress", "tier", "Straße", "a b"])
field = st.one_of(st.sampled_from(STANDARD_FIELDS), st.sampled_from(["Loyalty Tier", "Größe", "x"]))
bound = st.one_of(st.integers(0, 100_000), st.integers(0, 100).map(lambda n: f"{n}%"), st.just(3.0))
safety = st.fixed_dictionaries({}, optional={"maxRemovals": bound, "maxUpdates": bound})
zone = {"timezone": st.sampled_from(["UTC", "Europe/Madrid"])}
at = st.lists(st.sampled_from(["06:00", "23:59"]), min_size=1, max_size=4)
key = st.one_of(
    st.fixed_dictionaries({"env": st.sampled_from(["AUTOPILOT_API_KEY", "_x"])}),
    st.fixed_dictionaries({"file": st.just("secrets/key")}),
    st.fixed_dictionaries({"keyVault": st.just({"vault": "https://contoso.vault.azure.net", "secret": "key-1"})}),
)
consent = st.fixed_dictionaries(
    {"accepted": st.booleans()},
    optional={"by": st.just("privacy@contoso.com"), "on": st.just("2026-11-02"), "fields": st.lists(field, max_size=3)},
)
limits = st.fixed_dictionaries(
    {}, optional={"profiles": st.integers(1, 100_000), "requestsPerSecond": st.sampled_from([20, 0.5, 1000])}
)
table = {"path": st.just("data/*.csv"), "id": column}
options = {
    "encoding": st.just("latin-1"),
    "header": st.booleans(),
    "columns": st.lists(column, min_size=1, max_size=3),
    "delimiter": st.sampled_from([";", "\t"]),
}
kind_of = st.sampled_from(["text", "integer", "decimal(12,2)", "date"])
mapped = st.one_of(
    column,
    st.fixed_dictionaries(
        {"column": column},
        optional={
            "type": st.sampled_from(["string", "integer", "float", "boolean", "date"]),
            "format": st.sampled_from(["%Y", ["%Y", "%m"]]),
            "nulls": st.sampled_from(["skip", "clear"]),
        },
    ),
)
SPECS: dict[str, st.SearchStrategy[Any]] = {
    "Connection": st.fixed_dictionaries(
        {"type": st.just("autopilot"), "apiKey": key},
        optional={
            "displayName": st.just("Autopilot, newsletter account"),
            "baseUrl": st.sampled_from(["https://api2.autopilothq.com/v1", "http://127.0.0.1:8787/v1"]),
            "usableBy": st.lists(st.sampled_from(["administrators", "contributors"])),
            "limits": limits,
            "consent": consent,
            "precedence": st.lists(name, max_size=2),
        },
    ),
    "Source": st.fixed_dictionaries(
        {
            "type": st.just("files"),
            "profiles": st.fixed_dictionaries(table, optional={**options, "types": st.dictionaries(column, kind_of)}),
        },
        optional={"memberships": st.fixed_dictionaries({**table, "segment": column}, optional=options)},
    ),
    "Segment": st.one_of(
        st.fixed_dictionaries({"source": name, "where": st.just("HomeOwner = 'Y'")}),
        st.fixed_dictionaries({"source": name, "member": st.just("Male_under_40")}),
    ),
    "Export": st.fixed_dictionaries(
        {
            "source": name,
            "match": st.dictionaries(field, mapped, max_size=3),
            "segments": st.lists(
                st.one_of(name, st.fixed_dictionaries({"name": name}, optional={"list": st.just("Large families")})),
                min_size=1,
                max_size=3,
            ),
        },
        optional={
            "connection": name,
            "consent": st.fixed_dictionaries({"column": column, "equals": st.sampled_from(["true", True, 1, 1.0])}),
            "triggers": st.lists(st.sampled_from(["merge", "schedule"])),
            "schedule": st.one_of(
                st.fixed_dictionaries({"every": st.just("day"), "at": at}, optional=zone),
                st.fixed_dictionaries({"every": st.just("week"), "at": at, "on": st.just(["monday"])}, optional=zone),
                st.fixed_dictionaries({"cron": st.just("0 6 * * *")}, optional=zone),
            ),
            "onLeave": st.sampled_from(["remove", "keep"]),
            "onRetire": st.sampled_from(["empty", "keep"]),
            "safety": safety,
            "allowEmpty": st.booleans(),
            "protected": st.booleans(),
            "nulls": st.sampled_from(["skip", "clear"]),
            "suspended": st.booleans(),
        },
    ),
    "Project": st.fixed_dictionaries(
        {},
        optional={
            "state": st.just({"url": ".reconciler"}),
            "roles": st.fixed_dictionaries({}, optional={"administrators": st.just(["privacy-team"])}),
            "safety": safety,
            "suppressions": st.just("suppressions.txt"),
            "dataRoots": st.just(["/srv/data"]),
        },
    ),
}


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    extra = {"previousName": name, "description": st.just("free text")}
    metadata = draw(st.fixed_dictionaries({"name": name}, optional=extra))
    return kind, {
        "apiVersion": "reconciler/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": draw(SPECS[kind]),
    }


def spots(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, child in inner:
        yield from spots(child, (*path, part))


@st.composite
def mutants(draw: st.DrawFn) -> tuple[str, Any]:
    """A valid document with one to three wounds: a key removed, added or misspelt, a value that is another."""
    kind, document = draw(documents())
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        found = [path for path in spots(document) if path]
        if not found:
            break
        path = draw(st.sampled_from(found))
        parent: Any = document
        for part in path[:-1]:
            parent = parent[part]
        match draw(st.sampled_from(["remove", "replace", "add", "misspell", "grow"])):
            case "remove":
                del parent[path[-1]]
            case "replace":
                parent[path[-1]] = copy.deepcopy(draw(st.sampled_from(EXTREMES)))
            case "add" if isinstance(parent, dict):
                added = draw(st.sampled_from(["extra", "where", "member", "on", "cron", "env", "", "a--b", "A\n"]))
                parent[added] = copy.deepcopy(draw(st.sampled_from(EXTREMES)))
            case "misspell" if isinstance(parent, dict) and isinstance(path[-1], str):
                parent[path[-1] + "x"] = parent.pop(path[-1])
            case "grow" if isinstance(parent, list):
                parent.extend(copy.deepcopy(parent) * 2)
            case _:
                pass
    return kind, document


def model_accepts(kind: str, document: object) -> bool:
    return not isinstance(check(kind, document), tuple)


@settings(max_examples=150, deadline=None)
@given(documents())
def test_both_accept_what_is_right(case: tuple[str, dict[str, Any]]) -> None:
    kind, document = case
    assert check(kind, document) == KINDS[kind].model_validate(document)
    assert [error.message for error in VALIDATORS[kind].iter_errors(document)] == []


@settings(max_examples=600, deadline=None)
@given(mutants())
def test_schema_and_model_agree_on_wounded_documents(case: tuple[str, Any]) -> None:
    kind, document = case
    assert VALIDATORS[kind].is_valid(document) == model_accepts(kind, document)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("value", [*EXTREMES, 10**30, "Zürich"])
def test_they_agree_on_anything_in_the_place_of_each_part(kind: str, value: Any) -> None:
    example = {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": "a"}}
    for document in (value, {**example, "spec": value}, {**example, "metadata": value, "spec": {}}):
        assert VALIDATORS[kind].is_valid(document) == model_accepts(kind, document)


def nodes(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in inner:
        yield from nodes(child)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_key_is_described_and_its_examples_are_right(kind: str) -> None:
    whole = json_schema(kind)
    Draft202012Validator.check_schema(whole)
    for node in nodes(whole):
        for key_name, inner in node.get("properties", {}).items():
            shared = whole["$defs"].get(inner.get("$ref", "").rsplit("/", 1)[-1], {})
            assert inner.get("description") or shared.get("description"), key_name
            judge = Draft202012Validator({**inner, "$defs": whole["$defs"]})
            assert inner["examples"], key_name
            assert all(judge.is_valid(example) for example in inner["examples"]), key_name


def test_bounds_are_written_in_words_that_a_schema_has() -> None:
    text = "".join(schema.schemas().values())
    assert '"maximum": 100000' in text
    for word in ("ge", "le", "gt", "lt", "multiple_of", "max_length", "min_length"):
        assert f'"{word}":' not in text


def test_the_published_schemas_are_those_of_the_models() -> None:
    assert schema.drift(ROOT) == (), "run: reconciler schema"


def test_write_mends_drift_and_leaves_other_files_alone(tmp_path: pathlib.Path) -> None:
    other = tmp_path / "schemas" / "plan.schema.json"
    other.parent.mkdir()
    other.write_text("{}")
    (tmp_path / "schemas" / "export.schema.json").write_text("{}")
    assert len(schema.drift(tmp_path)) == len(KINDS)
    written = schema.write(tmp_path)
    assert sorted(path.name for path in written) == sorted(schema.schemas())
    assert schema.drift(tmp_path) == ()
    assert schema.write(tmp_path) == ()
    assert other.read_text() == "{}"
    read = json.loads((tmp_path / "schemas" / "export.schema.json").read_text())
    assert (read["$schema"], read["$id"]) == ("https://json-schema.org/draft/2020-12/schema", "export.schema.json")
    assert schema.drift(tmp_path, {"plan.schema.json": "{}"}) == ()
    assert schema.drift(tmp_path, {"plan.schema.json": "[]"}) == ("plan.schema.json",)
