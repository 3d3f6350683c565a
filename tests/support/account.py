"""One project and the account that it goes to: what is declared, what is recorded, and what is true there."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

from support.hasty import HastyClock
from support.project import Project, connection, export, segment, source

from reconciler.sandbox.switches import Fault, Switches

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.core.record import Run
    from reconciler.sandbox.server import Sandbox
    from reconciler.sandbox.world import World

COLUMNS = ("id", "email", "first", "all", "odd")
KEYS = count(1)
Table = dict[str, tuple[str, bool]]
"""First name, and whether the person is in `odd` too, by address."""


def crowd(size: int, name: str = "Blue") -> Table:
    """Give so many people, every second one in `odd`."""
    return {f"person{n:03}@example.com": (name, n % 2 == 1) for n in range(size)}


class Account:
    """One project, the account that it goes to, and what is declared in it now."""

    def __init__(self, server: Sandbox, root: Path) -> None:
        key = f"{next(KEYS):032x}"
        self.server = server
        self.world: World = server.account(key)
        self.project = Project(root, server.url, {"AUTOPILOT_API_KEY": key}, HastyClock())
        self.declare_titles("all", "odd")
        self.table: Table = {}
        self.behave()

    def behave(self, *faults: Fault, **switches: object) -> None:
        """Let the server be as told, and forget what it was asked so far."""
        self.server.switches = Switches(rate=0, faults=faults, **switches)  # type: ignore[arg-type]  # named as there
        self.server.forget_requests()

    def declare_titles(self, *titles: str) -> None:
        """Let the export have these lists: `odd` holds some of the people, every other holds all."""
        uses = [{"name": "odd" if title == "odd" else "all", "list": title} for title in titles]
        self.project.declare(
            connection(url=self.server.url, fields=("Email", "FirstName")),
            source(),
            segment("all", "\"all\" = 'Y'"),
            segment("odd", "odd = 'Y'"),
            export("news", uses, {"Email": "email", "FirstName": "first"}, allowEmpty=True),
        )

    def declare(self, table: Table) -> None:
        """Let these people be the profiles."""
        self.table = table
        flags = {True: "Y", False: "N"}
        self.project.people(COLUMNS, [(mail, mail, name, "Y", flags[odd]) for mail, (name, odd) in table.items()])

    def apply(self) -> Run:
        """Run once."""
        return self.project.apply()[1]

    def sent(self) -> int:
        """Count the contacts that were sent since the server was told how to behave."""
        return sum(entry.contacts for entry in self.server.requests)

    def recorded(self) -> dict[str, set[int]]:
        """Give the slots that are recorded, by address; every claim must be true in the world."""
        shop = self.project.shop()
        declarations = shop.declarations()
        digests, _ = shop.digests(self.project.root, make=False)
        with shop.recorded(declarations) as ledger:
            claims = list(ledger.claims("account"))
            lists = {entry.slot: entry.list_id for entry in ledger.lists("account")}
        with self.world.reading() as state:
            known = {c.email: c for c in state.contacts.values() if c.email}
        keys = {digests.person(email): email for email in known}
        for claim in claims:
            contact = known[keys[claim.key]]
            fields = {"Email": contact.email, "FirstName": contact.fields.get("FirstName")}
            held = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            assert claim.digest == digests.content(held), "a content is recorded that is not there"
            for slot in claim.slots:
                assert contact.email in self.world.members_of(lists[slot]), "a membership is recorded that is none"
        return {keys[claim.key]: set(claim.slots) for claim in claims}

    def check_declared(self) -> None:
        """The account holds exactly what is declared."""
        assert self.world.members("all") == set(self.table)
        assert self.world.members("odd") == {mail for mail, (_, odd) in self.table.items() if odd}
        for mail, (name, _) in self.table.items():
            contact = self.world.contact(mail)
            assert contact is not None
            assert contact.fields["FirstName"] == name
        assert max(len(self.world.lists_titled(title)) for title in ("all", "odd")) <= 1
