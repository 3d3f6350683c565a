"""People whose values try to get out, and what must be found of them nowhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from support.gossip import MARK, SAYINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COLUMNS = ("id", "email", "first", "last", "phone", "company", "tier", "odd", "agrees")
VALUES = COLUMNS[:7]
"""The columns that say something about somebody."""

HOSTILE = (
    "{}",
    "\x1b[31m{}\x1b[0m\x1b]0;{}\x07",
    "**{}** [x](http://example.com) @{}",
    "<script>alert('{}')</script>",
    "::set-env name=x::{}",
    "##vso[task.setvariable]{}",
    '=HYPERLINK("{}";A1)',
    "@SUM({})|`{}`",
    "{}\r\nsecond line",
    "Ünïc{}ödé ß",
    "\u202e{}\u2066",
    "quo\"ted' {} \\ %40 &amp; {}",
)
SIZE = len(SAYINGS) + 34


def person(number: int, version: str = "") -> tuple[str, ...]:
    """Give the row of one person; another version has other values. One in ten does not agree, one has no address."""
    first, last = (word.replace("{}", f"{name}{number:03}{version}") for word, name in _words(number))
    address = f"Person{number:03}.Blue+tag@mail{number:03}.Example.com"
    if number % 12 == 5:
        address = f" Persön{number:03}.BLÜE@mail{number:03}.exämple.com "
    if number % 12 == 7 and number >= len(SAYINGS):
        address = f"Person{number:03}.without.an.at.sign"
    company = f"{MARK} Quartz{number:03}" if number < len(SAYINGS) else f"Company Quartz{number:03}"
    phone = f"+1555{number:04}{len(version)}0199"
    flags = ("Y" if number % 2 else "N", "N" if number % 10 == 9 and number >= len(SAYINGS) else "Y")
    return (f"profile-{number:05}", address, first, last, phone, company, f"Cobalt{number:03}{version}", *flags)


def _words(number: int) -> Iterable[tuple[str, str]]:
    yield HOSTILE[number % len(HOSTILE)], "Azurite"
    yield HOSTILE[(number * 5 + 1) % len(HOSTILE)], "Basaltes"


def personal(rows: Iterable[tuple[str, ...]]) -> Mapping[str, str]:
    """Give everything that would name somebody: each value, its words, and both halves of an address."""
    found: dict[str, str] = {}
    for row in rows:
        for column, value in zip(VALUES, row, strict=False):
            told = f"{column} of {row[0]}"
            found[f"the {told} ({value!r})"] = value
            for part in [*re.findall(r"\w{8,}", value), *value.strip().split("@")]:
                found[f"a part of the {told} ({part!r})"] = part
    return found
