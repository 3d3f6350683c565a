"""Decides when two sets of declarations are the same: by what they say, not by how and where it is written."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.core.model import Declarations


def declared(declarations: Declarations) -> str:
    """SHA-256 over canonical JSON of everything declared, in hexadecimal; the same in every process.

    Comments, layout, the order of keys, and the file and line of a document do not count.
    """
    text = json.dumps(_plain(declarations), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> Any:
    """Give a value as JSON can write it; each dataclass with its name, because two kinds may have the same fields."""
    if is_dataclass(value) and not isinstance(value, type):
        told = {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.compare}
        return {"": type(value).__name__, **told}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dt.date):
        return value.isoformat()
    assert value is None or isinstance(value, str | int | float | bool), type(value)
    return value
