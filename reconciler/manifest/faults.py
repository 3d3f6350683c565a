"""Decides how a problem of shape is told: its rule, its place, and one line in our words that ends with the right form.

What stands below `apiKey`, `notify` and the secrets of a Source is never shown: it may be the key or the URL itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from reconciler.core.diagnostics import Diagnostic
from reconciler.manifest import patterns
from reconciler.manifest.guide import dotted, example, keys
from reconciler.manifest.words import did_you_mean, one_of, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.core.diagnostics import Path, Where
    from reconciler.manifest.documents import Document
    from reconciler.manifest.shapes.checking import Problem

_API_KEY: Final = ("spec", "apiKey")
_NOTIFY: Final = ("spec", "notify")
_SECRETS: Final = frozenset(("secret", "password", "token", "subscriptionKey", "headers"))
"""The keys of a Source below which a secret is referenced."""
SOURCE_TYPES: Final = "files", "dataverse", "spark"
_PARTS: Final = ("spec", "where"), ("spec", "member")

_RULE_AT: Final[Mapping[tuple[str, Path], str]] = {
    ("Connection", ("spec", "limits", "profiles")): "limit",
    ("Connection", ("spec", "limits", "requestsPerSecond")): "rate",
    ("Source", ("spec", "type")): "source-type",
    ("Connection", ("spec", "type")): "connection-type",
    **{(kind, ("apiVersion",)): "api-version" for kind in ("Connection", "Source", "Segment", "Export", "Project")},
}
_RULE_BELOW: Final = ("schedule", "schedule"), ("safety", "safety"), ("types", "column-type")

_TYPES: Final = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_LIMITS: Final = {
    "greater_than": ("range", "more than {gt:g}"),
    "greater_than_equal": ("range", "at least {ge:,}"),
    "less_than_equal": ("range", "at most {le:,}"),
    "string_too_short": ("length", "text of at least {min_length} characters"),
    "string_too_long": ("length", "text of at most {max_length:,} characters"),
    "too_short": ("length", "a list that is not empty"),
    "too_long": ("length", "a list of at most {max_length}"),
}
_PATTERNS: Final = {
    patterns.NAME: "lower-case letters, digits and '-', at most 63, with a letter or digit at both ends",
    patterns.FIELD: "the name of an Autopilot field: at most 100 characters, no '--', no space at the ends",
    patterns.TITLE: "one line of at most 200 characters, no space at the ends",
    patterns.VARIABLE: "the name of an environment variable",
    patterns.NOT_A_KEY: "the path of a file",
    patterns.NOT_A_URL: "the path of a file",
    patterns.SECRET: "the name of a secret",
    patterns.HTTP: "a URL that begins with https://",
    patterns.HTTPS: "a URL that begins with https://",
    patterns.ENTITY: "the name of an entity set",
    patterns.GUID: "an id of the form 00000000-0000-0000-0000-000000000000",
    patterns.TENANT: "the tenant's id, or one of its domains",
    patterns.SPARK: "an address such as sc://host:15002 or spark://host:7077, without a token",
    patterns.HEADER: "a header of lower-case letters, digits, '-', '_' and '.', not grpc-… and not …-bin",
    patterns.SPARK_HEADER: "one line of plain letters and signs, and no secret",
    patterns.SPARK_TABLE: "the name of a table, such as main.customers.profiles",
    patterns.DATE: "a day, year-month-day",
    patterns.TIME: "a time of day, hh:mm, in quotes",
    patterns.SHARE: "a percentage from 0% to 100%, or a count",
    patterns.PERCENTAGE: "a percentage, such as 50%",
    patterns.ENGINE_TYPE: "text, integer, bigint, double, decimal(p,s), boolean, date or timestamp",
}


def fault(kind: str, document: Document, problem: Problem) -> Diagnostic:
    """Tell a problem of shape as a diagnostic."""
    path = problem.path
    if (told := _of_secret(kind, document, problem)) is not None:
        return told
    match problem.type:
        case "extra_forbidden":
            return _unknown(kind, document, path)
        case "missing":
            return _missing(kind, document, path)
        case "nothing":
            name = quote(path[-1]) if path and isinstance(path[-1], str) else dotted(kind, path)
            message = f"{name} has no value; write {example(kind, path)}, or leave it out"
            return Diagnostic(_key_place(document, path), "no-value", message)
        case _:
            rule, wanted = _wanted(problem)
            rule = _RULE_AT.get((kind, path)) or next((r for tail, r in _RULE_BELOW if tail in path), rule)
            if path[1:2] == ("match",) and path[3:] == ("type",):
                rule = "custom-type"
            return Diagnostic(document.at_value(path), rule, _told(kind, problem, wanted))


def _of_secret(kind: str, document: Document, problem: Problem) -> Diagnostic | None:
    """Tell a problem where a secret is referenced, or should be; None: nothing but its shape is wrong."""
    path = problem.path
    if path[:2] == _API_KEY:
        return _key_fault(kind, document, problem)
    if path[:2] == _NOTIFY:
        return _url_fault(kind, document, problem)
    if problem.detail.get("pattern") == patterns.HEADER:  # the name of a header, not what it holds
        return None
    if _secret(kind, path) and isinstance(problem.value, str):
        right = _named(kind, path)
        message = f"a secret written out instead of referenced; make a new one, it is known now, and {right}"
        return Diagnostic(document.at_value(path), "key-in-file", message)
    return None


def _told(kind: str, problem: Problem, wanted: str) -> str:
    path, value = problem.path, problem.value
    secret, empty = _secret(kind, path), value in ([], {})
    shown = "" if secret or empty else f", not {quote(value)}"
    if kind == "Source" and path == ("spec", "type"):
        wanted = one_of(SOURCE_TYPES)
    if wanted == _PATTERNS[patterns.SPARK]:  # what stands there may hold a token
        return f"{dotted(kind, path)} must be {wanted}; write url: sc://spark.contoso.com:15002"
    return f"{dotted(kind, path)} must be {wanted}{shown}; write {example(kind, path)}"


def _wanted(problem: Problem) -> tuple[str, str]:
    """Give the rule that is broken, and what should stand there."""
    detail = problem.detail
    match problem.type:
        case "literal_error":
            return "choice", one_of(re.findall(r"'([^']*)'", detail["expected"]))
        case "string_pattern_mismatch":
            return "name" if detail["pattern"] == patterns.NAME else "form", _PATTERNS[detail["pattern"]]
        case other:
            rule, wanted = _LIMITS.get(other, ("type", _TYPES.get(other, "another value")))
            return rule, wanted.format_map(detail)


def _unknown(kind: str, document: Document, path: Path) -> Diagnostic:
    key, parent = str(path[-1]), path[:-1]
    where = _key_place(document, path)
    if kind == "Segment" and path in _PARTS:
        return _segment_form(document, where, "has both")
    known = keys(kind, parent)
    if key in known:
        message = (
            f"{quote(key)} does not go with the other keys of {dotted(kind, parent)}; write {example(kind, parent)}"
        )
        return Diagnostic(where, "unknown-key", message)
    hint = did_you_mean(key, known, f"its keys are {one_of(known)}")
    return Diagnostic(where, "unknown-key", f"{quote(key)} is not a key of {dotted(kind, parent)}; {hint}")


def _missing(kind: str, document: Document, path: Path) -> Diagnostic:
    parent = path[:-1]
    if kind == "Segment" and path in _PARTS:
        return _segment_form(document, _key_place(document, parent), "has neither")
    message = f'{dotted(kind, parent)} needs "{path[-1]}"; write {example(kind, path)}'
    return Diagnostic(_key_place(document, parent), "missing-key", message)


def _segment_form(_document: Document, where: Where, has: str) -> Diagnostic:
    message = f"a segment has exactly one of where and member, and this {has}; write where: \"HomeOwner = 'Y'\""
    return Diagnostic(where, "segment-form", message)


def _key_fault(kind: str, document: Document, problem: Problem) -> Diagnostic | None:
    path = problem.path
    right = "write apiKey: {env: AUTOPILOT_API_KEY}"
    named = isinstance(problem.value, str) and problem.type == "string_pattern_mismatch"
    if (path == _API_KEY and isinstance(problem.value, str)) or (named and _looks_like_a_key(str(problem.value))):
        message = f"a key written out instead of referenced; revoke it, it is known now, and {right}"
        return Diagnostic(document.at_value(path), "key-in-file", message)
    if problem.type == "extra_forbidden":
        known = keys(kind, path[:-1])
        message = f"a key that is none of {one_of(known)}, or one too many, is in {dotted(kind, path[:-1])}; {right}"
        return Diagnostic(_key_place(document, path), "unknown-key", message)
    return None


def _url_fault(kind: str, document: Document, problem: Problem) -> Diagnostic | None:
    """Tell a webhook's URL wherever it stands below `notify`, also as a key or in place of the whole."""
    path, right = problem.path, "write url: {env: ALERTS_URL}"
    unknown = problem.type == "extra_forbidden"
    where = _key_place(document, path) if unknown else document.at_value(path)
    if "/" in str(path[-1]) or (isinstance(problem.value, str) and ("/" in problem.value or path[3:] == ("url",))):
        message = f"a URL written out instead of referenced; make a new one, it is known now, and {right}"
        return Diagnostic(where, "key-in-file", message)
    if unknown and path[3:4] == ("url",):
        message = f"a key that is none of env and file, or one too many, is in {dotted(kind, path[:-1])}; {right}"
        return Diagnostic(where, "unknown-key", message)
    return None


def _named(kind: str, path: Path) -> str:
    """Write how the secret at a place is referenced."""
    if path[1:2] == ("headers",) and path[2:]:
        return f"write {path[2]}: {{env: VARIABLE}}"
    above = next(length for length in range(1, len(path) + 1) if path[length - 1] in _SECRETS)
    return f"write {example(kind, path[:above])}"


def _secret(kind: str, path: Path) -> bool:
    """Tell whether what stands at a place may be a secret, so that it is never shown."""
    return path[:2] in {_API_KEY, _NOTIFY} or (kind == "Source" and not _SECRETS.isdisjoint(path))


def _looks_like_a_key(text: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{24,}", text.strip()) is not None


def _key_place(document: Document, path: Path) -> Where:
    return document.marks.at(*path)
