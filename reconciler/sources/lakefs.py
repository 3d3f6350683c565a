"""Lets the engine read objects of a store by ranges, those that it is given and no other. It decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fsspec

from reconciler.sources.remote import Ranges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.sources.remote import RemoteFile

SCHEME = "lake"


class LakeFiles(fsspec.AbstractFileSystem):  # type: ignore[misc]  # the library has no types
    """The objects by the address that each has for the engine."""

    protocol = SCHEME
    cachable = False

    def __init__(self, files: Mapping[str, RemoteFile]) -> None:
        super().__init__()
        self._files = dict(files)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Say how long an object is."""
        file = self._file(path)
        return {"name": path, "size": file.size, "type": "file"}

    def glob(self, path: str, **_: Any) -> list[str]:
        """Take every address as it is."""
        return [path] if self._key(path) in self._files else []

    def modified(self, path: str) -> Any:
        """Say when an object was written."""
        return self._file(path).written

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Ranges:
        assert mode == "rb"
        return Ranges(self._file(path))

    def _file(self, path: str) -> RemoteFile:
        return self._files[self._key(path)]

    @staticmethod
    def _key(path: str) -> str:
        return f"{SCHEME}://{path.removeprefix(f'{SCHEME}://')}"
