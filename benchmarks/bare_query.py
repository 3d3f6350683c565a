"""The query that finds the members of the big table, and nothing else: the engine, fetchmany, and the rows dropped.

It is what a run over a big table is held against: `python bare_query.py FILE ID SEGMENT COLUMN…`.
"""

from __future__ import annotations

import sys

import duckdb


def main(path: str, key: str, segment: str, columns: list[str]) -> int:
    """Fetch every member; gives how many there are."""
    connection = duckdb.connect(config={"memory_limit": "1GB"})
    found = connection.execute(f"SELECT {', '.join((key, *columns))} FROM read_parquet(?) WHERE {segment}", [path])
    count = 0
    while rows := found.fetchmany(4_096):
        count += len(rows)
    return count


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
