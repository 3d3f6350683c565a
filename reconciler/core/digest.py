"""Keyed digests: how people and contents are told apart without being kept.

BLAKE2b with a key is a MAC: without the state key nobody can try addresses against a digest. The uses have different
personalisation, so that an address can never be taken for a content, nor either for the seal of a plan.
"""

from __future__ import annotations

from hashlib import blake2b

SIZE = 16
"""Bytes of a digest: 128 bits, no collision to be expected among 2^40 people."""

UNKNOWN = bytes(SIZE)
"""The digest of a content that nobody acknowledged: it differs from every content, so that it is sent again."""


class Digests:
    """The digests of one project, under its state key (1 to 64 bytes).

    None: there is no key yet. Such digests tell people apart within one process, and are worth nothing outside of it.
    """

    __slots__ = ("_content", "_key", "_person", "lasting")

    def __init__(self, key: bytes | None) -> None:
        self._key = key or bytes(2 * SIZE)
        self.lasting = key is not None
        # Copied for each person, because taking the key in costs as much as the digest itself.
        self._person = blake2b(digest_size=SIZE, key=self._key, person=b"address").copy
        self._content = blake2b(digest_size=SIZE, key=self._key, person=b"contact").copy

    def person(self, address: str) -> bytes:
        """Give the key of a normalised address."""
        mac = self._person()
        mac.update(address.encode())
        return mac.digest()

    def content(self, contact: bytes) -> bytes:
        """Give the digest of canonical JSON of exactly what would be sent."""
        mac = self._content()
        mac.update(contact)
        return mac.digest()

    def seal(self, document: bytes) -> bytes:
        """Give the 32 bytes that nobody without the key can make for a saved plan."""
        return blake2b(document, digest_size=2 * SIZE, key=self._key, person=b"saved plan").digest()

    @property
    def mark(self) -> str:
        """Tell keys apart without telling anything else of them, in hexadecimal."""
        return blake2b(digest_size=SIZE // 2, key=self._key, person=b"mark of the key").hexdigest()

    def __repr__(self) -> str:
        return "Digests(key=…)"
