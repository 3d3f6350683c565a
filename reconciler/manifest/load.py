"""Folder → documents → declarations: decides whether they are valid as a whole, and tells every fault of every file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from reconciler.core import model
from reconciler.core.diagnostics import Diagnostic, Severity, Where, tidy
from reconciler.core.errors import InvalidDeclarations
from reconciler.manifest import values
from reconciler.manifest.documents import read
from reconciler.manifest.faults import fault
from reconciler.manifest.folder import FOLDER, contents
from reconciler.manifest.pruning import prune
from reconciler.manifest.rules.table import RULES
from reconciler.manifest.rules.world import World
from reconciler.manifest.shapes.checking import check
from reconciler.manifest.shapes.kinds import KINDS, Project, Shaped
from reconciler.manifest.words import did_you_mean, one_of, quote

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable

    from reconciler.core.diagnostics import Path
    from reconciler.manifest.documents import Document
    from reconciler.manifest.folder import Content

MOST: Final = 10_000
"""Documents of a project."""


def load(root: pathlib.Path) -> model.Declarations:
    """Give what the files below `root/exports` declare. Raises InvalidDeclarations with every fault of every file."""
    declared, diagnostics = diagnose(root)
    if declared is None:
        raise InvalidDeclarations(diagnostics)
    return declared


def diagnose(
    root: pathlib.Path,
    columns: Callable[[model.Source], Mapping[str, str] | None] | None = None,
    predicate: Callable[[model.Source, model.Segment], tuple[int | None, str] | None] | None = None,
) -> tuple[model.Declarations | None, tuple[Diagnostic, ...]]:
    """Give the declarations, None when there is an error, and every error and warning, sorted.

    `columns` gives a source's columns and their types, or None when it cannot be read now. `predicate` judges a
    segment's predicate: None, or (offset in its text where known, one line on what is wrong).
    """
    return judging(root)(columns, predicate)


Columns = Callable[[model.Source], Mapping[str, str] | None]
Predicate = Callable[[model.Source, model.Segment], tuple[int | None, str] | None]


def judging(
    root: pathlib.Path,
) -> Callable[[Columns | None, Predicate | None], tuple[model.Declarations | None, tuple[Diagnostic, ...]]]:
    """Read every file once, which is most of the work, and give what judges them; it may be asked several times."""
    found = _gather(contents(root))
    return lambda columns, predicate: _judged(found, found.world(root, columns, predicate))


@dataclass(frozen=True, slots=True)
class Survey:
    """What files declare, and what each document says that the core's values do not keep.

    `declared` None: there is an error among `faults`. `project` is the Project when there is one and nothing is wrong
    with its file, also where others have faults; `values` has the documents by kind and name, and `safety` are the
    bounds of exports that set none.
    """

    declared: model.Declarations | None
    faults: tuple[Diagnostic, ...]
    project: model.Project | None
    values: Mapping[tuple[str, str], object]
    safety: model.Safety


def survey(root: pathlib.Path, files: Iterable[Content | Diagnostic]) -> Survey:
    """Give what `files` declare, which need not be those below `root`; `root` is where their relative paths start."""
    found = _gather(files)
    world = found.world(root, None, None)
    declared, faults = _judged(found, world)
    wrong = {d.where.file for d in faults if d.severity is Severity.ERROR}
    places = [where for found_at in world.places.get("Project", {}).values() for where in found_at]
    sound = len(places) == len(world.projects) == 1 and places[0].file not in wrong
    documents = {key: document.value for key, document in world.documents.items()}
    return Survey(declared, faults, world.project if sound else None, documents, found.bounds())


def _judged(found: _Found, world: World) -> tuple[model.Declarations | None, tuple[Diagnostic, ...]]:
    judged = (d for rule in RULES for d in rule(world))
    faults = tidy([*found.faults, *(d for d in judged if d.where not in found.pruned)])
    if any(d.severity is Severity.ERROR for d in faults):
        return None, faults
    return _declarations(world), faults


@dataclass(slots=True)
class _Found:
    """What the files hold so far. `pruned` has the places at which a value or its parent was cut away."""

    faults: list[Diagnostic] = field(default_factory=list)
    shapes: list[tuple[Shaped, Document]] = field(default_factory=list)
    places: dict[str, dict[str, list[Where]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    pruned: set[Where] = field(default_factory=set)
    whole: bool = True

    def world(
        self,
        root: pathlib.Path,
        columns: Callable[[model.Source], Mapping[str, str] | None] | None,
        predicate: Callable[[model.Source, model.Segment], tuple[int | None, str] | None] | None,
    ) -> World:
        """Make the core's values."""
        bounds = self.bounds()
        made = [values.value(shape, document.marks, bounds) for shape, document in self.shapes]
        named = {(str(s.kind), s.metadata.name): document for s, document in reversed(self.shapes)}
        projects_made = tuple(v for v in made if isinstance(v, model.Project))
        return World(
            root=root,
            places={kind: {n: tuple(where) for n, where in names.items()} for kind, names in self.places.items()},
            documents=named,
            whole=self.whole,
            connections=tuple(v for v in made if isinstance(v, model.Connection)),
            sources=tuple(v for v in made if isinstance(v, model.Source)),
            segments=tuple(v for v in made if isinstance(v, model.Segment)),
            exports=tuple(v for v in made if isinstance(v, model.Export)),
            projects=projects_made,
            columns=columns,
            predicate=predicate,
            project=projects_made[0] if projects_made else model.Project(),
        )

    def bounds(self) -> model.Safety:
        """Give the bounds of exports that set none."""
        projects = [shape for shape, _ in self.shapes if isinstance(shape, Project)]
        return values.safety(projects[0].spec.safety if projects else None, model.Safety())


