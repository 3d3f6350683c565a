"""Random declared worlds, and what is to be true in Autopilot after each: plain sets, kept apart from the product."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from support.project import connection, export, segment, source

COLUMNS = ("id", "email", "first", "phone", "one", "two", "agrees")
UNIVERSE = 7
TITLES = ("one", "two", "eins")


@dataclass(frozen=True)
class Profile:
    """One row: whose address it has (None: no address), which segments it is in, and whether it agrees."""

    id: int
    number: int | None
    first: str
    phone: str
    one: bool
    two: bool
    agrees: bool

    @property
    def email(self) -> str:
        """Give the address."""
        return "" if self.number is None else f"person{self.number}@example.com"

    def row(self) -> tuple[object, ...]:
        """Give the values of COLUMNS, written as people write them."""
        flags = ["Y" if flag else "N" for flag in (self.one, self.two, self.agrees)]
        return (f"{self.id:04}", f" {self.email.upper()} ", self.first, self.phone, *flags)


profiles = st.lists(
    st.builds(
        Profile,
        id=st.integers(0, UNIVERSE + 2),
        number=st.sampled_from([*range(UNIVERSE), None]),
        first=st.sampled_from(["Blue", "Grün", 'Quo"ted']),
        phone=st.sampled_from(["", "001", "002"]),
        one=st.booleans(),
        two=st.booleans(),
        agrees=st.sampled_from([True, True, True, False]),
    ),
    unique_by=lambda profile: profile.id,
    max_size=UNIVERSE + 2,
)


@dataclass(frozen=True)
class Declared:
    """Which exports there are, what each sends, and how everything is called."""

    both: bool  # a second export, over a segment of the first, with a field of its own
    asks: bool  # the first export asks for the person's consent
    keeps: bool  # who leaves the first export stays
    keeps_retired: bool  # when the first export is deleted, its people stay
    first_there: bool  # the first export is declared at all
    suspended: bool  # the first export does not run
    export_renamed: bool
    segment_renamed: bool
    connection_renamed: bool

    @property
    def segment(self) -> str:
        """Give the name of the first segment."""
        return "eins" if self.segment_renamed else "one"

    def documents(self, url: str, account: str, former_account: str) -> list[dict[str, Any]]:
        """Write it down; each document names what it was called before."""
        name, former = ("erste", "first") if self.export_renamed else ("first", "erste")
        account_spec = connection(account, url, fields=("Email", "FirstName", "Phone"))
        account_spec["metadata"]["previousName"] = former_account
        documents = [
            account_spec,
            source(),
            segment(self.segment, "one = 'Y'", previousName="one" if self.segment_renamed else "eins"),
            segment("two", "two = 'Y'"),
        ]
        if self.first_there:
            documents.append(
                export(
                    name,
                    [self.segment, "two"],
                    {"Email": "email", "FirstName": "first"},
                    connection=account,
                    consent={"column": "agrees", "equals": "Y"} if self.asks else None,
                    allowEmpty=True,
                    onLeave="keep" if self.keeps else "remove",
                    onRetire="keep" if self.keeps_retired else "empty",
                    suspended=self.suspended,
                    metadata={"previousName": former},
                )
            )
        if self.both:
            match = {"Email": "email", "Phone": "phone"}
            documents.append(export("second", ["two"], match, connection=account, allowEmpty=True))
        return documents

    def wanted(self, name: str, rows: list[Profile]) -> dict[str, Profile]:
        """Say who is to be sent: the profile that speaks for each address."""
        members = [row for row in rows if row.email and (row.two or (row.one and name == "first"))]
        refused = {row.email for row in members if self.asks and name == "first" and not row.agrees}
        ordered = sorted(members, key=lambda row: row.id, reverse=True)
        return {row.email: row for row in ordered if row.email not in refused}


rarely = st.sampled_from([False, False, True])
declared = st.builds(
    Declared,
    both=st.booleans(),
    asks=st.booleans(),
    keeps=rarely,
    keeps_retired=rarely,
    first_there=rarely.map(lambda flag: not flag),
    suspended=rarely,
    export_renamed=st.booleans(),
    segment_renamed=st.booleans(),
    connection_renamed=rarely,
)


@dataclass
class Expectation:
    """What our own record says that we put where: kept apart from the product's, by plain sets."""

    ours: dict[str, dict[str, set[str]]] = field(default_factory=dict)  # export -> title -> addresses
    left: dict[str, set[str]] = field(default_factory=dict)  # title -> whom a retired export left there
    listed: set[str] = field(default_factory=set)  # titles of lists that we have found or made
    home: str | None = None  # the title of the first export's first list, which a renamed segment keeps
    keeps_retired: bool = False

    def on(self, title: str) -> set[str]:
        """Give whom any export wants or keeps on a list."""
        return set().union(*(lists.get(title, set()) for lists in self.ours.values()))

    def move(self, shape: Declared, rows: list[Profile]) -> None:
        """Bring everything up to date with one run."""
        past = {title: self.on(title) for title in TITLES}
        behind: dict[str, set[str]] = {}
        if not shape.first_there:
            gone = self.ours.pop("first", {})
            behind = gone if self.keeps_retired else {}
            self.home = None
        elif not shape.suspended:
            self.home = self.run("first", {"one": self.home or shape.segment, "two": "two"}, shape, rows)
            self.keeps_retired = shape.keeps_retired
        if shape.both:
            self.run("second", {"two": "two"}, shape, rows)
        else:
            self.ours.pop("second", None)
        for title in TITLES:
            stays = behind.get(title, set())
            taken_off = past[title] - self.on(title) - stays
            self.left[title] = (self.left.get(title, set()) - taken_off) | stays

    def run(self, name: str, titles: dict[str, str], shape: Declared, rows: list[Profile]) -> str | None:
        """Bring one export up to date; gives the title of its first list, once there is one."""
        wanted = shape.wanted(name, rows).values()
        now = {title: {row.email for row in wanted if getattr(row, flag)} for flag, title in titles.items()}
        if name == "first" and shape.keeps:
            past = self.ours.get(name, {})
            now = {title: members | past.get(title, set()) for title, members in now.items()}
        self.ours[name] = now
        self.listed |= {title for title, members in now.items() if members}
        first = next(iter(now))
        return first if first in self.listed else None
