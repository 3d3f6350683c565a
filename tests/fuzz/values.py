"""A value of any column, an address of any text, a file of suppressions of any bytes.

An input is a word, a line break, and what it is about: `address`, `suppressions`, or a kind of field with the engine's
type of the value, such as `integer float`. A date's formats stand after another line break.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from email_validator import EmailNotValidError, validate_email
from fuzz.sentences import told

from reconciler.addresses import AddressBook
from reconciler.core.contact import composer
from reconciler.core.digest import SIZE, Digests
from reconciler.core.errors import ReconcilerError
from reconciler.core.model import Declarations, FieldKind, FieldMatch, Project
from reconciler.core.values import SAFE, WrongType, converter
from reconciler.flow.reading import Library
from reconciler.manifest.rules.exports import _dates
from reconciler.wiring import workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "": (str,), "string": (str,), "integer": (int,), "float": (float,), "boolean": (bool,), "date": (str,),
}  # fmt: skip
DAY = re.compile(r'"\d{4}-\d{2}-\d{2}"')


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Give the target; `folder` is its own."""
    book = AddressBook()

    def one(data: bytes) -> None:
        head, _, rest = data.partition(b"\n")
        if head == b"suppressions":
            suppressed(folder, rest)
        elif head == b"address":
            addressed(book, rest.decode("utf-8", "surrogateescape"))
        else:
            words = head.decode("ascii", "replace").split()
            converted(words, rest.decode("utf-8", "replace"))

    yield one


def addressed(book: AddressBook, text: str) -> None:
    """Hold an address to being what the library says, however often it is judged."""
    found = book(text)
    if found is None:
        return
    assert found == book(found), "an address is judged otherwise the second time"
    assert book(f" {text.upper()}\n") in {found, None} or not text.isascii(), "case or blanks make another person"
    assert found == found.strip().lower()
    assert found.count("@") == 1
    assert found.isprintable()
    assert not any(character.isspace() for character in found)
    with contextlib.suppress(EmailNotValidError):
        assert validate_email(found, check_deliverability=False).normalized.lower() == found
    Digests(b"key").person(found)


def suppressed(folder: Path, data: bytes) -> None:
    """Hold the file to fail closed: whom a line names is not sent, or the file is refused."""
    (folder / "suppressions").write_bytes(data)
    shop = workshop(str(folder))
    declarations = Declarations(project=Project(suppressions="suppressions"))
    digests = Digests(b"key")
    try:
        keys = Library(declarations, shop.outside(declarations), digests, frozenset()).suppressed()
    except ReconcilerError as error:
        told(error)
        return
    assert all(len(key) == SIZE for key in keys)
    book = AddressBook()
    for line in data.decode("utf-8-sig", "replace").splitlines():
        address = book(line)
        if address is not None and not line.strip().startswith("#"):
            assert digests.person(address) in keys, "a line names a person who would be sent"


def converted(words: list[str], text: str) -> None:
    """Hold a converter to JSON of its type, or to saying that there is none."""
    kind, engine = (*words, "", "")[:2]
    if kind not in JSON_TYPES:
        return
    given, _, formats = text.partition("\n")
    value = of_engine(engine, given)
    if value is None:
        return
    declared = FieldKind(kind) if kind else None
    formats_used = tuple(filter(_dates, formats.split("\n"))) if kind == "date" else ()
    made = ""
    with contextlib.suppress(WrongType):
        made = converter(declared, formats_used)(value)
    if not made:
        return
    found = json.loads(made)
    assert type(found) in JSON_TYPES[kind]
    assert kind != "integer" or abs(found) <= SAFE
    assert kind != "date" or DAY.fullmatch(made)
    field = FieldMatch("Field", "column", declared, formats=formats_used)
    json.loads(composer([field], [("custom", "x--Field")])("a@example.com", [value]))


def of_engine(engine: str, text: str) -> object:
    """Give a value as the engine would; None when it is none that the engine has."""
    try:
        value = READ.get(engine, str)(text)
    except (ValueError, InvalidOperation, OverflowError):
        return None
    if isinstance(value, Decimal) and (not value.is_finite() or len(value.as_tuple().digits) > DIGITS):
        return None
    return None if type(value) is int and abs(value) > HUGE else value


DIGITS = 38
HUGE = 2**127
READ: dict[str, Callable[[str], object]] = {
    "integer": int,
    "float": float,
    "decimal": Decimal,
    "boolean": "true".__eq__,
    "date": dt.date.fromisoformat,
    "timestamp": dt.datetime.fromisoformat,
}
"""The engine's types, each with how one of its values is written."""
