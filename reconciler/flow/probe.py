"""Decides whether bulk items may carry their list, by a real check of the list's members.

Nothing is recorded anywhere about `_autopilot_list` inside the items of `POST /contacts`: it may work, and then a full
export costs a hundred times fewer requests; it may be ignored without a word. So people who are known not to be on the
list are sent in bulk with it, and then looked up on it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.core.ports import Clock, Destination, Item, Pushed

TRIES = 4
"""People looked up before the request at most, until two are found who are not on the list."""

PATIENCE = 1.0
"""Seconds until the members are read once more, should they show late, before the answer is no."""


class Probed(NamedTuple):
    """What a probe found out: whether the list was honoured, None: it could not be told; or that it was for nobody."""

    pushed: Pushed
    works: bool | None
    nobody: bool = False


def probe(destination: Destination, items: Sequence[Item], list_id: str, *, empty: bool, clock: Clock) -> Probed:
    """Send one batch with its list, and find out whether that put people on it.

    `empty` says that the list was made a moment ago, so nobody needs to be looked up before. Raises DestinationError.
    """
    suspects = _suspects(destination, items, list_id, empty=empty)
    pushed = destination.push(items, list_id)
    ids = [pushed.accepted[item.key] for item in suspects if item.key in pushed.accepted]
    if not ids:
        return Probed(pushed, None)
    on = _on(destination, list_id, ids)
    if not all(on):
        clock.sleep(PATIENCE)
        on = _on(destination, list_id, ids)
    return Probed(pushed, all(on), nobody=not any(on))


def _on(destination: Destination, list_id: str, ids: Sequence[str]) -> list[bool]:
    """Look everybody up at the same time, because nothing else can be sent meanwhile."""
    with ThreadPoolExecutor(len(ids)) as pool:
        return list(pool.map(lambda contact: destination.on_list(list_id, contact), ids))


def _suspects(destination: Destination, items: Sequence[Item], list_id: str, *, empty: bool) -> list[Item]:
    """Choose the first and the last who are not on the list yet: a server might honour only the first item."""
    ends = [items[0], items[-1]] if len(items) > 1 else list(items)
    if empty:
        return ends
    candidates = [*ends, *items[1:-1]][:TRIES]
    absent: list[Item] = []
    for item in candidates:
        if len(absent) < len(ends) and not destination.on_list(list_id, item.email):
            absent.append(item)
    return absent
