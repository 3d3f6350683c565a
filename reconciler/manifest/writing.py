"""Writes a file whole or not at all. It decides nothing."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

from reconciler.core.errors import ReconcilerError

if TYPE_CHECKING:
    import pathlib


def replace(path: pathlib.Path, text: str) -> None:
    """Put `text` in the place of the file's content, its mode kept; a link stays a link. Raises ReconcilerError."""
    target = path.resolve()
    try:
        mode = target.stat().st_mode
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            os.chmod(name, mode)  # noqa: PTH101  # the name comes from mkstemp
            os.replace(name, target)  # noqa: PTH105  # same
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108  # same
            raise
    except OSError as error:
        raise ReconcilerError(f"{path.name} cannot be written: {error.strerror}") from None
