"""Keyed digests: how people and contents are told apart without being kept.

BLAKE2b with a key is a MAC: without the state key nobody can try addresses against a digest. The two uses have
different personalisation, so that an address can never be taken for a content.
"""

from __future__ import annotations

from hashlib import blake2b

SIZE = 16
"""Bytes of a digest: 128 bits, no collision to be expected among 2^40 people."""


class Digests:
    """The two digests of one project, under its state key (1 to 64 bytes)."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def person(self, address: str) -> bytes:
        """Give the key of a normalised address."""
        return blake2b(address.encode(), digest_size=SIZE, key=self._key, person=b"address").digest()

    def content(self, contact: bytes) -> bytes:
        """Give the digest of canonical JSON of exactly what would be sent."""
        return blake2b(contact, digest_size=SIZE, key=self._key, person=b"contact").digest()

    def __repr__(self) -> str:
        return "Digests(key=…)"
