"""Decides which role a name has: the highest of those that the Project's `roles` give it.

Only people can be told by name. A team (`organisation/team`) stands for people that no file of the project names, so it
owns files in CODEOWNERS and gives nobody a role here.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(?:\[bot\])?")
_TEAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Role(Enum):
    """What a name may do, the highest first."""

    ADMINISTRATOR = "administrator"
    CONTRIBUTOR = "contributor"
    VIEWER = "viewer"
    NOBODY = "nobody"


def is_person(name: str) -> bool:
    """Whether GitHub could have given this name to an account. ASCII only, so that no letter looks like another."""
    return _PERSON.fullmatch(name) is not None


def is_owner(entry: str) -> bool:
    """Whether an entry of `roles` can own files on GitHub: a person or a team, and no bot."""
    name = entry.removeprefix("@")
    return (is_person(name) and not name.endswith("[bot]")) or _TEAM.fullmatch(name) is not None


def role_of(actor: str, roles: Mapping[str, Sequence[str]], bootstrap: Sequence[str] = ()) -> Role:
    """Give the actor's highest role. `bootstrap` are administrators for as long as `roles` name none."""
    folded = _folded(actor)
    if folded is None:
        return Role.NOBODY
    named = (
        (Role.ADMINISTRATOR, administrators(roles, bootstrap)),
        (Role.CONTRIBUTOR, roles.get("contributors", ())),
        (Role.VIEWER, roles.get("viewers", ())),
    )
    return next((role for role, entries in named if folded in map(_folded, entries)), Role.NOBODY)


def administrators(roles: Mapping[str, Sequence[str]], bootstrap: Sequence[str] = ()) -> tuple[str, ...]:
    """Give who is administrator: the people of the role, or `bootstrap` while the role names no person."""
    named = tuple(n.removeprefix("@") for n in roles.get("administrators", ()) if _folded(n) is not None)
    return named or tuple(bootstrap)


def _folded(entry: str) -> str | None:
    """Give a name as it is compared: GitHub does not tell case apart. None for what is no person's name."""
    name = entry.removeprefix("@")
    return name.lower() if is_person(name) else None
