"""Decides the exact bytes of a contact: canonical JSON, keys ascending, nothing but what is mapped."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.core.values import converter, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reconciler.core.model import FieldMatch

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def composer(
    fields: Sequence[FieldMatch], paths: Sequence[tuple[str, ...]]
) -> Callable[[str, Sequence[object]], bytes]:
    """Give a function from (address, values in the order of `fields`) to the contact's bytes.

    `fields` leaves Email out; `paths` says where each goes in the contact: (key,) or (group, key). A missing value is
    not sent, or null where the field says `clear`. Raises WrongType. Filling in a text is four times as fast as
    encoding a dict, and the bytes are the same (there is a property for it).
    """
    groups: dict[tuple[str, str], dict[str, Leaf]] = {}
    for index, (field, path) in enumerate(zip(fields, paths, strict=True)):
        group, key = (path[0], path[-1]) if len(path) > 1 else ("", path[0])
        leaf = Leaf(encode_basestring(key) + ":", index, converter(field.kind, field.formats), field.clear)
        groups.setdefault((group or key, group), {})[key] = leaf
    # By the key itself: as JSON, with its closing quotation mark, `Tier!` would come before `Tier`.
    ordered = [
        (name, group, tuple(leaves[key] for key in sorted(leaves))) for (name, group), leaves in sorted(groups.items())
    ]
    before = _joined((group, leaves) for name, group, leaves in ordered if name < "Email")
    after = _joined((group, leaves) for name, group, leaves in ordered if name > "Email")

    whole = "{" + ",".join([*_slots(before), '"Email":%s', *_slots(after)]) + "}"
    columns = [(leaf.column, leaf.convert, leaf.convert is text) for _, leaves in (*before, *after) for leaf in leaves]
    place = sum(len(leaves) for _, leaves in before)

    def compose(address: str, values: Sequence[object]) -> bytes:
        texts = []
        for column, convert, plain in columns:
            value = values[column]
            if not value or (type(value) is str and value.isspace()):
                return sparse(address, values)
            # What `text` does, without the call.
            texts.append(encode_basestring(value) if plain and type(value) is str else convert(value))
        texts.insert(place, encode_basestring(address))
        return (whole % tuple(texts)).encode()

    def sparse(address: str, values: Sequence[object]) -> bytes:
        parts = _parts(before, values) if before else []
        parts.append('"Email":' + encode_basestring(address))
        parts += _parts(after, values)
        return ("{" + ",".join(parts) + "}").encode()

    return compose


class Leaf(NamedTuple):
    """One field: its key as JSON with the colon, where its value stands in a row, and how it is written."""

    prefix: str
    column: int
    convert: Callable[[object], str]
    clear: bool


Entries = list[tuple[str, tuple[Leaf, ...]]]
"""Neighbouring fields: their group as JSON with its opening bracket, or "", and the fields in order."""


def _slots(entries: Entries) -> list[str]:
    """Give the text of fields that all have a value, with %s for each."""
    parts = []
    for group, leaves in entries:
        inner = ",".join(leaf.prefix.replace("%", "%%") + "%s" for leaf in leaves)
        parts.append(group.replace("%", "%%") + inner + "}" if group else inner)
    return parts


def _joined(entries: Iterable[tuple[str, tuple[Leaf, ...]]]) -> Entries:
    """Put neighbours without a group together, so that the hot loop has few entries."""
    joined: Entries = []
    for group, leaves in entries:
        if joined and not group and not joined[-1][0]:
            joined[-1] = ("", joined[-1][1] + leaves)
        else:
            joined.append((encode_basestring(group) + ":{" if group else "", leaves))
    return joined


def _parts(entries: Entries, values: Sequence[object]) -> list[str]:
    parts: list[str] = []
    for group, leaves in entries:
        target: list[str] = [] if group else parts
        for prefix, index, convert, clear in leaves:
            value = values[index]
            if value is None or (type(value) is str and (not value or value.isspace())):
                if clear:
                    target.append(prefix + "null")
            else:
                target.append(prefix + convert(value))
        if group and target:
            parts.append(group + ",".join(target) + "}")
    return parts


def merged(contacts: Sequence[bytes]) -> bytes:
    """Unite what several exports send for one person; of two values for one field the earlier contact's stands."""
    if len(contacts) == 1:
        return contacts[0]
    union: dict[str, Any] = {}
    for contact in contacts:
        _fill(union, json.loads(contact))
    return _canonical(union).encode()


def without(contact: bytes, paths: Iterable[tuple[str, ...]]) -> bytes:
    """Leave fields out, because another export decides them; Email always stays."""
    fields: dict[str, Any] = json.loads(contact)
    for path in paths:
        inner: Any = fields
        for step in path[:-1]:
            inner = inner.get(step, {})
        if path != ("Email",):
            inner.pop(path[-1], None)
    return _canonical({k: v for k, v in fields.items() if v != {}}).encode()


def has(contact: bytes, path: tuple[str, ...]) -> bool:
    """Tell whether a contact says something of a field, also that it is to be blank."""
    inner: Any = json.loads(contact)
    for step in path:
        if step not in inner:
            return False
        inner = inner[step]
    return True


def _fill(union: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            _fill(union.setdefault(key, {}), value)
        else:
            union.setdefault(key, value)
