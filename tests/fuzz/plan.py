"""A saved plan of any bytes: the one that was sealed, or one line.

Bytes that are JSON are also sealed anew under the right key, as a version that is not this one might have done.
"""

from __future__ import annotations

import datetime as dt
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fuzz.sentences import told

from reconciler.core.digest import Digests
from reconciler.core.errors import PlanRefused
from reconciler.core.review import Here, admit
from reconciler.core.seal import _closed, recognised, seal_of, sealed, unsealed
from reconciler.flow.planfile import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler.core.seal import Sealed

DIGESTS = Digests(bytes(range(32)))
OTHERS = (Digests(b"another"), Digests(None), None)
HERE = Here(dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC), "shop", "lineage", 3, "b" * 64)
DAY = dt.timedelta(days=1)


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Give the target; `folder` is its own."""
    path = folder / "saved.plan"

    def one(data: bytes) -> None:
        path.write_bytes(data)
        assert load(path) == data
        for digests in OTHERS:
            assert opens(data, digests) is None, "a plan opens without the key that sealed it"
        plan = opens(data, DIGESTS)
        assert plan is None or sealed(plan, DIGESTS) == data, "what was sealed and what is read are not the same"
        judged(data, plan)
        again = resealed(data)
        if again is not None:
            judged(again, opens(again, DIGESTS))

    yield one


def opens(file: bytes, digests: Digests | None) -> Sealed | None:
    """Open a saved plan; None when it is refused."""
    try:
        return unsealed(file, digests)
    except PlanRefused as refused:
        told(refused)
        return None


def judged(file: bytes, plan: Sealed | None) -> None:
    """Hold a plan that opened to being known by its seal, and to being judged like any other."""
    if plan is None:
        return
    assert recognised(file)
    assert seal_of(file)
    try:
        admit(plan, HERE, DAY)
    except PlanRefused as refused:
        told(refused)


def resealed(data: bytes) -> bytes | None:
    """Seal what the bytes say under the right key; None when they say nothing that could be sealed."""
    try:
        document = json.loads(data)
        told_of = {name: value for name, value in document.items() if name != "seal"}
        return _closed(told_of | {"key": DIGESTS.mark}, DIGESTS)
    except (ValueError, RecursionError, AttributeError):
        return None
