"""Decides which call a method and a path are: the table of the API."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from reconciler.sandbox import contacts, lists

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.sandbox.answers import Answer
    from reconciler.sandbox.call import Call

BASE = "/v1"


@dataclass(frozen=True, slots=True)
class Route:
    """One call: its method, its path with the variable segments in braces, and what answers it."""

    method: str
    path: str
    answer: Callable[[Call], Answer]

    def args(self, segments: tuple[str, ...]) -> tuple[str, ...] | None:
        """Give the variable segments when the path, of as many segments as this one's, fits."""
        args = []
        for name, given in zip(self.path.split("/")[1:], segments, strict=True):
            if name.startswith("{"):
                args.append(given)
            elif name != given:
                return None
        return tuple(args)


ROUTES = (
    Route("POST", "/contact", contacts.write_one),
    Route("POST", "/contacts", contacts.write_many),
    Route("GET", "/contact/{contact}", contacts.read_one),
    Route("DELETE", "/contact/{contact}", contacts.delete_one),
    Route("POST", "/contact/{contact}/unsubscribe", contacts.unsubscribe),
    Route("GET", "/contacts", contacts.read_all),
    Route("GET", "/contacts/custom_fields", contacts.custom_fields),
    Route("GET", "/contacts/{bookmark}", contacts.read_all),
    Route("POST", "/list", lists.make),
    Route("GET", "/lists", lists.read_all),
    Route("GET", "/list/{list}/contacts", lists.read_members),
    Route("GET", "/list/{list}/contacts/{bookmark}", lists.read_members),
    Route("GET", "/list/{list}/contact/{contact}", lists.is_member),
    Route("POST", "/list/{list}/contact/{contact}", lists.join),
    Route("DELETE", "/list/{list}/contact/{contact}", lists.leave),
    Route("GET", "/smart_segments", lists.segments),
    Route("GET", "/smart_segments/{segment}/contacts", lists.segment_members),
    Route("GET", "/smart_segments/{segment}/contacts/{bookmark}", lists.segment_members),
    Route("GET", "/account", lists.account),
    Route("POST", "/hook", lists.add_hook),
    Route("GET", "/hooks", lists.hooks),
    Route("DELETE", "/hook/{hook}", lists.remove_hook),
)


def _by_shape() -> Mapping[tuple[str, int], list[Route]]:
    shapes: dict[tuple[str, int], list[Route]] = defaultdict(list)
    for route in ROUTES:
        shapes[route.method, route.path.count("/")].append(route)
    return dict(shapes)


_SHAPES = _by_shape()


@dataclass(frozen=True, slots=True)
class Found:
    """The call that a request is, its variable segments, and its decoded path below the base."""

    route: Route | None
    args: tuple[str, ...]
    path: str


def find(method: str, target: str) -> Found:
    """Find the call. Segments are decoded one by one, so that an id may hold spaces and slashes."""
    raw = target.partition("?")[0]
    segments = tuple(unquote(segment) for segment in raw.split("/")[1:])
    path = "/" + "/".join(segments[1:])
    if segments[0] == BASE[1:]:
        for route in _SHAPES.get((method, len(segments) - 1), ()):
            args = route.args(segments[1:])
            if args is not None:
                return Found(route, args, path)
    return Found(None, (), path)
