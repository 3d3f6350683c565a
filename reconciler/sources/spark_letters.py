"""Decides how LOWER and UPPER are written for a cluster: letter by letter, as the embedded engine does it.

The cluster follows Unicode's special cases: it makes SS of one sharp s, and another sigma at the end of a word.
Letters that Unicode has had only since 2024 may still differ, by the age of the cluster's Java.
"""

from __future__ import annotations

from reconciler.sources.spark_types import literal

_KEPT = (
    *((0x149, 0x149), (0x1F0, 0x1F0), (0x390, 0x390), (0x3B0, 0x3B0), (0x587, 0x587), (0x1E96, 0x1E9A)),
    *((0x1F50, 0x1F50), (0x1F52, 0x1F52), (0x1F54, 0x1F54), (0x1F56, 0x1F56), (0x1F88, 0x1F8F), (0x1F98, 0x1F9F)),
    *((0x1FA8, 0x1FAF), (0x1FB2, 0x1FB2), (0x1FB4, 0x1FB4), (0x1FB6, 0x1FB7), (0x1FBC, 0x1FBC), (0x1FC2, 0x1FC2)),
    *((0x1FC4, 0x1FC4), (0x1FC6, 0x1FC7), (0x1FCC, 0x1FCC), (0x1FD2, 0x1FD3), (0x1FD6, 0x1FD7), (0x1FE2, 0x1FE4)),
    *((0x1FE6, 0x1FE7), (0x1FF2, 0x1FF2), (0x1FF4, 0x1FF4), (0x1FF6, 0x1FF7), (0x1FFC, 0x1FFC), (0xFB00, 0xFB06)),
    (0xFB13, 0xFB17),
)
"""Letters that the embedded engine leaves as they are, and of which the cluster makes several."""
_RAISED = {
    0xDF: 0x1E9E,
    **{low + place: low + place + 8 for low in (0x1F80, 0x1F90, 0x1FA0) for place in range(8)},
    **{low: low + 9 for low in (0x1FB3, 0x1FC3, 0x1FF3)},
    **{letter: letter for low, high in _KEPT for letter in range(low, high + 1)},
}
_LARGE, _SMALL = "\u0130\u03a3", "i\u03c3"  # a dotted I, and the sigma
_ASIDE = 0x10FE00  # a place of Unicode that no text uses: the cluster leaves what stands there alone
_FROM = "".join(map(chr, _RAISED))
_ACROSS = "".join(chr(_ASIDE + place) for place in range(len(_RAISED)))
_TO = "".join(map(chr, _RAISED.values()))


def lowered(sql: str) -> str:
    """Write a text in lower case."""
    return f"LOWER(TRANSLATE({sql}, {literal(_LARGE)}, {literal(_SMALL)}))"


def raised(sql: str) -> str:
    """Write a text in upper case."""
    aside = f"UPPER(TRANSLATE({sql}, {literal(_FROM)}, {literal(_ACROSS)}))"
    return f"TRANSLATE({aside}, {literal(_ACROSS)}, {literal(_TO)})"