def _gather(files: Iterable[Content | Diagnostic]) -> _Found:
    """Read every file. Faults of a document do not hide those of the next one."""
    found, count = _Found(), 0
    for content in files:
        if isinstance(content, Diagnostic):
            found.faults.append(content)
            found.whole = False
            continue
        result = read(content.file, content.data)
        found.faults.extend(result.faults)
        found.whole &= result.whole
        seen = {d.where for d in result.faults}
        found.pruned |= seen
        count += len(result.documents)
        if count > MOST:
            message = f"more than {MOST:,} documents; a person is no declaration: keep data out of {FOLDER}/"
            found.faults.append(Diagnostic(Where(content.file), "too-many", message))
            found.whole = False
            break
        for document in result.documents:
            _document(found, document, seen)
    if not count and not found.faults:
        message = f"there is no declaration below {FOLDER}/; run reconciler init in an empty folder to see some"
        found.faults.append(Diagnostic(Where(FOLDER), "no-declarations", message))
    return found


def _document(found: _Found, document: Document, seen: set[Where]) -> None:
    value = document.value
    if not isinstance(value, dict):
        message = (
            f"a document is a mapping, not {quote(value)}; write apiVersion: reconciler/v1, kind, metadata and spec"
        )
        found.faults.append(Diagnostic(document.at_value(()), "not-a-mapping", message))
        found.whole = False
        return
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        found.faults.append(_kind_fault(document, kind))
        found.whole = False
        return
    _name(found, document, kind)
    shape = check(kind, value)
    if isinstance(shape, tuple):
        found.faults.extend(d for d in (fault(kind, document, problem) for problem in shape) if d.where not in seen)
        paths = [problem.path for problem in shape]
        found.pruned.update(_around(document, paths))
        rest = prune(kind, value, paths)
        if rest is None:
            return
        shape = rest
    found.shapes.append((shape, document))


def _name(found: _Found, document: Document, kind: str) -> None:
    """Note the name of a document, whatever else is wrong with it, so that references to it are not told as faults."""
    value = document.value
    metadata = value.get("metadata") if isinstance(value, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(name, str) and name:
        found.places[kind][name].append(document.marks.at("metadata", "name"))
    else:
        found.whole = False


def _kind_fault(document: Document, kind: object) -> Diagnostic:
    if kind is None:
        message = f"which kind is this? write kind: Export, or {one_of(k for k in KINDS if k != 'Export')}"
        return Diagnostic(document.marks.at("kind"), "kind", message)
    hint = did_you_mean(kind, KINDS, f"write kind: {one_of(KINDS)}") if isinstance(kind, str) else "write kind: Export"
    return Diagnostic(document.at_value(("kind",)), "kind", f"{quote(kind)} is not a kind of document; {hint}")


def _around(document: Document, paths: Iterable[Path]) -> Iterable[Where]:
    """Give the places of the paths and of their parents below the root: rules are silent there, the fault is told."""
    for path in paths:
        for length in range(1, len(path) + 1):
            yield document.marks.at(*path[:length])
            yield document.at_value(path[:length])


def _declarations(world: World) -> model.Declarations:
    return model.Declarations(
        connections={v.name: v for v in world.connections},
        sources={v.name: v for v in world.sources},
        segments={v.name: v for v in world.segments},
        exports={v.name: v for v in world.exports},
        project=world.project,
    )
