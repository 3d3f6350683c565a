"""Decides what is said when a library of the lake is not installed: local CSV and Parquet do without them."""

from __future__ import annotations

import importlib
from typing import Any

from reconciler.core.errors import SourceError


def lake(module: str, label: str) -> Any:
    """Import a module that needs the extra. Raises SourceError."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] == "reconciler":
            raise
        raise SourceError(f"{label}: this needs the libraries of the lake: pip install 'reconciler[lake]'") from None
