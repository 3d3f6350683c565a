"""A population that changes at random, in two exports that share people and a list; and what should be true of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.project import connection, export, segment, source

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from reconciler.sandbox.world import World

COLUMNS = ("id", "email", "first", "tier", "company", "gold", "buyer", "agrees")
TIER = "Loyalty Tier"
TITLES = ("all", "Gold")
RATE = 100


@dataclass
class Someone:
    """One profile; `there` says whether the source knows it at all."""

    email: str
    first: str
    tier: str
    company: str
    gold: bool
    buyer: bool
    agrees: bool
    there: bool = True

    def change(self, rng: random.Random) -> None:
        """Join, leave, change a value, withdraw consent, or come back."""
        match rng.randrange(7):
            case 0 | 1:
                self.there = not self.there
            case 2:
                self.first = f"First{rng.randrange(4)}"
            case 3:
                self.tier = rng.choice(["gold", "silver", "blue"])
                self.company = f"Company {rng.randrange(3)}"
            case 4:
                self.gold = not self.gold
            case 5:
                self.buyer = not self.buyer
            case _:
                self.agrees = not self.agrees


class Population:
    """`shop` says whether the second export is declared."""

    def __init__(self, rng: random.Random, size: int) -> None:
        self._rng = rng
        self.shop = True
        self.people = [
            Someone(f"person{n:04}@example.com", "First0", "blue", "Company 0", n % 3 == 0, n % 4 == 0, n % 11 != 0)
            for n in range(size)
        ]

    def change(self) -> int:
        """Change a random share of the people, now and then which exports there are, and say how many changed."""
        share = self._rng.choice([0.05, 0.2, 0.5, 0.9])
        changing = [someone for someone in self.people if self._rng.random() < share]
        for someone in changing:
            someone.change(self._rng)
        if self._rng.random() < 0.15:
            self.shop = not self.shop
        return len(changing)

    def documents(self, url: str) -> Iterator[dict[str, Any]]:
        """Declare it."""
        limits = {"requestsPerSecond": RATE}
        yield connection(url=url, fields=("Email", "FirstName", "Company", TIER), limits=limits)
        yield source()
        yield segment("all", "first <> ''")
        yield segment("gold", "gold = 'Y'")
        match = {"Email": "email", "FirstName": "first", TIER: {"column": "tier", "type": "string"}}
        consent = {"column": "agrees", "equals": "Y"}
        uses = ["all", {"name": "gold", "list": "Gold"}]
        yield export("news", uses, match, consent=consent, allowEmpty=True)
        if self.shop:
            yield segment("buyers", "buyer = 'Y'")
            bought = {"Email": "email", "Company": "company"}
            yield export("shop", [{"name": "buyers", "list": "Gold"}], bought, allowEmpty=True)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Give the table of profiles."""
        for p in self.people:
            if p.there:
                flags = ["Y" if flag else "N" for flag in (p.gold, p.buyer, p.agrees)]
                yield (p.email, p.email, p.first, p.tier, p.company, *flags)

    def on(self, title: str) -> set[str]:
        """Say who belongs on a list."""
        there = [p for p in self.people if p.there]
        news = {p.email for p in there if p.agrees and (p.gold or title == "all")}
        return news | {p.email for p in there if self.shop and p.buyer and title == "Gold"}

    def check(self, world: World) -> None:
        """The account holds exactly what is declared."""
        for title in TITLES:
            assert len(world.lists_titled(title)) <= 1, f"{title} was made twice"
            assert world.members(title) == self.on(title), title
        for p in self.people:
            bought = self.shop and p.buyer and p.there
            if (p.there and p.agrees) or bought:
                contact = world.contact(p.email)
                assert contact is not None, "somebody was lost"
                if p.agrees:
                    assert contact.fields["FirstName"] == p.first
                    assert contact.custom["string--Loyalty--Tier"] == p.tier
                if bought:
                    assert contact.fields["Company"] == p.company
