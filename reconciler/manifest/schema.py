"""The published JSON Schemas, generated from the models. It decides their layout, and when they have drifted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reconciler.manifest.shapes.kinds import KINDS
from reconciler.manifest.shapes.published import json_schema

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping

FOLDER = "schemas"


def schemas() -> dict[str, str]:
    """Give the text of every schema of a declaration, by file name."""
    return {f"{kind.lower()}.schema.json": _text(kind) for kind in KINDS}


def write(root: pathlib.Path, texts: Mapping[str, str] | None = None) -> tuple[pathlib.Path, ...]:
    """Write `texts` (default: the schemas of the declarations) into `root/schemas` where they differ; give those."""
    chosen = schemas() if texts is None else texts
    stale = drift(root, chosen)
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (folder / name).write_text(chosen[name], encoding="utf-8", newline="\n")
    return tuple(folder / name for name in stale)


def drift(root: pathlib.Path, texts: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Name the files in `root/schemas` that are missing or differ from `texts`; other files there are not looked at."""
    chosen = schemas() if texts is None else texts
    return tuple(name for name, text in sorted(chosen.items()) if _read(root / FOLDER / name) != text.encode())


def _read(path: pathlib.Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _text(kind: str) -> str:
    return json.dumps(json_schema(kind), indent=2, ensure_ascii=False) + "\n"
