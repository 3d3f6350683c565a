"""Decides what `.github/CODEOWNERS` says: who GitHub asks to review which file, from the roles and the sharing."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from reconciler.core.access import contributed
from reconciler.core.diagnostics import Diagnostic, Where
from reconciler.core.errors import InvalidDeclarations
from reconciler.core.guarded import EVERYWHERE, guards
from reconciler.core.roles import is_owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.model import Declarations
    from reconciler.core.versions import Key, Version

FILE: Final = ".github/CODEOWNERS"

HEADER: Final = """\
# Written by `reconciler authorize --codeowners` from the roles of the Project and where the declarations stand.
# Do not edit: the next writing replaces it, and `--check` tells a difference. The last pattern that fits a file counts.
"""

_PLAIN = re.compile(r"[A-Za-z0-9._@+=,~*?-]+")
"""What a part of a pattern may hold: GitHub knows few of gitignore's escapes, so other files fall to their folder."""


def codeowners(version: Version, top: str, prefix: str) -> str:
    """Give the text of the file. Raises InvalidDeclarations when a role's names cannot own files."""
    declared = version.declarations
    administrators, contributors = _owners(declared, "administrators"), _owners(declared, "contributors")
    if not administrators:
        message = "no administrator is named who could own files; write roles: {administrators: [NAME]}"
        raise InvalidDeclarations((Diagnostic(declared.project.marks.at("spec", "roles"), "roles", message),))
    owned = dict.fromkeys(_administered(declared, top, prefix), administrators)
    everyone = tuple(dict.fromkeys((*administrators, *contributors)))
    if contributors:
        owned |= {f"/{file}": everyone for file in _shared(version, prefix)}
    width = max(map(len, owned))
    lines = (f"{pattern:<{width}} {' '.join(names)}\n" for pattern, names in owned.items())
    return HEADER + "".join(lines)


def _owners(declared: Declarations, role: str) -> tuple[str, ...]:
    """Give the names of a role as GitHub writes them. A bot reviews nothing, and is left out."""
    entries = declared.project.roles.get(role, ())
    wrong = tuple(
        Diagnostic(
            declared.project.marks.at("spec", "roles", role, index),
            "owner-name",
            "this is no name of GitHub's, so that it can own no file; write NAME, or ORGANISATION/TEAM",
        )
        for index, entry in enumerate(entries)
        if not is_owner(entry) and not is_owner(entry.removesuffix("[bot]"))
    )
    if wrong:
        raise InvalidDeclarations(wrong)
    return tuple(dict.fromkeys(f"@{entry.removeprefix('@')}" for entry in entries if is_owner(entry)))


def _administered(declared: Declarations, top: str, prefix: str) -> Iterator[str]:
    """Yield the patterns of what administrators own: the folder of the declarations, then what is guarded, sorted."""
    yield from (f"**/{name}" for name in sorted(EVERYWHERE))
    yield f"{_pattern((*prefix.split('/')[:-1], 'exports')).rstrip('/')}/"
    yield from sorted({_pattern(guard.parts) for guard in guards(declared, top, prefix)})


def _pattern(parts: tuple[str, ...]) -> str:
    """Write a path as a pattern; from the first part on that cannot be written, its folder stands for it."""
    sound = next((index for index, part in enumerate(parts) if not _PLAIN.fullmatch(part)), len(parts))
    if not sound:
        return "*"
    return "/".join(("", *parts[:sound], *([""] if sound < len(parts) else [])))


def _shared(version: Version, prefix: str) -> Iterator[str]:
    """Yield the files that hold nothing but what contributors may change."""
    theirs = contributed(version.declarations)
    files: dict[str, list[Key]] = defaultdict(list)
    for key, marks in version.documents().items():
        files[marks.file].append(key)
    for file in sorted(files):
        path = f"{prefix}{file}"
        if theirs.issuperset(files[file]) and all(_PLAIN.fullmatch(part) for part in path.split("/")):
            yield path


def drift(where: str) -> Diagnostic:
    """Say that the file is not what would be written."""
    message = "this is not what the roles and the declarations say; run `reconciler authorize --codeowners`"
    return Diagnostic(Where(where), "codeowners", message)
