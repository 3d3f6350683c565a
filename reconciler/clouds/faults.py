"""Decides what a fault of the object-store library means. Nothing of its text is shown: that may hold a signature."""

from __future__ import annotations

import re

from obstore.exceptions import BaseError

from reconciler.core.errors import StateError, StoreUnreachable

FOREIGN = (BaseError, OSError, ValueError)
"""All that the library raises."""

_STATUS = re.compile(r"status code:? (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>|\(code: ([A-Za-z]{1,60})\)")
"""The server's word for a fault: of a request, or of one of several deletions within one."""
_FORBIDDEN = {"AccessDenied", "AuthorizationPermissionMismatch", "InvalidToken"}
_EXPIRED = {"ExpiredToken", "TokenRefreshRequired", "RequestExpired"}
_NOWHERE = {"ContainerNotFound", "NoSuchBucket", "ContainerBeingDeleted"}
_PASSING = {408, 425, 429}
_SERVERS_OWN = 500
_METADATA = re.compile(r"169\.254\.169\.254|metadata\.google\.internal|metadata/computeMetadata")
_DRAWN = re.compile("\x1b\\[[0-9;]*m|\u21b3")
"""What Delta's library puts between the parts of a fault, one in a line."""


def homeless(error: Exception) -> bool:
    """Tell whether the container itself is not there, not only an object."""
    return _code(error) in _NOWHERE


def quoted(text: str) -> Exception | None:
    """Find a fault of a store in what another library says; None: it is not about the store."""
    plain = " ".join(_DRAWN.sub(" ", text).split())
    if _status(plain) is None and "HTTP error" not in plain and _METADATA.search(plain) is None:
        return None
    return BaseError(plain)


def fault(error: Exception, place: str, needs: str, page: str = "docs/stores.md") -> StateError:
    """Give our error in place of the library's; `needs`: what makes credentials; `page`: which one names the rights."""
    text = str(error)
    status = _status(text)
    said = " ".join(filter(None, (str(status or ""), _code(error))))
    if _METADATA.search(text):  # where the library looks last, when the environment names nothing
        return StateError(f"{place}: no credentials: {needs}")
    if status is None and "HTTP error" in text:
        return StoreUnreachable(f"{place}: the store does not answer")
    if status is None and _code(error) not in _FORBIDDEN:
        return StateError(f"{place}: it cannot be used with these settings: {needs}")
    if status is not None and (status in _PASSING or status >= _SERVERS_OWN):
        return StoreUnreachable(f"{place}: the store cannot answer now ({said})")
    return StateError(f"{place}: {_refusal(error, status, page)} ({said})")


def _refusal(error: Exception, status: int | None, page: str) -> str:
    if homeless(error):
        return "there is no such container or bucket; make it first"
    if _code(error) in _EXPIRED:
        return "these credentials have expired; sign in again, or set new ones"
    if status in {401, 403} or _code(error) in _FORBIDDEN:
        return f"the store refuses these credentials, or they lack a right of {page}"
    return "the store refuses the request; are its name, its region and its address right?"


def _status(text: str) -> int | None:
    found = _STATUS.search(text)
    return int(found[1]) if found else None


def _code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found[found.lastindex or 0] if found else ""
