"""Decides who is sent for one export: address, consent of the person, types, and one profile to an address.

Everybody left out is counted by the first reason that holds. Where two profiles share an address, the one with the
smaller id (as text) stands; but if any of them refuses consent, the address is left out, because consent fails closed.
"""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from reconciler.core.contact import composer
from reconciler.core.plan import EXCLUSIONS
from reconciler.core.values import WrongType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reconciler.core.digest import Digests
    from reconciler.core.model import Export, FieldMatch, PersonConsent
    from reconciler.core.ports import Addresses, Row

_MASK = itemgetter(1)  # a Row starts with the id as text, and the mask


class Person(NamedTuple):
    """One person of one export. `mask` has bit i set for the export's i-th segment; `contact` is kept only to push."""

    id: str
    mask: int
    digest: bytes
    address: str | None
    contact: bytes | None


class Gathered(NamedTuple):
    """Who one export wants: people by key, profiles left out by reason, and the segments' sizes before any judging.

    `cut` says that reading stopped because there were more people than may be sent. `wrong` names the columns whose
    values were of the wrong type, with the number of profiles.
    """

    people: Mapping[bytes, Person]
    excluded: Mapping[str, int]
    members: tuple[int, ...]
    wrong: Mapping[str, int]
    cut: bool = False


def wanted_columns(export: Export) -> tuple[str, ...]:
    """Give the columns that the export reads, in the order in which `gather` expects their values: Email first."""
    columns = [next(m.column for m in export.match if m.field == "Email")]
    columns += [m.column for m in export.match if m.field != "Email"]
    if export.consent is not None:
        columns.append(export.consent.column)
    return tuple(columns)


class Judge:
    """Judges the profiles of one export, once. `limit` is how many people may be sent: reading stops beyond it.

    Profiles come in chunks, as they are read: of one export alone, or of many that are read together.
    """

    def __init__(  # each is one thing that it needs, and all are plain
        self,
        export: Export,
        *,
        path: Callable[[FieldMatch], tuple[str, ...]],
        addresses: Addresses,
        digests: Digests,
        suppressed: frozenset[bytes],
        limit: int,
        keep: bool,
    ) -> None:
        self._fields = [m for m in export.match if m.field != "Email"]
        self._compose = composer(self._fields, [path(m) for m in self._fields])
        self._consent = export.consent
        self._segments = len(export.segments)
        self._addresses, self._person, self._content = addresses, digests.person, digests.content
        self._suppressed, self._limit, self._keep = suppressed, limit, keep
        self._people: dict[bytes, Person] = {}
        self._refused: set[bytes] = set()
        self._excluded = dict.fromkeys(EXCLUSIONS, 0)
        self._masks: Counter[int] = Counter()
        self._wrong: dict[str, int] = {}
        self._cut = False
        self._judge = self._judging()

    def gather(self, chunks: Iterable[Sequence[Row]]) -> Gathered:
        """Read profiles until the end, or until one person more than the limit."""
        for chunk in chunks:
            if not self.feed(chunk):
                break
        return self.finish()

    def feed(self, chunk: Sequence[Row]) -> bool:
        """Take profiles; False: no more are wanted, because there are more people than may be sent."""
        people, refused, excluded, judge = self._people, self._refused, self._excluded, self._judge
        self._masks.update(map(_MASK, chunk))
        for row in chunk:
            reason = judge(row)
            if reason is not None:
                excluded[reason] += 1
                if reason == "invalid_value":
                    self._blame(row, self._wrong)
        self._cut = len(people) > self._limit and len(people.keys() - refused) > self._limit
        return not self._cut

    def finish(self) -> Gathered:
        """Give what came of the profiles that were taken; none may follow."""
        people = self._people
        for key in self._refused & people.keys():
            del people[key]
            self._excluded["no_consent"] += 1
        counted = self._masks.items()
        sizes = tuple(sum(n for mask, n in counted if mask >> i & 1) for i in range(self._segments))
        return Gathered(people, self._excluded, sizes, self._wrong, self._cut)

    def _judging(self) -> Callable[[Row], str | None]:
        """Give what takes one profile, or says why not. The hot path of every run, so it has all at hand."""
        addresses, person, content, compose = self._addresses, self._person, self._content, self._compose
        people, refused, suppressed, consent = self._people, self._refused, self._suppressed, self._consent
        keep, made = self._keep, tuple.__new__  # what Person(…) calls by way of Python

        def judge(row: Row) -> str | None:  # noqa: PLR0911  # a reason each
            raw = row[2]
            if not isinstance(raw, str) or not raw or raw.isspace():
                return "no_email"
            address = addresses(raw)
            if address is None:
                return "invalid_email"
            key = person(address)
            if key in suppressed:
                return "suppressed"
            if consent is not None and not consents(consent, row[-1]):
                refused.add(key)
                return "no_consent"
            try:
                contact = compose(address, row[3:])
            except WrongType:
                return "invalid_value"
            profile: str = row[0]  # type: ignore[assignment]  # a Row starts with the id as text, and the mask
            mask: int = row[1]  # type: ignore[assignment]  # as above
            digest = content(contact)
            rival = people.get(key)
            # Ids are unique in a sound table; in another, the rest makes the choice the same in every run.
            if rival is not None and (rival.id, rival.digest, rival.mask) <= (profile, digest, mask):
                return "duplicate"
            kept = (address, contact) if keep else (None, None)
            people[key] = made(Person, (profile, mask, digest, *kept))
            return None if rival is None else "duplicate"

        return judge

    def _blame(self, row: Row, wrong: dict[str, int]) -> None:
        """Find the columns to name; off the hot path, because it is rare."""
        for index, field in enumerate(self._fields):
            try:
                composer([field], [("x",)])("", [row[3 + index]])
            except WrongType:
                wrong[field.column] = wrong.get(field.column, 0) + 1


def consents(consent: PersonConsent, value: object) -> bool:
    """Tell whether the value is the declared one, of the declared type: null and every other type refuse."""
    return type(value) is type(consent.equals) and value == consent.equals
