"""Decides which files below `exports/` are declarations, and that none leads out of the project or never ends."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Diagnostic, Where
from reconciler.manifest.words import escape

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

FOLDER = "exports"
LARGEST = 1_000_000
"""Bytes of one file."""
TOTAL = 64_000_000
"""Bytes of all files together."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file that was read: its path relative to the project's folder, with '/', and its bytes."""

    file: str
    data: bytes


def contents(root: pathlib.Path) -> Iterator[Content | Diagnostic]:
    """Yield each file below `root/exports`, sorted, or why it cannot be read. Hidden files are skipped."""
    start = root / FOLDER
    if not start.is_dir():
        yield _fault(
            FOLDER, "no-declarations", f"there is no folder {FOLDER}/ here; run reconciler init, or give -C DIR"
        )
        return
    home, total = root.resolve(), 0
    for path in _files(start):
        name = escape(path.relative_to(root).as_posix())
        found = _outside(path, name, home) or _read(path, name)
        if isinstance(found, Content):
            total += len(found.data)
        if total > TOTAL:
            yield _fault(
                name, "too-large", f"the declarations are over {TOTAL // 1_000_000} MB together; keep data out"
            )
            return
        yield found


def _files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield what is named like YAML, links to folders, and folders that cannot be listed; depth first, sorted."""
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        if path != folder and (path.suffix in {".yaml", ".yml"} or path.is_symlink()):
            yield path
            continue
        try:
            inner = [e for e in os.scandir(path) if not e.name.startswith(".")]
        except OSError:
            yield path
            continue
        chosen = [e.name for e in inner if e.name.endswith((".yaml", ".yml")) or e.is_dir()]
        waiting.extend(path / name for name in sorted(chosen, reverse=True))


def _outside(path: pathlib.Path, name: str, home: pathlib.Path) -> Diagnostic | None:
    try:
        inside = path.resolve().is_relative_to(home)
    except (OSError, RuntimeError):  # a link that leads to itself
        return _fault(name, "unreadable", "the file cannot be read: its link leads in a circle; remove it")
    if inside:
        return None
    return _fault(name, "path-outside", "this link leaves the project; put the file itself below exports/")


def _read(path: pathlib.Path, name: str) -> Content | Diagnostic:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return _fault(name, "not-a-file", f"this is {_what(found.st_mode)}; a declaration is a plain file")
        if found.st_size > LARGEST:
            size = f"{found.st_size / 1_000_000:,.1f} MB"
            return _fault(
                name, "too-large", f"the file has {size}, at most {LARGEST // 1_000_000} MB is read; split it"
            )
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        return _fault(name, "unreadable", f"the file cannot be read: {error.strerror}; mend its link or its mode")
    return Content(name, data[:LARGEST])


def _what(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device or a socket"


def _fault(file: str, rule: str, message: str) -> Diagnostic:
    return Diagnostic(Where(file), rule, message)
