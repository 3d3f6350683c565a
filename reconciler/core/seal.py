"""Decides what a saved plan looks like, and whether its seal is believed. Bytes and a key in, a value out.

The file is canonical JSON with a keyed digest over all the rest of it, so that one changed byte is one too many. It
holds counts, names of declarations, and no person.
"""

from __future__ import annotations

import datetime as dt
import hmac
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.core.allow import Allowance
from reconciler.core.errors import PlanRefused
from reconciler.core.shards import WHOLE, Shard

if TYPE_CHECKING:
    from reconciler.core.digest import Digests
    from reconciler.core.plan import ConnectionPlan, ExportPlan, Plan

FORMAT = 1
KIND = "reconciler plan"
LARGEST = 16 * 1024 * 1024
"""Bytes of a saved plan; 10,000 exports take less."""

NO_PLAN = "this is not a saved plan; `reconciler plan --out FILE` writes one"
EDITED = "the saved plan was edited or damaged, its seal is broken; make another with `reconciler plan --out FILE`"
NEWER = f"the saved plan was written by a newer version of reconciler; this one reads format {FORMAT}"
NO_KEY = (
    "the seal of the saved plan cannot be checked, because there is no state key here; "
    "restore .reconciler/key or set RECONCILER_STATE_KEY"
)
OTHER_KEY = "the saved plan was sealed under another state key: it is of another project, or the key was changed since"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One export as it was reviewed. `figures` counts people by what happens to them: whole, and for each segment."""

    name: str
    connection: str
    action: str
    figures: dict[str, int]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A saved plan. `lineage` None: nothing was recorded yet. `connections` gives (people, requests) by name.

    `shard` is the part of the connections that it is about.
    """

    created: dt.datetime
    project: str
    lineage: str | None
    serial: int
    commit: str | None
    declarations: str
    exports: tuple[str, ...]
    trigger: str
    refresh: bool
    allowances: tuple[Allowance, ...]
    checksum: str
    reviewed: tuple[Reviewed, ...]
    connections: dict[str, tuple[int, int]]
    shard: Shard = WHOLE


def reviewed(plan: Plan) -> tuple[Reviewed, ...]:
    """Give the figures of every export of a plan."""
    return tuple(Reviewed(e.name, e.connection, e.action.value, _figures(e)) for e in plan.exports)


def held(plan: Plan) -> dict[str, tuple[int, int]]:
    """Give the people and the requests of every connection of a plan."""
    return {c.name: _totals(c) for c in plan.connections}


def _totals(connection: ConnectionPlan) -> tuple[int, int]:
    return connection.people, connection.requests.total


def _figures(export: ExportPlan) -> dict[str, int]:
    counts = export.profiles
    figures = Counter(new=counts.create, changed=counts.update, leaving=counts.leave)
    for segment in export.segments:
        figures[f"added to {segment.name}"] += segment.add
        figures[f"removed from {segment.name}"] += segment.remove
    return dict(figures)


def sealed(plan: Sealed, digests: Digests) -> bytes:
    """Give the file of a saved plan."""
    return _closed(
        {
            "kind": KIND,
            "format": FORMAT,
            "key": digests.mark,
            "created": plan.created.isoformat(),
            "project": plan.project,
            "state": {"lineage": plan.lineage, "serial": plan.serial},
            "commit": plan.commit,
            "declarations": plan.declarations,
            "request": {
                "exports": list(plan.exports),
                "trigger": plan.trigger,
                "refresh": plan.refresh,
                "allow": [[a.export, a.rule, a.reason, a.figure] for a in plan.allowances],
                **({} if plan.shard.whole else {"shard": [plan.shard.number, plan.shard.count]}),
            },
            "checksum": plan.checksum,
            "exports": [[e.name, e.connection, e.action, e.figures] for e in plan.reviewed],
            "connections": plan.connections,
        },
        digests,
    )


def unsealed(file: bytes, digests: Digests | None) -> Sealed:
    """Give what a file holds, when its seal is right; `digests` None: there is no key. Raises PlanRefused."""
    document = _document(file)
    if document["format"] > FORMAT:
        raise PlanRefused(NEWER)
    if digests is None:
        raise PlanRefused(NO_KEY)
    try:
        told = {name: value for name, value in document.items() if name != "seal"}
        whole = hmac.compare_digest(_closed(told, digests), file)
    except RecursionError:
        whole = False
    if not whole:
        raise PlanRefused(EDITED if document.get("key") == digests.mark else OTHER_KEY)
    return _plan(told)


def recognised(file: bytes) -> bool:
    """Tell whether a file is a saved plan at all, sealed or not."""
    try:
        _document(file)
    except PlanRefused:
        return False
    return True


def seal_of(file: bytes) -> str:
    """Give the seal by which a saved plan is known once it is used; the file was unsealed."""
    seal: str = json.loads(file)["seal"]
    return seal


def _closed(document: dict[str, Any], digests: Digests) -> bytes:
    return _written(document | {"seal": digests.seal(_written(document)).hex()})


def _written(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, indent=1).encode() + b"\n"


def _document(file: bytes) -> dict[str, Any]:
    try:
        document = json.loads(file) if len(file) <= LARGEST else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("kind") != KIND or type(document.get("format")) is not int:
        raise PlanRefused(NO_PLAN)
    return document


def _plan(told: dict[str, Any]) -> Sealed:
    """Read what we sealed ourselves; a shape that is not ours was sealed by another version."""
    try:
        request, state = told["request"], told["state"]
        return Sealed(
            created=_moment(told["created"]),
            project=told["project"],
            lineage=state["lineage"],
            serial=state["serial"],
            commit=told["commit"],
            declarations=told["declarations"],
            exports=tuple(request["exports"]),
            trigger=request["trigger"],
            refresh=request["refresh"],
            allowances=tuple(Allowance(*one) for one in request["allow"]),
            checksum=told["checksum"],
            reviewed=tuple(Reviewed(*one) for one in told["exports"]),
            connections={name: (people, requests) for name, (people, requests) in told["connections"].items()},
            shard=Shard(*request.get("shard", (1, 1))),  # left out where it is everything
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise PlanRefused(NO_PLAN) from None


def _moment(text: str) -> dt.datetime:
    """Read a point in time. Raises ValueError, also for one without a zone, which is none."""
    found = dt.datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found
