"""Opens a shared store by its URL; decides which URLs there are, and that a store is tried before it is written to."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import SplitResult, urlsplit

from reconciler.core.errors import StateError
from reconciler.state.stores.verify import verify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.core.store import Store


class Opener(Protocol):
    """What the module of a store offers, by the name `open_url`."""

    def __call__(self, url: SplitResult, environ: Mapping[str, str], root: Path) -> Store:
        """Open it, without a request where that can be. Raises StateError; ValueError for a URL of another form."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of store: its module, the form of its URL, and the extra that installs its library, if it takes one.

    `tried`: conditional writes are the promise of a server that we do not know, so they are tried out.
    """

    module: str
    form: str
    extra: str | None = None
    tried: bool = False


_POSTGRES = Kind("postgres", "postgresql://USER@HOST/DATABASE?schema=NAME", "postgres")

# The modules are named, not imported: their libraries are heavy, and optional
KINDS = {
    "az": Kind("objects", "az://CONTAINER/PREFIX", "objects", tried=True),
    "s3": Kind("objects", "s3://BUCKET/PREFIX", "objects", tried=True),
    "gs": Kind("objects", "gs://BUCKET/PREFIX", "objects", tried=True),
    "postgresql": _POSTGRES,
    "postgres": _POSTGRES,
    "git+branch": Kind("branch", "git+branch://BRANCH?remote=NAME"),
}
FORMS = ", ".join(dict.fromkeys(kind.form for kind in KINDS.values()))

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://")
_LIBRARIES = {"obstore", "psycopg"}


def open_store(url: str, environ: Mapping[str, str], root: Path, *, writing: bool = False) -> Store:
    """Open the store that a URL names; `root` is the project's folder. The caller closes it.

    `writing` says that the caller is going to write: a store of which it is not certain that it honours conditional
    writes is tried first, by a handful of requests. Raises StateError, and StoreUnreachable when it was tried.
    """
    found = _SCHEME.match(url)
    kind = KINDS.get(found[1]) if found else None
    if kind is None:
        raise StateError(f"state.url: there is no such store; the forms are {FORMS}")
    opener = _opener(kind)
    try:
        store = opener(_split(url), environ, root)
    except ValueError:  # its text may quote the URL, and that may hold a password
        raise StateError(f"state.url: it is not of the form {kind.form}") from None
    if writing and kind.tried:
        try:
            verify(store)
        except BaseException:
            store.close()
            raise
    return store


def _split(url: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError
    parts = urlsplit(url)
    if "#" in url or not parts.netloc:
        raise ValueError
    return parts


def _opener(kind: Kind) -> Opener:
    try:
        module = importlib.import_module(f"reconciler.state.stores.{kind.module}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _LIBRARIES:
            raise
        raise StateError(f"state.url: this store needs a library: pip install 'reconciler[{kind.extra}]'") from None
    return cast("Opener", module.open_url)
