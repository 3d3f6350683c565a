"""Reads an OData collection page by page; decides when a page is missing. What is read by half is an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.sources.service import Service

PAGE = 5_000
"""Rows in a page: the most that Dataverse gives."""
HEADERS = {"OData-Version": "4.0", "OData-MaxVersion": "4.0", "Prefer": f"odata.maxpagesize={PAGE}"}
"""What every request says, those for the next pages too: a link does not remember the size."""

_EMPTY = 1_000  # pages without a row in succession: a server that goes round in circles by new links
_SAFE = "(),'=$"  # what may stand as it is in a query; spaces and the rest are encoded

Page = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of a collection: the names of its columns, and a condition in OData's own words."""

    select: Sequence[str] = ()
    filter: str = ""

    def written(self) -> str:
        """Give the query of the first page's URL; `""` asks for all that there is."""
        options = [f"$select={quote(','.join(self.select), safe=_SAFE)}"] if self.select else []
        options += [f"$filter={quote(self.filter, safe=_SAFE)}"] if self.filter else []
        return f"?{'&'.join(options)}" if options else ""


def pages(service: Service, path: str, query: Query, what: str) -> Iterator[Page]:
    """Stream the pages to the last one. Raises SourceError, also midway: then what came before is not all.

    `path` begins with `/` and lies below the service's base; `what` names the collection in messages.
    """
    asked: set[int] = set()
    pattern, words, number, idle = path, query.written(), 1, 0
    while True:
        answer = service.get(what if number == 1 else f"{what}: page {number:,}", pattern, words)
        page = answer.get("value") if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or not isinstance(page, list) or not all(isinstance(row, dict) for row in page):
            raise SourceError(f"{what}: page {number:,} is not a page; {service.host} answers with something else")
        yield page
        link = answer.get("@odata.nextLink")
        if link is None:
            return
        idle = 0 if page else idle + 1
        if not isinstance(link, str) or (mark := hash(link)) in asked or idle == _EMPTY:
            raise SourceError(f"{what}: after page {number:,} {service.host} leads back to one that was read before")
        asked.add(mark)
        pattern, words = service.below(link, what)
        number += 1


def literal(text: str) -> str:
    """Quote a text for a condition."""
    return "'" + text.replace("'", "''") + "'"
