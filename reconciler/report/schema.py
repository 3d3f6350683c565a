"""Decides the published shape of every JSON the commands print: JSON Schema, draft 2020-12.

Objects are open, because keys may be added within a format; every key that is described is always there.
"""

from __future__ import annotations

import json
from typing import Any

from reconciler.core.plan import EXCLUSIONS, Action
from reconciler.core.record import RunStatus
from reconciler.core.roles import Role
from reconciler.core.status import WORDS
from reconciler.report.escape import FORMAT

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number", "minimum": 0}
_TIME: Schema = {"type": "string", "format": "date-time"}
_CHECKSUM: Schema = {"type": "string", "description": "SHA-256 over canonical JSON of the plan, in hexadecimal"}
_SNAPSHOT: Schema = {"type": "string", "description": "which data was read: a version, a time; empty: none"}
_STATUS: Schema = {"enum": [status.value for status in RunStatus]}
_ACTION: Schema = {"enum": [action.value for action in Action]}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _counts(*names: str) -> Schema:
    return _object(**dict.fromkeys(names, _COUNT))


_PLACE = _object(file=_TEXT, line=_COUNT, column=_COUNT)
_PLACE_OR_NONE = _or_null(_PLACE)
_EXCLUDED: Schema = _counts(*EXCLUSIONS) | {"additionalProperties": _COUNT}

_DIAGNOSTICS = _many(
    _object(file=_TEXT, line=_COUNT, column=_COUNT, severity={"enum": ["error", "warning"]}, rule=_TEXT, message=_TEXT)
)

_CONNECTION = _object(
    name=_TEXT,
    displayName=_TEXT,
    profiles=_counts("desired", "limit") | {"description": "distinct people over all exports of the connection"},
    requests=_COUNT,
    seconds=_NUMBER | {"description": "the least time that the connection's rate allows"},
    requestsPerSecond=_NUMBER,
    requestsBy=_counts("lists", "checks", "bulk", "single", "joins", "removals"),
    bulkLists=_or_null(_FLAG) | {"description": "whether bulk requests carry their list; null: not known yet"},
    requestsIfNot=_COUNT | {"description": "what `requests` would be if bulk requests did not carry their list"},
    look=_or_null(_counts("lists", "requests"))
    | {"description": "what it took to look for drift; null: --refresh was not given"},
)

_LIST_DRIFT = _object(list=_TEXT, takenOff=_COUNT, added=_COUNT, renamedTo=_or_null(_TEXT), vanished=_FLAG)

_EXPORT = _object(
    name=_TEXT,
    connection=_or_null(_TEXT) | {"description": "null: the export is detached"},
    action=_ACTION,
    reasons=_many(_TEXT) | {"description": "sentences: why it is blocked or skipped, where, and who mends it"},
    rules=_many(_object(rule=_TEXT, message=_TEXT, where=_PLACE_OR_NONE, mend=_TEXT, mendAt=_PLACE_OR_NONE))
    | {"description": "the reasons, in their parts"},
    profiles=_counts("desired", "create", "update", "unchanged", "leave", "kept"),
    excluded=_EXCLUDED,
    segments=_many(_object(name=_TEXT, list=_TEXT, members=_COUNT, add=_COUNT, remove=_COUNT, new=_FLAG)),
    renamedFrom=_or_null(_TEXT),
    notes=_many(_TEXT),
    allowed=_many(_object(rule=_TEXT, figure=_COUNT, message=_TEXT, reason=_TEXT))
    | {"description": "the safety rules that were let through with `--allow`, and why"},
    drift=_or_null(_object(contacts=_COUNT, lists=_many(_LIST_DRIFT)))
    | {"description": "how Autopilot differs from what is recorded; null: nobody looked, or nothing was recorded"},
    snapshot=_SNAPSHOT,
)

_OUTCOME = _object(status=_STATUS, sent=_COUNT, rejected=_COUNT)

_APPLIED = _object(
    run=_TEXT | {"description": "the id that `reconciler show` takes"},
    status=_STATUS,
    trigger=_TEXT,
    started=_TIME,
    ended=_or_null(_TIME),
    requests=_COUNT,
    seconds=_or_null(_NUMBER),
    exports=_many(_OUTCOME),
)

