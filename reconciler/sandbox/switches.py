"""Decides nothing: each thing about Autopilot that is not certain, and each fault, as a switch with its default.

Grades are those of the notes on the API: C is one client's word, D is a guess. A default is what the API most likely
does, and every other setting is what a client has to bear.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

FaultKind = Literal[
    "500-before",  # refused, and nothing written
    "500-after",  # carried out, and yet an error
    "408-after",  # carried out, and the answer says that it timed out
    "reset-before",  # the connection is reset, and nothing written
    "reset-after",  # carried out, and the connection is reset before the answer
    "html-after",  # carried out, and answered 200 with a page of a proxy
    "cut-after",  # carried out, and half of the body arrives before the connection ends
    "slow-after",  # carried out, and answered `seconds` late
    "429",  # refused, and nothing written; with `retry_after` the answer says when to come back
    "partial",  # carried out, and every second person is missing in the answer of a bulk write
    "401-from-now",  # the key is revoked: refused now and until the faults are changed
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail, and the requests that it strikes: of those that match, the `nth`, then `every` so many.

    `method` and `path` narrow what matches: a path is what comes below /v1, decoded, and may be a shell pattern such as
    "/list/*/contact/*". Requests without a valid key or over the rate are not counted. It strikes `count` times (None:
    without end), and each time only with `probability`, which depends on `seed` and the number of the match alone.
    """

    kind: FaultKind
    method: str | None = None
    path: str | None = None
    nth: int = 1
    every: int = 1
    count: int | None = 1
    probability: float = 1.0
    seed: int = 0
    seconds: float = 0.0
    retry_after: int | None = None

    def __post_init__(self) -> None:
        """Refuse what could never strike. Raises ValueError."""
        if self.nth < 1 or self.every < 1:
            raise ValueError("nth and every of a fault count from 1")


@dataclass(frozen=True, slots=True)
class Switches:
    """How the stand-in behaves. Times in seconds.

    bulk_lists        what `_autopilot_list` inside items of POST /contacts does (D): "honoured", "ignored", or the
                      list of the "first" item goes for the whole batch
    gone_list         a contact that names a list which does not exist (D): "refuse" all with 404, or "ignore" that
    bad_row           one bad contact in a bulk (D): "refuse" the whole batch with 400, or "drop" it without a word
    quote_bad         whether a refusal repeats the bad value in its message (D)
    map_keys          addresses in `email_contact_map` (D): as known, in "lower" case, or "asis"
    twin_titles       POST /list with a title that exists: 409 "conflict", a "second" list, or the id of the "existing"
    list_answer       POST /list (C): the "id", or a "message" without one, although the list is made
    names_overwritten whether FirstName and LastName of a known contact change (in conflict)
    not_modified      whether a membership that changes nothing is answered {"not_modified": true} (C) or {}
    unknown_list      reading a list that does not exist: 404 with "text", or "empty" (C)
    delete_status     of DELETE /contact: 200 with a body, or 204
    rate              requests a second and key, 0 for no limit; `rate_window` is how long a burst may be
    retry_after       seconds in the `Retry-After` of a 429; None: no such header
    latency           before every request is looked at; `list_latency` comes on top for POST /list
    faults            in order; the first that strikes wins
    """

    bulk_lists: Literal["honoured", "ignored", "first"] = "honoured"
    gone_list: Literal["refuse", "ignore"] = "refuse"
    bad_row: Literal["refuse", "drop"] = "refuse"
    quote_bad: bool = False
    map_keys: Literal["lower", "asis"] = "lower"
    twin_titles: Literal["conflict", "second", "existing"] = "conflict"
    list_answer: Literal["id", "message"] = "id"
    names_overwritten: bool = True
    not_modified: bool = True
    unknown_list: Literal["text", "empty"] = "text"
    delete_status: Literal[200, 204] = 200
    rate: float = 20.0
    rate_window: float = 0.25
    retry_after: int | None = None
    latency: float = 0.0
    list_latency: float = 0.0
    faults: tuple[Fault, ...] = ()


def to_json(switches: Switches) -> dict[str, Any]:
    """Give the switches as they are read by `from_json`."""
    return asdict(switches)


def from_json(raw: object) -> Switches:
    """Read switches; one that is left out has its default. Raises ValueError with the name of the one that is wrong."""
    return cast("Switches", _read(Switches, raw, "switches"))


def _read(kind: Any, raw: object, name: str) -> object:
    """Read a value of the annotated kind from JSON."""
    if kind in (Switches, Fault):
        return _record(kind, raw, name)
    options = get_args(kind)
    if get_origin(kind) is tuple and isinstance(raw, list):
        return tuple(_read(options[0], one, name) for one in raw)
    if get_origin(kind) is Literal:
        if any(raw == option and type(raw) is type(option) for option in options):
            return raw
        raise ValueError(f"{name} must be one of {', '.join(map(str, options))}")
    if get_origin(kind) in (UnionType, Union):
        return None if raw is None else _read(next(one for one in options if one is not NoneType), raw, name)
    if kind is float and type(raw) in (int, float):
        return cast("float", raw)
    if type(raw) is kind:
        return raw
    raise ValueError(f"{name} must be of type {getattr(kind, '__name__', 'list')}")


def _record(kind: type[Any], raw: object, name: str) -> object:
    if not isinstance(raw, dict):
        raise ValueError(f"{name} must be an object")  # noqa: TRY004  # one kind of error for whatever is wrong in it
    unknown = raw.keys() - {one.name for one in fields(kind)}
    if unknown:
        raise ValueError(f"{name} has no {min(unknown)}")
    hints = get_type_hints(kind)
    if kind is Fault and "kind" not in raw:
        raise ValueError(f"{name} needs a kind")
    read: object = kind(**{key: _read(hints[key], value, key) for key, value in raw.items()})
    return read
