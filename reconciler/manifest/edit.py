"""Writes an administrator's consent into a connection's YAML, comments kept. It decides nothing about consent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.core.errors import ReconcilerError
from reconciler.manifest import chunks
from reconciler.manifest.shapes.checking import check
from reconciler.manifest.words import one_of, quote
from reconciler.manifest.writing import replace
from reconciler.manifest.yaml.trip import RoundTrip, block, flow

if TYPE_CHECKING:
    import datetime as dt
    import pathlib
    from collections.abc import Sequence


def set_consent(path: pathlib.Path, name: str, *, by: str, on: dt.date, fields: Sequence[str]) -> None:
    """Write `spec.consent` of the Connection `name` in the file; the rest of it, and every comment, stays.

    The document takes on the one layout. Raises ReconcilerError, and then nothing is written.
    """
    texts = chunks.split(path.read_text(encoding="utf-8"))
    index = next((i for i, text in enumerate(texts or ()) if _is(chunks.value(text), name)), None)
    if texts is None or index is None:
        raise ReconcilerError(f"{path.name} holds no Connection {quote(name)} that can be rewritten; edit it by hand")
    wanted = {"accepted": True, "by": by, "on": on.isoformat(), "fields": list(fields)}
    good = chunks.rewritten(texts[index], lambda value: _with(value, wanted))
    changed = check("Connection", _with(chunks.value(texts[index]), wanted))
    if isinstance(changed, tuple):
        wrong = one_of(dict.fromkeys(".".join(str(part) for part in problem.path) for problem in changed))
        raise ReconcilerError(f"the consent was not written: {wrong} would be wrong; see reconciler validate")
    texts[index] = _edited(texts[index], by=by, on=on, fields=fields)
    if not good(texts[index]):
        raise ReconcilerError(f"the consent was not written: a comment in {path.name} would be lost; edit it by hand")
    replace(path, chunks.join(texts))


def _is(value: object, name: str) -> bool:
    match value:
        case {"kind": "Connection", "metadata": {"name": str(found)}, "spec": dict()}:
            return found == name
        case _:
            return False


def _with(value: Any, consent: dict[str, object]) -> object:
    """Give the value as it should be, its keys in the order in which they are written."""
    old = value["spec"].get("consent")
    merged = {**(old if isinstance(old, dict) else {}), **consent}
    return {**value, "spec": {**value["spec"], "consent": merged}}


def _edited(text: str, *, by: str, on: dt.date, fields: Sequence[str]) -> str:
    trip = RoundTrip(text)
    spec = trip.value["spec"]
    if not isinstance(spec.get("consent"), dict):
        spec["consent"] = block()
    consent = spec["consent"]
    consent["accepted"], consent["by"], consent["on"] = True, by, on
    if isinstance(consent.get("fields"), list):
        consent["fields"][:] = list(fields)
    else:
        consent["fields"] = flow(list(fields))
    return trip.text()
