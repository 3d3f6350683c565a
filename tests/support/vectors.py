"""Takes rows out of a Delta table without touching its data, as Databricks and Fabric do: by a deletion vector."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_NAME = UUID("0123456789abcdef0123456789abcdef")


def commit(table: Path, version: int, *actions: Mapping[str, object]) -> None:
    """Write an entry of the log."""
    (table / "_delta_log").mkdir(parents=True, exist_ok=True)
    lines = "\n".join(json.dumps(action) for action in actions)
    (table / "_delta_log" / f"{version:020}.json").write_text(lines)


def taken(table: Path, rows: Sequence[int], folder: str | None = None) -> Path | None:
    """Take rows out of the file that the newest version added, in a version of its own.

    `folder` None: the vector stands within the log; else in a file of its own in this folder below the table, which is
    given; "": beside the data.
    """
    log = sorted((table / "_delta_log").glob("*.json"))
    add = next(json.loads(line)["add"] for line in log[-1].read_text().splitlines() if '"add"' in line)
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    vector = _vector(rows)
    told = {"storageType": "i", "pathOrInlineDv": _z85(vector), "sizeInBytes": len(vector), "cardinality": len(rows)}
    file = None
    if folder is not None:
        told |= {"storageType": "u", "pathOrInlineDv": folder + _z85(_NAME.bytes), "offset": 1}
        file = table / folder / f"deletion_vector_{_NAME}.bin"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"\1" + struct.pack(">I", len(vector)) + vector + struct.pack(">I", zlib.crc32(vector)))
    commit(
        table,
        len(log),
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        {"remove": {"path": add["path"], "deletionTimestamp": 1, "dataChange": True}},
        {"add": {**add, "deletionVector": told}},
    )
    return file


def _vector(rows: Sequence[int]) -> bytes:
    """Write row numbers as a roaring bitmap of one array, padded to whole words."""
    held = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + b"".join(struct.pack("<H", row) for row in rows)
    data = struct.pack("<IQI", 1681511377, 1, 0) + held
    return data + b"\0" * (-len(data) % 4)


def _z85(data: bytes) -> str:
    """Write bytes, a multiple of four, in the letters of Z85."""
    text = ""
    for at in range(0, len(data), 4):
        number = int.from_bytes(data[at : at + 4])
        text += "".join(_Z85[number // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return text