_RUN = _object(
    id=_TEXT,
    started=_TIME,
    ended=_or_null(_TIME),
    seconds=_or_null(_NUMBER),
    trigger=_TEXT,
    status=_STATUS,
    checksum=_CHECKSUM,
    requests=_COUNT,
    exports=_many(
        _object(
            name=_TEXT,
            connection=_or_null(_TEXT),
            action=_TEXT,
            status=_STATUS,
            profiles=_counts("create", "update", "unchanged", "leave"),
            sent=_COUNT,
            rejected=_COUNT,
            excluded=_EXCLUDED,
            reasons=_many(_TEXT),
            allowed=_many(_TEXT),
            snapshot=_SNAPSHOT,
        )
    ),
)

_STATUS_ROW = _object(
    name=_TEXT,
    connection=_or_null(_TEXT),
    type=_TEXT,
    status={"enum": list(WORDS)},
    people=_COUNT | {"description": "people recorded"},
    pending=_COUNT | {"description": "people that the next run takes up again"},
    refreshed=_or_null(_TIME) | {"description": "when its last successful run ended; null: never"},
    schedule=_TEXT,
    detail=_TEXT,
    due=_FLAG | {"description": "whether the next `apply --trigger schedule` runs it by its schedule"},
    next_due=_or_null(_TIME) | {"description": "the next scheduled time, with the offset of its zone"},
    overdue=_or_null(_TIME) | {"description": "the scheduled time that went by without a run; null: none did"},
    overdue_seconds=_or_null(_COUNT),
    skipped=_TEXT | {"description": "why the runs since its last real one left it out"},
)

_REJECT = _object(connection=_TEXT, export=_TEXT, person=_TEXT | {"description": "keyed digest"}, reason=_TEXT)

_RECEIPT = _object(name=_TEXT, done=_FLAG, lists=_COUNT, contact=_FLAG, reason=_or_null(_TEXT))


def _document(title: str, commands: list[str], **properties: Schema) -> Schema:
    shape = _object(format={"const": FORMAT}, command={"enum": commands}, **properties)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title} | shape


def _of_people() -> dict[str, Schema]:
    """Give the schemas of what is done about people outside of a run."""
    return {
        "forget.schema.json": _document(
            "What `reconciler forget --output json` prints",
            ["forget"],
            run=_TEXT,
            person=_TEXT | {"description": "the beginning of the keyed digest"},
            suppressed=_FLAG,
            done=_FLAG | {"description": "whether the person is erased in every connection"},
            connections=_many(_RECEIPT),
        ),
        "import.schema.json": _document(
            "What `reconciler import --output json` prints",
            ["import"],
            run=_TEXT,
            export=_TEXT,
            segment=_TEXT,
            connection=_TEXT,
            list=_object(title=_TEXT, id=_TEXT),
            members=_counts("wanted", "unwanted", "nameless"),
        ),
    }


def schemas() -> dict[str, Schema]:
    """Give each schema under its file name."""
    plan = _document(
        "What `reconciler plan --output json` and `reconciler apply --output json` print",
        ["plan", "apply"],
        checksum=_CHECKSUM,
        changes=_FLAG | {"description": "whether a run would send or record anything"},
        connections=_many(_CONNECTION),
        exports=_many(_EXPORT),
        diagnostics=_DIAGNOSTICS,
    )
    applied = {"properties": {"command": {"const": "apply"}}, "required": ["command"]}
    status = _object(name=_TEXT, displayName=_TEXT, profiles=_counts("recorded", "limit"))
    return {
        "plan.schema.json": plan | {"if": applied, "then": _APPLIED},
        "status.schema.json": _document(
            "What `reconciler status --output json` prints",
            ["status"],
            connections=_many(status),
            exports=_many(_STATUS_ROW),
        ),
        "history.schema.json": _document(
            "What `reconciler history --output json` prints", ["history"], runs=_many(_RUN)
        ),
        "show.schema.json": _document(
            "What `reconciler show --output json` prints", ["show"], run=_RUN, rejects=_many(_REJECT)
        ),
        **_of_people(),
        "authorize.schema.json": _document(
            "What `reconciler authorize --output json` prints",
            ["authorize"],
            allowed=_FLAG,
            base=_TEXT | {"description": "the commit's id"},
            head=_TEXT | {"description": "the commit's id"},
            actors=_many(_object(name=_TEXT, role={"enum": [role.value for role in Role]})),
            diagnostics=_DIAGNOSTICS,
        ),
        "validate.schema.json": _document(
            "What `reconciler validate --output json` prints", ["validate"], valid=_FLAG, diagnostics=_DIAGNOSTICS
        ),
    }


def documents() -> dict[str, str]:
    """Give the text of each schema under its file name in `schemas/`."""
    return {name: json.dumps(schema, indent=2) + "\n" for name, schema in schemas().items()}
