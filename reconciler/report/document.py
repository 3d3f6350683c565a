"""Decides the JSON of a plan and of what was applied. Keys are only added within a format, never taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.core.plan import EXCLUSIONS
from reconciler.report.diagnostics import diagnostic_objects, place_object
from reconciler.report.escape import FORMAT, dumps
from reconciler.report.words import elapsed, sentence

if TYPE_CHECKING:
    from reconciler.core.plan import ConnectionPlan, ExportDrift, ExportPlan, Plan, Reason
    from reconciler.core.record import ExportRun, Run


def plan_json(plan: Plan, run: Run | None = None) -> str:
    """Give the JSON of `plan`; with `run`, of the `apply` that carried it out."""
    return dumps(plan_document(plan, run))


def plan_document(plan: Plan, run: Run | None = None) -> dict[str, Any]:
    """Give the object that `plan_json` writes."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "command": "plan" if run is None else "apply",
        "checksum": plan.checksum,
        "changes": plan.changes,
        "connections": [_connection(connection) for connection in plan.connections],
        "exports": [_export(export) for export in plan.exports],
        "diagnostics": diagnostic_objects(plan.diagnostics),
    }
    if run is None:
        return document
    done = {(export.connection, export.export): export for export in run.exports}
    outcomes = [_outcome(done.get((export.connection, export.name))) for export in plan.exports]
    exports = [entry | outcome for entry, outcome in zip(document["exports"], outcomes, strict=True)]
    return document | {"exports": exports} | _run(run)


def _run(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "status": run.status.value,
        "trigger": run.trigger,
        "started": run.started.isoformat(),
        "ended": None if run.ended is None else run.ended.isoformat(),
        "requests": run.requests,
        "seconds": elapsed(run),
    }


def _outcome(done: ExportRun | None) -> dict[str, Any]:
    if done is None:  # what the run did not touch: detached, or not asked for
        return {"status": "Skipped", "sent": 0, "rejected": 0}
    return {"status": done.status.value, "sent": done.sent, "rejected": done.rejected}


def _connection(plan: ConnectionPlan) -> dict[str, Any]:
    requests = plan.requests
    return {
        "name": plan.name,
        "displayName": plan.display_name,
        "profiles": {"desired": plan.people, "limit": plan.limit},
        "requests": requests.total,
        "seconds": round(plan.seconds, 3),
        "requestsPerSecond": plan.rate,
        "requestsBy": {
            "lists": requests.lists,
            "checks": requests.checks,
            "bulk": requests.bulk,
            "single": requests.single,
            "joins": requests.joins,
            "removals": requests.removals,
        },
        "bulkLists": plan.bulk_lists,
        "requestsIfNot": plan.requests_if_not,
        "look": None if plan.look is None else {"lists": plan.look.lists, "requests": plan.look.requests},
    }


def _export(plan: ExportPlan) -> dict[str, Any]:
    counts = plan.profiles
    return {
        "name": plan.name,
        "connection": plan.connection or None,
        "action": plan.action.value,
        "reasons": [sentence(reason) for reason in plan.reasons],
        "rules": [_reason(reason) for reason in plan.reasons],
        "profiles": {
            "desired": counts.desired,
            "create": counts.create,
            "update": counts.update,
            "unchanged": counts.unchanged,
            "leave": counts.leave,
            "kept": counts.kept,
        },
        "excluded": {**dict.fromkeys(EXCLUSIONS, 0), **plan.excluded},
        "segments": [
            {"name": s.name, "list": s.list, "members": s.members, "add": s.add, "remove": s.remove, "new": s.new}
            for s in plan.segments
        ],
        "renamedFrom": plan.renamed_from,
        "notes": list(plan.notes),
        "allowed": [
            {"rule": w.rule, "figure": w.figure, "message": w.message, "reason": w.reason} for w in plan.allowed
        ],
        "drift": None if plan.drift is None else _drift(plan.drift),
        "snapshot": plan.snapshot,
    }


def _drift(drift: ExportDrift) -> dict[str, Any]:
    return {
        "contacts": drift.contacts,
        "lists": [
            {
                "list": one.list,
                "takenOff": one.taken_off,
                "added": one.added,
                "renamedTo": one.renamed or None,
                "vanished": one.vanished,
            }
            for one in drift.lists
        ],
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "rule": reason.rule,
        "message": reason.message,
        "where": place_object(reason.where),
        "mend": reason.mend,
        "mendAt": place_object(reason.mend_at),
    }
