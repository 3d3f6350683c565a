"""One run of dlt, as its documentation has it for an API: a resource, and a destination of one function.

With a cursor, only rows that were updated since the last run are sent. Who left is seen in neither way.
"""

from __future__ import annotations

import csv
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

local = threading.local()


def main(url: str, key: str, list_id: str, table: Path, home: Path, *, cursor: bool) -> None:
    """Send what is to be sent."""

    @dlt.destination(batch_size=100, name="autopilot", naming_convention="direct", skip_dlt_columns_and_tables=True)  # type: ignore[untyped-decorator]  # it is not installed with the project
    def autopilot(items: Any, table: Any) -> None:  # noqa: ARG001  # as it is called
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.trust_env = False
        contacts = [
            {
                "Email": row["email"],
                "FirstName": row["first"],
                "LastName": row["last"],
                "_autopilot_list": list_id,
                "custom": {"integer--Annual--Income": int(row["income"]), "string--Loyalty--Tier": row["tier"]},
            }
            for row in items
        ]
        body = {"contacts": contacts}
        local.session.post(f"{url}/contacts", json=body, headers={"autopilotapikey": key}).raise_for_status()

    def rows() -> Iterator[dict[str, str]]:
        with table.open(newline="", encoding="utf-8") as stream:
            yield from (row for row in csv.DictReader(stream) if row["tier"] in {"bronze", "silver", "gold"})

    @dlt.resource(name="people", primary_key="email", write_disposition="append")  # type: ignore[untyped-decorator]  # it is not installed with the project
    def all_of_them() -> Iterator[dict[str, str]]:
        yield from rows()

    @dlt.resource(name="people", primary_key="email", write_disposition="append")  # type: ignore[untyped-decorator]  # it is not installed with the project
    def updated(since: Any = dlt.sources.incremental("updated", range_start="open")) -> Iterator[dict[str, str]]:  # noqa: ARG001, B008  # dlt filters by it
        yield from rows()

    pipeline = dlt.pipeline("people", pipelines_dir=str(home / "dlt"), destination=autopilot, dataset_name="people")
    pipeline.run(updated() if cursor else all_of_them()).raise_on_failed_jobs()


if __name__ == "__main__":
    _, the_url, the_key, the_list, the_table, the_home, how = sys.argv
    main(the_url, the_key, the_list, Path(the_table), Path(the_home), cursor=how == "cursor")
