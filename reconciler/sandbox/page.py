"""Decides how the page at / looks: accounts, lists and their members, without a script. Everything shown is escaped."""

from __future__ import annotations

import math
from html import escape
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from reconciler.sandbox.rows import custom_field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.sandbox.accounts import Account
    from reconciler.sandbox.state import Contact, Roll, State

SHOWN = 100

STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5d6878;--line:#dde3ea;--ground:#f5f7fa;--card:#fff;--mark:#0b62c4;
--warn:#a14700}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf2;--soft:#9aa7b8;--line:#2b3543;--ground:#10151c;--card:#19212b;
--mark:#7db7ff;--warn:#ffb37a}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.5rem 0 .75rem}
p{margin:.25rem 0 1rem;color:var(--soft)}a{color:var(--mark)}
details,section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;margin:.6rem 0;overflow:hidden}
summary{display:flex;gap:1rem;justify-content:space-between;padding:.7rem 1rem;cursor:pointer;font-weight:600}
summary span:first-child{overflow-wrap:anywhere}
.count{color:var(--soft);font-weight:400;font-variant-numeric:tabular-nums;white-space:nowrap}
.table{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem 1rem;border-top:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:500;font-size:.85rem}
.out{color:var(--warn);font-weight:600}.more{padding:.6rem 1rem;border-top:1px solid var(--line)}
nav{display:flex;gap:1.25rem;margin:1rem 0}
"""


def render(accounts: Sequence[Account], asked: Mapping[str, str]) -> str | None:
    """Give the page that the query asks for: all accounts, or one page of one account's list or of all its contacts.

    `asked` may hold `account` (a number), `list` (an id) and `page` (from 1). None when there is no such page.
    """
    if "account" not in asked:
        shown = "".join(_overview(account) for account in accounts)
        return _document("Autopilot, stand-in", f"<p>What each account holds. Reload to see it anew.</p>{shown}")
    try:
        number, page = int(asked["account"]), int(asked.get("page", "1"))
    except ValueError:
        return None
    account = next((one for one in accounts if one.number == number), None)
    if account is None or page < 1:
        return None
    with account.world.reading() as state:
        if "list" not in asked:
            return _people_page(state, state.order, page, f"Account {number}: all contacts", {"account": number})
        listing = state.lists.get(asked["list"])
        if listing is None:
            return None
        return _people_page(state, listing.members, page, listing.title, {"account": number, "list": listing.id})


def _overview(account: Account) -> str:
    with account.world.reading() as state:
        lists = "".join(_list(account, state, list_id) for list_id in state.lists)
        away = sum(contact.unsubscribed for contact in state.contacts.values())
        every = _link({"account": account.number}, _counted(len(state.contacts), "contact"))
        return (
            f"<h2>Account {account.number}</h2><p>{every}, {away:,} unsubscribed, {_counted(len(state.lists), 'list')}"
            f"</p>{lists}"
        )


def _list(account: Account, state: State, list_id: str) -> str:
    listing = state.lists[list_id]
    total = len(listing.members)
    where = {"account": account.number, "list": listing.id}
    rest = f'<div class="more">{_link({**where, "page": 2}, "The rest of them")}</div>' if total > SHOWN else ""
    return (
        f"<details open><summary><span>{escape(listing.title)}</span>"
        f'<span class="count">{_counted(total, "member")}</span></summary>'
        f"{_table(state, listing.members, 0)}{rest}</details>"
    )


def _people_page(state: State, roll: Roll, page: int, title: str, where: Mapping[str, object]) -> str | None:
    pages = max(1, math.ceil(len(roll) / SHOWN))
    if page > pages:
        return None
    steps = [_link({}, "All lists")]
    if page > 1:
        steps.append(_link({**where, "page": page - 1}, "Previous"))
    if page < pages:
        steps.append(_link({**where, "page": page + 1}, "Next"))
    nav = f"<nav>{''.join(steps)}</nav>"
    return _document(
        title,
        f"<p>{_counted(len(roll), 'contact')}, page {page:,} of {pages:,}</p>{nav}"
        f"<section>{_table(state, roll, (page - 1) * SHOWN)}</section>{nav}",
    )


def _table(state: State, roll: Roll, start: int) -> str:
    rows = "".join(_row(state.contacts[entry]) for entry in islice(roll, start, start + SHOWN))
    if not rows:
        return ""
    heads = "".join(f"<th>{head}</th>" for head in ("Email", "Name", "Other fields", "Mail"))
    return f'<div class="table"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(contact: Contact) -> str:
    fields = dict(contact.fields)
    email = str(fields.pop("Email", ""))
    name = " ".join(str(fields.pop(part)) for part in ("FirstName", "LastName") if part in fields)
    named = {found.name: value for key, value in contact.custom.items() if (found := custom_field(key)) is not None}
    others = "; ".join(f"{key}: {value}" for key, value in {**fields, **named}.items())
    mail = '<span class="out">unsubscribed</span>' if contact.unsubscribed else "subscribed"
    return f"<tr><td>{escape(email)}</td><td>{escape(name)}</td><td>{escape(others)}</td><td>{mail}</td></tr>"


def _link(query: Mapping[str, object], text: str) -> str:
    target = f"/?{urlencode(query)}" if query else "/"
    return f'<a href="{escape(target)}">{escape(text)}</a>'


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _document(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
