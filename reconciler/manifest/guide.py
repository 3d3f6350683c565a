"""Looks up in the published schemas what may stand at a place: its keys, and the right form. It decides nothing."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from reconciler.manifest.shapes.published import json_schema
from reconciler.manifest.words import form, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.core.diagnostics import Path


@cache
def _schema(kind: str) -> Mapping[str, Any]:
    return json_schema(kind)


def keys(kind: str, path: Path) -> tuple[str, ...]:
    """Give the keys that the mapping at `path` may have, over all its forms, in the schema's order."""
    found = (name for node in _nodes(kind, path) for form in _forms(kind, node) for name in form.get("properties", {}))
    return tuple(dict.fromkeys(found))


def right(kind: str, path: Path) -> object:
    """Give an example of the value at `path`, or None."""
    return next((node["examples"][0] for node in _nodes(kind, path) if node.get("examples")), None)


def example(kind: str, path: Path) -> str:
    """Give `key: value` as it is right for the key at `path`, or for the nearest key above it that has an example."""
    for length in range(len(path), 0, -1):
        key = path[length - 1]
        if not isinstance(key, str):
            continue
        found = right(kind, path[:length])
        if found is not None:
            return f"{plain(key)}: {form(found)}"
    return f"apiVersion: reconciler/v1, kind: {kind}, metadata: {{name: …}}, spec: {{…}}"


def dotted(kind: str, path: Path) -> str:
    """Name a place: `Export.spec.segments[0]`."""
    shown = kind
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else f".{plain(part)}"
    return shown


def _nodes(kind: str, path: Path) -> list[Mapping[str, Any]]:
    nodes: list[Mapping[str, Any]] = [_schema(kind)]
    for part in path:
        nodes = [child for node in nodes for form in _forms(kind, node) for child in _children(form, part)]
    return nodes


def _forms(kind: str, node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield each form that a node may have, references followed."""
    if "$ref" in node:
        name = str(node["$ref"]).rsplit("/", 1)[-1]
        yield from _forms(kind, _schema(kind)["$defs"][name])
    elif "oneOf" in node:
        for form in node["oneOf"]:
            yield from _forms(kind, form)
    else:
        yield node


def _children(node: Mapping[str, Any], part: str | int) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, int):
        found = node.get("items")
    else:
        found = node.get("properties", {}).get(part) or next(iter(node.get("patternProperties", {}).values()), None)
    if isinstance(found, dict):
        yield found
