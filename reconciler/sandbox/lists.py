"""Decides how the calls about lists, smart segments, hooks and the account are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.sandbox.answers import NO_CONTACT, NO_HOOK, NO_LIST, NO_SEGMENT, Answer, Refusal, error, ok
from reconciler.sandbox.call import Call, page

if TYPE_CHECKING:
    from collections.abc import Callable


def make(call: Call) -> Answer:
    """POST /list."""
    title = call.text("name")
    with call.world.reading():  # the title is looked up and taken in one hold of the lock
        twins = call.world.lists_titled(title)
        if twins and call.switches.twin_titles == "conflict":
            raise Refusal(error(409, "A list with this name exists."))
        existing = bool(twins) and call.switches.twin_titles == "existing"
        list_id = twins[0] if existing else call.world.add_list(title)
    if call.switches.list_answer == "message":
        return ok({"message": "The list is being made."})
    return ok({"list_id": list_id, "name": title})


def read_all(call: Call) -> Answer:
    """GET /lists."""
    with call.world.reading() as state:
        return ok({"lists": [{"list_id": one.id, "title": one.title} for one in state.lists.values()]})


def read_members(call: Call) -> Answer:
    """GET /list/{id}/contacts and /{bookmark}."""
    with call.world.reading() as state:
        listing = state.lists.get(call.args[0])
        if listing is None:
            raise Refusal(_unknown(call))
        return page(state, listing.members, next(iter(call.args[1:]), None))


def is_member(call: Call) -> Answer:
    """GET /list/{id}/contact/{contact}."""
    list_id, who = call.args
    with call.world.reading() as state:
        listing, contact = state.lists.get(list_id), call.world.find(who)
        if listing is None:
            raise Refusal(_unknown(call))
        if contact is None or contact.id not in listing.members:
            raise Refusal(NO_CONTACT)
    return ok({})


def _unknown(call: Call) -> Answer:
    return NO_LIST if call.switches.unknown_list == "text" else Answer(404)


def join(call: Call) -> Answer:
    """POST /list/{id}/contact/{contact}."""
    return _change(call, call.world.add_member)


def leave(call: Call) -> Answer:
    """DELETE /list/{id}/contact/{contact}."""
    return _change(call, call.world.remove_member)


def _change(call: Call, change: Callable[[str, str], bool]) -> Answer:
    list_id, who = call.args
    with call.world.reading():
        if not call.world.has_list(list_id):
            raise Refusal(NO_LIST)
        if call.world.find(who) is None:
            raise Refusal(NO_CONTACT)
        changed = change(list_id, who)
    return ok({} if changed or not call.switches.not_modified else {"not_modified": True})


def segments(call: Call) -> Answer:
    """GET /smart_segments."""
    with call.world.reading() as state:
        return ok({"segments": [{"segment_id": one.id, "title": one.title} for one in state.segments.values()]})


def segment_members(call: Call) -> Answer:
    """GET /smart_segments/{id}/contacts and /{bookmark}."""
    with call.world.reading() as state:
        segment = state.segments.get(call.args[0])
        if segment is None:
            raise Refusal(NO_SEGMENT)
        return page(state, segment.members, next(iter(call.args[1:]), None))


def account(call: Call) -> Answer:
    """GET /account."""
    number = call.account.number
    return ok({"instanceId": f"sandbox-{number}", "fullName": f"Sandbox {number}", "email": "sandbox@example.com"})


def add_hook(call: Call) -> Answer:
    """POST /hook."""
    return ok({"hook_id": call.world.add_hook(call.text("event"), call.text("target_url"))})


def hooks(call: Call) -> Answer:
    """GET /hooks."""
    with call.world.reading() as state:
        found = list(state.hooks.values())
    return ok({"hooks": [{"hook_id": one.id, "event": one.event, "target_url": one.target_url} for one in found]})


def remove_hook(call: Call) -> Answer:
    """DELETE /hook/{id}."""
    if not call.world.remove_hook(call.args[0]):
        raise Refusal(NO_HOOK)
    return ok({})
