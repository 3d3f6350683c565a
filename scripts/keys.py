"""Writes the tables of keys in docs/declarations.md from the published JSON Schemas. It decides their layout only.

`python -m scripts.keys` writes them; with `--check` it writes nothing, and fails when the schemas say otherwise.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = REPOSITORY / "docs" / "declarations.md"
PLACE = re.compile(r"(<!-- keys of (\w+)(?: of type (\w+))? -->\n).*?(<!-- end -->)", re.DOTALL)

WORDS = {"object": "mapping", "string": "text", "integer": "whole number"}

Schema = dict[str, Any]


@dataclass(slots=True)
class Key:
    """One row: what the default and the meaning cells say, and the forms that a value may have, in order."""

    default: str
    meaning: str
    forms: dict[str, None] = field(default_factory=dict)


def tables(page: str) -> str:
    """Give the page with every table written anew."""
    return PLACE.sub(lambda place: place[1] + table(place[2], place[3]) + place[4], page)


def table(kind: str, of_type: str | None = None) -> str:
    """Give the table of one kind, or of one type of it."""
    schema = json.loads((REPOSITORY / "schemas" / f"{kind.lower()}.schema.json").read_text(encoding="utf-8"))
    definitions: Mapping[str, Schema] = schema["$defs"]
    found: dict[str, Key] = {}
    spec = schema["properties"]["spec"]
    if of_type is not None:
        spec = next(one for one in branches(spec, definitions) if one["properties"]["type"].get("const") == of_type)
    collect(spec, definitions, "", found)
    rows = "".join(
        f"| `{path}` | {' or '.join(key.forms)} | {key.default} | {key.meaning} |\n" for path, key in found.items()
    )
    return f"| key of `spec` | type | default | meaning |\n|---|---|---|---|\n{rows}"


def collect(schema: Schema, definitions: Mapping[str, Schema], prefix: str, found: dict[str, Key]) -> None:
    """Add every key below a schema, by its path; a key that several forms of a value share stands once."""
    forms = list(branches(schema, definitions))
    whole = [one for one in forms if "properties" in one]
    for branch in forms:
        for name, inner in branch.get("properties", {}).items():
            shared = all(name in one["properties"] for one in whole)
            fresh = Key(default(name, inner, branch, definitions), meaning(inner, definitions))
            if fresh.default == "required" and not shared:
                fresh.default = "in one form"
            key = found.setdefault(f"{prefix}{name}", fresh)
            key.forms.update(dict.fromkeys(form(inner, definitions)))
            collect(inner, definitions, f"{prefix}{name}.", found)
        if "items" in branch:
            collect(branch["items"], definitions, f"{prefix.removesuffix('.')}[].", found)
        if values := valued(branch):
            collect(values, definitions, f"{prefix}*.", found)


def valued(branch: Schema) -> Schema:
    """Give the schema of the values of a mapping whose keys are free, or nothing."""
    patterned: Schema = branch.get("patternProperties", {})
    values: Schema | bool = branch.get("additionalProperties", False)
    return next(iter(patterned.values()), values if isinstance(values, dict) else {})


def branches(schema: Schema, definitions: Mapping[str, Schema]) -> Iterator[Schema]:
    """Follow references and unions to what a value may be."""
    if "$ref" in schema:
        yield from branches(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    elif "oneOf" in schema or ("anyOf" in schema and "type" not in schema):
        for one in schema.get("oneOf") or schema["anyOf"]:
            yield from branches(one, definitions)
    else:
        yield schema


def form(schema: Schema, definitions: Mapping[str, Schema]) -> list[str]:
    """Name what a value may be."""
    return list(dict.fromkeys(plain(one, definitions) for one in branches(schema, definitions)))


def plain(one: Schema, definitions: Mapping[str, Schema]) -> str:
    """Name one form of value."""
    if "const" in one:
        return f"`{one['const']}`"
    if "enum" in one:
        return " or ".join(f"`{word}`" for word in one["enum"])
    if one["type"] == "array":
        return f"list of {' or '.join(form(one['items'], definitions))}"
    if values := valued(one):
        return f"mapping of names to {' or '.join(form(values, definitions))}"
    return WORDS.get(one["type"], str(one["type"]))


def default(name: str, inner: Schema, parent: Schema, definitions: Mapping[str, Schema]) -> str:
    """Give the default; a mapping's defaults stand with its own keys."""
    if name in parent.get("required", ()):
        return "required"
    value = inner.get("default")
    if value in (None, [], {}) or any("properties" in one for one in branches(inner, definitions)):
        return ""  # a mapping's defaults stand with its own keys
    return f"`{example(value)}`"


def meaning(inner: Schema, definitions: Mapping[str, Schema]) -> str:
    """Give the description, or that of what is referred to, and an example where it says more."""
    referred = definitions.get(str(inner.get("$ref", "")).rpartition("/")[2], {})
    said = str(inner.get("description") or referred.get("description", "")).replace("|", "\\|").replace("<-", "←")
    shown = next(iter(inner.get("examples", [])), None)
    if shown is None or isinstance(shown, bool) or "const" in inner or "enum" in inner or shown == inner.get("default"):
        return said
    return f"{said} `{example(shown)}`"


def example(value: object) -> str:
    """Write a value as it stands in YAML."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {example(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(example, value)) + "]"
        case bool():
            return str(value).lower()
        case str() if value in {"true", "false"} or (re.search(r"[:%\s=]", value) and "://" not in value):
            return f'"{value}"'
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def main() -> int:
    """Write the page, or check it; gives the exit code."""
    now = PAGE.read_text(encoding="utf-8")
    fresh = tables(now)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(fresh, encoding="utf-8", newline="\n")
        return 0
    if now == fresh:
        return 0
    print("error: docs/declarations.md is not what the schemas say; run `python -m scripts.keys`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
