"""The exact bytes of a contact: canonical JSON of the mapped fields, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.autopilot_fields import RESERVED_FIELDS, STANDARD_FIELDS
from reconciler.core.contact import composer, merged, without
from reconciler.core.model import FieldKind, FieldMatch
from reconciler.core.values import WrongType, converter
from reconciler.destinations.autopilot_wire import AutopilotWire

WIRE = AutopilotWire()
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda name: "--" not in name
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SOMETHING: dict[FieldKind | None, st.SearchStrategy[object]] = {
    None: TEXTS,
    FieldKind.STRING: st.one_of(TEXTS, st.integers(), st.booleans(), st.dates()),
    FieldKind.INTEGER: st.integers(-(10**15), 10**15),
    FieldKind.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    FieldKind.BOOLEAN: st.booleans(),
    FieldKind.DATE: st.dates(),
}


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def compose(fields: list[FieldMatch], address: str, values: list[object]) -> bytes:
    return composer(fields, [WIRE.field(field) for field in fields])(address, values)


standard = st.builds(
    FieldMatch, st.sampled_from([f for f in STANDARD_FIELDS if f != "Email"]), st.just("c"), clear=st.booleans()
)
custom = st.builds(FieldMatch, NAMES, st.just("c"), st.sampled_from(FieldKind), clear=st.booleans())


@st.composite
def contacts(draw: st.DrawFn) -> tuple[list[FieldMatch], str, list[object]]:
    fields = draw(st.lists(standard | custom, max_size=7, unique_by=WIRE.field))
    missing = st.sampled_from([None, "", " \t"])
    values = [draw(SOMETHING[field.kind] | missing) for field in fields]
    return fields, draw(st.sampled_from(["one@example.com", "o'ne+ö@bücher.example.com"])), values


def as_dict(fields: list[FieldMatch], address: str, values: list[object]) -> dict[str, Any]:
    """Say in plain Python what is to be sent."""
    contact: dict[str, Any] = {"Email": address}
    for field, value in zip(fields, values, strict=True):
        inner = contact
        *groups, key = WIRE.field(field)
        for group in groups:
            inner = inner.setdefault(group, {})
        if value is not None and str(value).strip():
            inner[key] = json.loads(converter(field.kind)(value))
        elif field.clear:
            inner[key] = None
    return {key: value for key, value in contact.items() if value != {}}


@given(contacts())
def test_a_contact_is_canonical_json_of_its_fields(contact: tuple[list[FieldMatch], str, list[object]]) -> None:
    assert compose(*contact) == canonical(as_dict(*contact))


@pytest.mark.parametrize("more", [" Plus", "!", '"', "\\", "é", "\U0001f600"])
def test_a_key_that_begins_another_goes_first(more: str) -> None:
    fields = [FieldMatch("Tier" + more, "a", FieldKind.STRING), FieldMatch("Tier", "b", FieldKind.STRING)]
    values: list[object] = ["one", "two"]
    assert compose(fields, "one@example.com", values) == canonical(as_dict(fields, "one@example.com", values))


@given(contacts(), st.randoms())
def test_the_order_of_the_declared_fields_does_not_matter(
    contact: tuple[list[FieldMatch], str, list[object]], random: Any
) -> None:
    fields, address, values = contact
    order = list(range(len(fields)))
    random.shuffle(order)
    assert compose([fields[i] for i in order], address, [values[i] for i in order]) == compose(*contact)


@given(contacts())
def test_nobody_is_ever_subscribed_or_put_on_a_list_by_a_contact(
    contact: tuple[list[FieldMatch], str, list[object]],
) -> None:
    sent = json.loads(compose(*contact))
    assert not sent.keys() & set(RESERVED_FIELDS)
    assert set(sent) <= {*STANDARD_FIELDS, "custom"}


@pytest.mark.parametrize("name", [*RESERVED_FIELDS, "Favourite", "custom"])
def test_what_autopilot_has_not_or_we_never_send_has_no_place(name: str) -> None:
    with pytest.raises(ValueError, match=r"never sent|not a standard field"):
        WIRE.field(FieldMatch(name, "c"))


def test_keys_stand_on_both_sides_of_the_address() -> None:
    fields = [FieldMatch("Zone", "z", FieldKind.STRING), FieldMatch("owner_name", "o"), FieldMatch("Company", "c")]
    assert compose(fields, "one@example.com", ["Z", "Ö", 'C"']) == (
        '{"Company":"C\\"","Email":"one@example.com","custom":{"string--Zone":"Z"},"owner_name":"Ö"}'.encode()
    )


def test_a_value_of_the_wrong_type_refuses_the_contact() -> None:
    with pytest.raises(WrongType):
        compose([FieldMatch("Income", "i", FieldKind.INTEGER)], "one@example.com", ["plenty"])


@given(st.lists(contacts(), min_size=1, max_size=4))
def test_merged_contacts_have_every_field_and_the_earlier_value(
    several: list[tuple[list[FieldMatch], str, list[object]]],
) -> None:
    address = several[0][1]
    parts = [as_dict(fields, address, values) for fields, _, values in several]
    union: dict[str, Any] = {}
    for part in reversed(parts):
        inner = {**union.get("custom", {}), **part.get("custom", {})}
        union = {**union, **part} | ({"custom": inner} if inner else {})
    assert merged([canonical(part) for part in parts]) == canonical(union)


@given(contacts(), st.data())
def test_fields_that_another_export_decides_are_left_out(
    contact: tuple[list[FieldMatch], str, list[object]], data: st.DataObject
) -> None:
    fields, address, values = contact
    left = data.draw(st.lists(st.sampled_from(fields), unique=True)) if fields else []
    rest = [(field, value) for field, value in zip(fields, values, strict=True) if field not in left]
    expected = canonical(as_dict([field for field, _ in rest], address, [value for _, value in rest]))
    paths = [WIRE.field(field) for field in left]
    assert without(compose(*contact), [*paths, ("Email",)]) == expected
