"""Decides whether a change may be made: compares two commits, for everybody who made it, by the roles of the base."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core import owners
from reconciler.core.access import Actor, denials
from reconciler.core.diagnostics import Diagnostic, Severity, Where, tidy
from reconciler.core.errors import InvalidDeclarations, ReconcilerError
from reconciler.core.guarded import guards, why_guarded
from reconciler.core.roles import Role, administrators, is_person, role_of
from reconciler.core.versions import Version, changes
from reconciler.flow.commits import Commit, read_commit
from reconciler.manifest.folder import contents
from reconciler.manifest.load import survey
from reconciler.manifest.words import escape
from reconciler.revisions import LINK, MODULE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from reconciler.revisions import Repository


@dataclass(frozen=True, slots=True)
class Asked:
    """Which change is judged, for whom: everybody who had a hand in it. `bootstrap` are administrators at the start."""

    base: str
    head: str
    actors: tuple[str, ...]
    bootstrap: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The commits' ids, each actor's role, and what stands against the change.

    `faults` are of the declarations themselves; with an error among them nothing could be judged. `documents` and
    `files` count what differs.
    """

    base: str
    head: str
    actors: tuple[tuple[str, Role], ...]
    denials: tuple[Diagnostic, ...] = ()
    faults: tuple[Diagnostic, ...] = ()
    documents: int = 0
    files: int = 0

    @property
    def valid(self) -> bool:
        """Whether the change could be judged."""
        return all(fault.severity is not Severity.ERROR for fault in self.faults)

    @property
    def allowed(self) -> bool:
        """Whether it may be made."""
        return self.valid and not self.denials


def authorize(repository: Repository, root: Path, asked: Asked) -> Verdict:
    """Judge a change. Raises ReconcilerError when it cannot be judged at all."""
    for name in (*asked.actors, *asked.bootstrap):
        if not is_person(name):
            raise ReconcilerError("--actor and --bootstrap take the name of a GitHub account; this is none")
    base, head = _commits(repository, root, asked)
    roles = _roles(base)
    admins = administrators(roles, asked.bootstrap)
    actors = tuple(Actor(name, role_of(name, roles, asked.bootstrap), admins) for name in asked.actors)
    known = tuple((actor.name, actor.role) for actor in actors)
    new, old = head.version if not head.empty else None, base.version
    if new is None:
        return Verdict(base.id, head.id, known, faults=head.survey.faults)
    if old is None:
        _only_administrators(base, actors)
        return Verdict(base.id, head.id, known, faults=_lockout(new, asked))
    files = _files(base, head)
    found = [
        d
        for actor in actors
        for d in (*denials(actor, old, new), *_guarded(actor, files, (old, new), repository, head))
    ]
    return Verdict(
        base.id, head.id, known, tidy(found), _lockout(new, asked), sum(1 for _ in changes(old, new)), len(files)
    )


def ownership(repository: Repository, root: Path) -> str:
    """Give what `.github/CODEOWNERS` should say for the files as they are. Raises InvalidDeclarations."""
    found = survey(root, contents(root))
    if found.declared is None:
        raise InvalidDeclarations(found.faults)
    version = Version(found.declared, found.values, found.safety)
    return owners.codeowners(version, repository.top, repository.prefix)


def _commits(repository: Repository, root: Path, asked: Asked) -> tuple[Commit, Commit]:
    base, head = repository.commit(asked.base, "--base"), repository.commit(asked.head, "--head")
    if not repository.contains(head, base):
        if repository.shallow:
            raise ReconcilerError(
                "this clone is too shallow to see whether --head contains --base; fetch more (fetch-depth: 0)"
            )
        raise ReconcilerError(
            "the base has moved on: --head does not contain --base; bring the branch up to date, "
            "or judge the merge of the two"
        )
    return read_commit(repository, base, root), read_commit(repository, head, root)


def _roles(base: Commit) -> Mapping[str, Sequence[str]]:
    """Give the roles, also when something else in the base is broken: somebody must be able to mend it."""
    return {} if base.survey.project is None else base.survey.project.roles


def _only_administrators(base: Commit, actors: Sequence[Actor]) -> None:
    for actor in actors:
        if actor.role is not Role.ADMINISTRATOR:
            first = next(fault for fault in base.survey.faults if fault.severity is Severity.ERROR)
            denial = actor.denial(first.where, "change", "anything", "because the base does not load")
            raise ReconcilerError(f"{denial.where}: {denial.message}")


def _lockout(new: Version, asked: Asked) -> tuple[Diagnostic, ...]:
    """Warn when nobody could change anything after this."""
    project = new.declarations.project
    if administrators(project.roles, asked.bootstrap):
        return ()
    message = (
        "no administrator is named, so that nobody may make the next change; write roles: {administrators: [NAME]}"
    )
    return (Diagnostic(project.marks.at("spec", "roles"), "no-administrator", message, Severity.WARNING),)


def _files(base: Commit, head: Commit) -> tuple[tuple[str, str], ...]:
    """Give each file that differs and is no declaration, and what was done to it."""
    found = []
    for path in sorted(base.files.keys() | head.files.keys()):
        was, now = base.files.get(path), head.files.get(path)
        if was != now and path not in base.read | head.read:
            found.append((path, "add" if was is None else "remove" if now is None else "change"))
    return tuple(found)


def _guarded(
    actor: Actor,
    files: Sequence[tuple[str, str]],
    versions: tuple[Version, Version],
    repository: Repository,
    head: Commit,
) -> Iterator[Diagnostic]:
    """Yield the files that only administrators change. CODEOWNERS may follow from what the actor may change."""
    if actor.role is Role.ADMINISTRATOR:
        return
    named = [g for version in versions for g in guards(version.declarations, repository.top, repository.prefix)]
    for path, verb in files:
        why = why_guarded(path, named)
        if why is None or (actor.role is Role.CONTRIBUTOR and _follows(path, versions[1], repository, head)):
            continue
        shown = posixpath.relpath(f"/{path}", f"/{repository.prefix}")
        yield actor.denial(Where(escape(shown)), verb, "this file", why)


def _follows(path: str, new: Version, repository: Repository, head: Commit) -> bool:
    """Whether a file is the CODEOWNERS that the declarations of the change ask for, byte by byte."""
    entry = head.files.get(path)
    if path != owners.FILE or entry is None or entry.mode in {LINK, MODULE}:
        return False
    try:
        text = owners.codeowners(new, repository.top, repository.prefix)
    except InvalidDeclarations:
        return False
    return repository.contents([entry.id])[entry.id] == text.encode()
