"""Reads back what `plan --output json` printed, so that one plan can be shown in many places. It decides nothing."""

from __future__ import annotations

import json
import re
from typing import Any

from reconciler.core.diagnostics import Diagnostic, Severity, Where
from reconciler.core.errors import ReconcilerError
from reconciler.core.plan import (
    Action,
    ConnectionPlan,
    Counts,
    ExportDrift,
    ExportPlan,
    ListDrift,
    Look,
    Plan,
    Reason,
    Requests,
    SegmentPlan,
    Waiver,
)
from reconciler.report.escape import FORMAT

_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_COUNTS = ("desired", "create", "update", "unchanged", "leave", "kept")


def reread(text: str) -> tuple[Plan, str]:
    """Give the plan and its checksum. The plan's own is another: the JSON does not name the people.

    Raises ReconcilerError for what is not the JSON of a plan.
    """
    try:
        document = json.loads(text)
        _recognise(document)
        exports = [_export(each) for each in document["exports"]]
        connections = tuple(_connection(each, exports) for each in document["connections"])
        idle = tuple(export for export in exports if not export.connection)
        plan = Plan(connections, idle, tuple(_diagnostic(each) for each in document["diagnostics"]))
        return plan, _checked(document["checksum"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ReconcilerError("this is not what `reconciler plan --output json` prints") from None


def _recognise(document: dict[str, Any]) -> None:
    if (document["format"], document["command"]) != (FORMAT, "plan"):
        raise ValueError


def _checked(checksum: str) -> str:
    if not _CHECKSUM.fullmatch(checksum):
        raise ValueError
    return checksum


def _connection(each: dict[str, Any], exports: list[ExportPlan]) -> ConnectionPlan:
    return ConnectionPlan(
        name=each["name"],
        display_name=each["displayName"],
        people=int(each["profiles"]["desired"]),
        limit=int(each["profiles"]["limit"]),
        rate=float(each["requestsPerSecond"]),
        requests=Requests(**{kind: int(amount) for kind, amount in each["requestsBy"].items()}),
        bulk_lists=each["bulkLists"],
        requests_if_not=int(each["requestsIfNot"]),
        exports=tuple(export for export in exports if export.connection == each["name"]),
        look=None if each["look"] is None else Look(int(each["look"]["lists"]), int(each["look"]["requests"])),
    )


def _export(each: dict[str, Any]) -> ExportPlan:
    return ExportPlan(
        name=each["name"],
        connection=each["connection"] or "",
        action=Action(each["action"]),
        reasons=tuple(_reason(rule) for rule in each["rules"]),
        profiles=Counts(*(int(each["profiles"][name]) for name in _COUNTS)),
        excluded={name: int(people) for name, people in each["excluded"].items()},
        segments=tuple(_segment(segment) for segment in each["segments"]),
        renamed_from=each["renamedFrom"],
        notes=tuple(each["notes"]),
        allowed=tuple(Waiver(w["rule"], int(w["figure"]), w["message"], w["reason"]) for w in each["allowed"]),
        drift=None if each["drift"] is None else _drift(each["drift"]),
    )


def _segment(each: dict[str, Any]) -> SegmentPlan:
    members, add, remove = (int(each[name]) for name in ("members", "add", "remove"))
    return SegmentPlan(each["name"], each["list"], members, add, remove, bool(each["new"]))


def _drift(each: dict[str, Any]) -> ExportDrift:
    lists = (
        ListDrift(one["list"], int(one["takenOff"]), int(one["added"]), one["renamedTo"] or "", bool(one["vanished"]))
        for one in each["lists"]
    )
    return ExportDrift(tuple(lists), int(each["contacts"]))


def _reason(each: dict[str, Any]) -> Reason:
    return Reason(each["rule"], each["message"], _where(each["where"]), each["mend"], _where(each["mendAt"]))


def _where(each: dict[str, Any] | None) -> Where | None:
    return None if each is None else Where(each["file"], int(each["line"]), int(each["column"]))


def _diagnostic(each: dict[str, Any]) -> Diagnostic:
    where = Where(each["file"], int(each["line"]), int(each["column"]))
    return Diagnostic(where, each["rule"], each["message"], Severity(each["severity"]))
