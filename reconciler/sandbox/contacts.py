"""Decides how the calls about contacts are answered."""

from __future__ import annotations

import json
from itertools import compress
from typing import TYPE_CHECKING

from reconciler.sandbox.answers import NO_CONTACT, NO_LIST, Answer, Refusal, error, ok
from reconciler.sandbox.call import PAGE, Call, flat, page
from reconciler.sandbox.rows import BadRow, Row, custom_field, read_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def write_one(call: Call) -> Answer:
    """POST /contact."""
    payload = call.object()
    if "contact" not in payload:
        raise Refusal(error(400, "No contact was provided."))
    try:
        row = read_row(payload["contact"])
    except BadRow as bad:
        raise Refusal(_refused(call, bad)) from None
    ids = _write(call, [row], [row.list_id])
    return ok({"contact_id": ids[0]})


def write_many(call: Call) -> Answer:
    """POST /contacts."""
    raw = call.object().get("contacts")
    if not isinstance(raw, list) or not raw:
        raise Refusal(error(400, "No contacts were provided."))
    call.contacts = len(raw)
    if len(raw) > PAGE:
        raise Refusal(error(400, f"At most {PAGE} contacts may be written at once."))
    rows = _good_rows(call, raw)
    ids = _write(call, rows, _bulk_lists(call, rows))
    sent = {(row.email if call.switches.map_keys == "lower" else row.sent): i for row, i in zip(rows, ids, strict=True)}
    found = {email: i for email, i in sent.items() if email}
    return ok({"contact_ids": ids, "email_contact_map": found, "_removeResultKeys": []})


def _good_rows(call: Call, raw: Iterable[object]) -> list[Row]:
    rows = []
    for one in raw:
        try:
            rows.append(read_row(one))
        except BadRow as bad:
            if call.switches.bad_row == "refuse":
                raise Refusal(_refused(call, bad)) from None
    return rows


def _bulk_lists(call: Call, rows: Sequence[Row]) -> list[str | None]:
    match call.switches.bulk_lists:
        case "honoured":
            return [row.list_id for row in rows]
        case "first":
            return [rows[0].list_id] * len(rows) if rows else []
        case "ignored":
            return [None] * len(rows)


def _write(call: Call, rows: list[Row], lists: list[str | None]) -> list[str]:
    call.contacts = call.contacts or len(rows)
    call.resubscribed = sum(row.unsubscribed is False for row in rows)
    named = {list_id for list_id in lists if list_id is not None}
    if call.switches.gone_list == "refuse" and not all(map(call.world.has_list, named)):
        raise Refusal(NO_LIST)
    return call.world.write(rows, lists, names_overwritten=call.switches.names_overwritten)


def _refused(call: Call, bad: BadRow) -> Answer:
    return error(400, f"{bad} ({bad.quoted})" if call.switches.quote_bad and bad.quoted else str(bad))


def partial(answer: Answer) -> Answer:
    """Leave every second person out of the answer of a bulk write."""
    payload = json.loads(answer.body or b"null")
    if not isinstance(payload, dict) or "email_contact_map" not in payload:
        return answer
    people = payload["email_contact_map"]
    kept = dict(compress(people.items(), (i % 2 for i in range(len(people)))))
    return ok({**payload, "contact_ids": list(kept.values()), "email_contact_map": kept}, answer.status)


def read_one(call: Call) -> Answer:
    """GET /contact/{id or email}."""
    contact = call.world.find(call.args[0])
    if contact is None:
        raise Refusal(NO_CONTACT)
    with call.world.reading() as state:
        return ok(flat(state, contact))


def delete_one(call: Call) -> Answer:
    """DELETE /contact/{id or email}."""
    if not call.world.remove_contact(call.args[0]):
        raise Refusal(NO_CONTACT)
    return ok({}, call.switches.delete_status)


def unsubscribe(call: Call) -> Answer:
    """POST /contact/{id or email}/unsubscribe."""
    if not call.world.unsubscribe(call.args[0]):
        raise Refusal(NO_CONTACT)
    return ok({})


def read_all(call: Call) -> Answer:
    """GET /contacts and GET /contacts/{bookmark}."""
    with call.world.reading() as state:
        return page(state, state.order, next(iter(call.args), None))


def custom_fields(call: Call) -> Answer:
    """GET /contacts/custom_fields."""
    with call.world.reading() as state:
        found = [one for key in state.custom if (one := custom_field(key)) is not None]
    return ok([{"fieldType": one.type, "key": one.key, "name": one.name} for one in found])
