"""One YAML document as a round trip that keeps its comments. It decides the settings that make the layout."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from reconciler.core.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Sequence


class RoundTrip:
    """One document, with its comments, to be changed and written again in the one layout."""

    def __init__(self, text: str) -> None:
        """Read `text`, which holds one document that was already found to be sound."""
        self._yaml = YAML(typ="rt", pure=True)
        self._yaml.version = None
        self._yaml.preserve_quotes = True
        self._yaml.width = 10_000_000  # a line is never broken: what reads as one line stays one
        self._yaml.indent(mapping=2, sequence=4, offset=2)
        try:
            self.value: Any = self._yaml.load(text)
        except Exception as error:  # noqa: BLE001  # it raises more than it documents
            raise ReconcilerError(f"the document cannot be read for a round trip ({type(error).__name__})") from None

    def text(self) -> str:
        """Write the document. Raises ReconcilerError when the library cannot."""
        out = io.StringIO()
        try:
            self._yaml.dump(self.value, out)
        except Exception as error:  # noqa: BLE001  # it raises more than it documents
            raise ReconcilerError(f"the document cannot be written again ({type(error).__name__})") from None
        return out.getvalue()


def flow(items: Sequence[str]) -> list[str]:
    """Give a list that is written on one line, in brackets."""
    made = CommentedSeq(items)
    made.fa.set_flow_style()
    return cast("list[str]", made)


def block() -> dict[str, object]:
    """Give an empty mapping that is written one key a line."""
    return cast("dict[str, object]", CommentedMap())
