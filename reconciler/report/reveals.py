"""Decides how `show --reveal` names people: the one report that does, for the eyes of whoever asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reconciler.report.escape import dumps, visible
from reconciler.report.layout import plain, rendered, table
from reconciler.report.runs import run_json
from reconciler.report.words import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.core.outcome import Revealed
    from reconciler.core.record import Reject, Run


def revealed_text(revealed: Sequence[Revealed], rejects: Sequence[Reject]) -> str:
    """Give everybody who was found again, and how many were not; to follow what `show` says of the run."""
    if not rejects:
        return "Nobody was rejected.\n"
    heads = ("ADDRESS", "PROFILE", "EXPORT", "REASON")
    rows = ((each.address, each.profile, each.reject.export, each.reject.reason) for each in revealed)
    lines = table(heads, [tuple(map(visible, row)) for row in rows], "<<<<") if revealed else []
    missing = len(rejects) - len(revealed)
    if missing:
        are = count(missing, "rejected person is", "rejected people are")
        lines = [*lines, plain(f"{are} not found in the source any more.")]
    return rendered([plain(""), *lines], color=False)


def revealed_json(run: Run, revealed: Sequence[Revealed], rejects: Sequence[Reject]) -> str:
    """Give `show --reveal` as JSON: as without, and for each rejected person address and profile, or null."""
    found = {(r.reject.connection, r.reject.export, r.reject.key): r for r in revealed}
    document = json.loads(run_json(run, rejects))
    for entry, reject in zip(document["rejects"], rejects, strict=True):
        person = found.get((reject.connection, reject.export, reject.key))
        entry["address"] = person.address if person else None
        entry["profile"] = person.profile if person else None
    return dumps(document | {"unfound": len(rejects) - len(revealed)})
