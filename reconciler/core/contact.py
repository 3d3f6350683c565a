"""Decides the exact bytes of a contact: canonical JSON, keys ascending, nothing but what is mapped."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from reconciler.core.values import converter, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reconciler.core.model import FieldMatch

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def composer(
    fields: Sequence[FieldMatch], paths: Sequence[tuple[str, ...]]
) -> Callable[[str, Sequence[object]], bytes]:
    """Give a function from (address, values in the order of `fields`) to the contact's bytes.

    `fields` leaves Email out; `paths` says where each goes in the contact: (key,) or (group, key). A missing value is
    not sent, or null where the field says `clear`. Raises WrongType. Building text is twice as fast as encoding a dict,
    and the bytes are the same (there is a property for it).
    """
    groups: dict[str, list[tuple[str, int, Callable[[object], str], bool]]] = {}
    for index, (field, path) in enumerate(zip(fields, paths, strict=True)):
        group, key = (path[0], path[-1]) if len(path) > 1 else ("", path[0])
        leaf = (encode_basestring(key) + ":", index, converter(field.kind, field.formats), field.clear)
        groups.setdefault(group or key, []).append(leaf)
    nested = {path[0] for path in paths if len(path) > 1}
    ordered = [(name, name in nested, sorted(groups[name])) for name in sorted(groups)]
    before = [entry for entry in ordered if entry[0] < "Email"]
    after = [entry for entry in ordered if entry[0] > "Email"]

    def compose(address: str, values: Sequence[object]) -> bytes:
        parts = _parts(before, values) if before else []
        parts.append('"Email":' + encode_basestring(address))
        parts += _parts(after, values)
        return ("{" + ",".join(parts) + "}").encode()

    return compose


def _parts(
    entries: Iterable[tuple[str, bool, list[tuple[str, int, Callable[[object], str], bool]]]], values: Sequence[object]
) -> list[str]:
    parts = []
    for name, grouped, leaves in entries:
        inner = []
        for prefix, index, convert, clear in leaves:
            value = values[index]
            if not missing(value):
                inner.append(prefix + convert(value))
            elif clear:
                inner.append(prefix + "null")
        if inner:
            parts.append(encode_basestring(name) + ":{" + ",".join(inner) + "}" if grouped else inner[0])
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


def _fill(union: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            _fill(union.setdefault(key, {}), value)
        else:
            union.setdefault(key, value)
