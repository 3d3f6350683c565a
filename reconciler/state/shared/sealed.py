"""Objects as they stand in a shared store: packed, and sealed under the state key. It decides what is ours.

Whoever may write to the store, and has not the key, can take the state away or put an older one in its place, but
cannot make one: nothing is replayed, and nothing taken for a claim, that was not sealed for its very place.
"""

from __future__ import annotations

import hmac
import zlib
from hashlib import blake2b

from reconciler.core.errors import StateError

SIZE = 32
_MAGIC = b"rec1"
_FAST = 1
"""Digests do not get smaller, whatever time is spent on it."""

LARGEST = 1 << 31
"""Bytes that an object may unpack to: no state of 100,000 people a connection comes near."""


def packed(key: bytes, name: str, payload: bytes) -> bytes:
    """Give what is stored under a name."""
    body = zlib.compress(payload, _FAST)
    return _MAGIC + _mac(key, name, body) + body


def unpacked(key: bytes, name: str, data: bytes) -> bytes:
    """Give what was packed for this name. Raises StateError for what was not, under this key."""
    magic, mac, body = data[: len(_MAGIC)], data[len(_MAGIC) : len(_MAGIC) + SIZE], data[len(_MAGIC) + SIZE :]
    if magic != _MAGIC or not hmac.compare_digest(mac, _mac(key, name, body)):
        raise StateError(
            f"{name}: it is not sealed with this state key: check RECONCILER_STATE_KEY; if that is right, somebody "
            "changed the object, and `reconciler state restore` lists the good copies"
        )
    unpacker = zlib.decompressobj()
    payload = unpacker.decompress(body, LARGEST)
    if not unpacker.eof:
        raise StateError(f"{name}: it is cut short, or too large to be a state")
    return payload


def _mac(key: bytes, name: str, body: bytes) -> bytes:
    mac = blake2b(digest_size=SIZE, key=key, person=b"shared object")
    mac.update(f"{len(name)}:{name}".encode())
    mac.update(body)
    return mac.digest()
