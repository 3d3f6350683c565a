"""Decides how the lock's holder, the ledger's health and its copies read: as text, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.report.escape import FORMAT, dumps, visible
from reconciler.report.layout import Line, plain, rendered, table
from reconciler.report.words import moment, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.core.custody import Copy, Health, Holder

_WORDS: Mapping[str, str] = {
    "claims": "people in exports",
    "contacts": "people",
    "foreign_members": "memberships of others",
    "intents": "requests in doubt",
    "rejects": "people refused",
}


def holder_text(holder: Holder) -> str:
    """Say who holds the lock, in one line."""
    if holder.since is None:
        return "The lock is held by a process that has not said who it is."
    alive = {None: "on another machine", True: "which is running", False: "which is not to be seen"}[holder.running]
    lease = "ran out" if holder.expired else "lasts until"
    return (
        f"The lock is held by {visible(holder.who)} on {visible(holder.host)} since {moment(holder.since)}: "
        f"process {holder.pid}, {alive}; its lease {lease} {moment(holder.expires)}."
    )


def unlock_json(holder: Holder | None, *, unlocked: bool) -> str:
    """Give what `unlock` found, and whether it took the lock away."""
    return dumps({"format": FORMAT, "command": "unlock", "holder": _holder(holder), "unlocked": unlocked})


def check_text(health: Health) -> str:
    """Give the health of the ledger: what is wrong first, then what is in it."""
    lines = [*_verdict(health), *_contents(health)]
    if health.behind:
        lines.append(plain(f"{number(health.behind)} lists are read again before anybody is taken off them."))
    if health.holder is not None:
        lines.append(plain(holder_text(health.holder)))
    kept = copies_text(health.copies)
    return rendered(lines, color=False) + kept


def check_json(health: Health) -> str:
    """Give the health of the ledger."""
    found = health.identity
    return dumps(
        {
            "format": FORMAT,
            "command": "state check",
            "sound": not health.faults,
            "faults": list(health.faults),
            "lineage": found.lineage if found else None,
            "serial": found.serial if found else None,
            "state_format": found.format if found else None,
            "sealed": health.sealed,
            "counts": dict(health.counts),
            "lists_behind": health.behind,
            "holder": _holder(health.holder),
            "copies": [_copy(copy) for copy in health.copies],
        }
    )


def copies_text(copies: Sequence[Copy]) -> str:
    """Give the good copies, the newest first."""
    if not copies:
        return "No copies are kept yet.\n"
    rows = [
        [str(c.serial), moment(c.made) if c.made else "-", number(c.people), visible(c.fault) or "good"] for c in copies
    ]
    if not any(copy.connection for copy in copies):
        return rendered(table(("COPY", "MADE", "PEOPLE", "STATE"), rows, "><><"), color=False)
    rows = [[visible(c.connection), *row] for c, row in zip(copies, rows, strict=True)]
    return rendered(table(("CONNECTION", "COPY", "MADE", "PEOPLE", "STATE"), rows, "<><><"), color=False)


def copies_json(copies: Sequence[Copy]) -> str:
    """Give the good copies, the newest first."""
    return dumps({"format": FORMAT, "command": "state restore", "copies": [_copy(copy) for copy in copies]})


def _verdict(health: Health) -> list[Line]:
    if health.faults:
        return [plain(f"fault: {visible(fault)}") for fault in health.faults]
    if health.identity is None:
        return [plain("Nothing is recorded yet.")]
    seal = "as the last run left it" if health.sealed else "not sealed: a run is at work, or was cut off"
    return [plain(f"The state is sound, and {seal}.")]


def _contents(health: Health) -> list[Line]:
    found = health.identity
    if found is None:
        return []
    facts = [f"format {found.format}, lineage {visible(found.lineage)}, serial {number(found.serial)}"]
    if health.counts:
        facts.append(", ".join(f"{number(n)} {_WORDS.get(what, what)}" for what, n in health.counts.items()))
    return [plain(f"  {fact}") for fact in facts]


def _copy(copy: Copy) -> dict[str, Any]:
    return {
        "serial": copy.serial,
        "made": copy.made.isoformat() if copy.made else None,
        "connection": copy.connection,
        "people": copy.people,
        "good": not copy.fault,
        "fault": copy.fault,
    }


def _holder(holder: Holder | None) -> dict[str, Any] | None:
    if holder is None:
        return None
    return {
        "who": holder.who,
        "host": holder.host,
        "process": holder.pid,
        "since": holder.since.isoformat() if holder.since else None,
        "expires": holder.expires.isoformat() if holder.expires else None,
        "expired": holder.expired,
        "running": holder.running,
    }
