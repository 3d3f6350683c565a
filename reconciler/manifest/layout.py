"""Decides the one layout of the declarations: two spaces, items indented below their key, one line break at the end.

Comments, quotes and the order of keys are kept. A document that the round trip would change in its meaning or in its
comments, or would change again the next time, stays as it is: no layout is worth a declaration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconciler.core.diagnostics import Diagnostic, tidy
from reconciler.core.errors import InvalidDeclarations, ReconcilerError
from reconciler.manifest import chunks
from reconciler.manifest.documents import read
from reconciler.manifest.folder import contents
from reconciler.manifest.writing import replace
from reconciler.manifest.yaml.trip import RoundTrip

if TYPE_CHECKING:
    import pathlib

_ROUNDS: Final = 4
"""Passes until the library's output stands still; two are the rule."""


def layout(text: str) -> str:
    """Give the text in the one layout. Laid out again it stays the same, and it loads as before."""
    texts = chunks.split(text)
    return text if texts is None else chunks.join([_document(chunk) for chunk in texts])


def unformatted(root: pathlib.Path) -> dict[str, str]:
    """Give the new text of every file below `root/exports` that is not in the layout, by its relative path.

    Raises InvalidDeclarations when a file cannot be read as YAML.
    """
    made: dict[str, str] = {}
    faults: list[Diagnostic] = []
    for content in contents(root):
        if isinstance(content, Diagnostic):
            faults.append(content)
            continue
        faults.extend(read(content.file, content.data).faults)
        if not faults:
            text = content.data.decode("utf-8")
            new = layout(text)
            if new != text:
                made[content.file] = new
    if faults:
        raise InvalidDeclarations(tidy(faults))
    return made


def write(root: pathlib.Path) -> tuple[str, ...]:
    """Bring every file into the layout; give the relative paths of those that changed."""
    made = unformatted(root)
    for name, text in made.items():
        replace(root / name, text)
    return tuple(made)


def _document(text: str) -> str:
    lines = text.rstrip().splitlines()
    tidied = "".join(line + "\n" for line in lines)
    if chunks.value(text) is None:
        return "".join(line.rstrip() + "\n" for line in lines)  # comments only
    good = chunks.rewritten(text)
    for candidate in (tidied, text):
        if good(candidate) and (stable := _stable(candidate)) is not None and good(stable):
            return stable
    return text


def _stable(text: str) -> str | None:
    """Write the document until nothing changes any more; None when that does not come."""
    for _ in range(_ROUNDS):
        try:
            new = RoundTrip(text).text()
        except ReconcilerError:
            return None
        new = new.rstrip("\n") + "\n"
        if new == text:
            return text
        text = new
    return None
