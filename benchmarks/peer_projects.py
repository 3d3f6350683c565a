"""Writes what dlt and drt need to send the people of the benchmarks, and gives the commands; it decides nothing."""

from __future__ import annotations

import json
import os
import sys
from enum import Enum
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks import project
from benchmarks.measuring import KEY, RECONCILER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).parent
VENV = Path(sys.prefix) / "peers" / "bin"


class Who(Enum):
    """Whose run it is."""

    OURS = "reconciler"
    BARE = "bare script"
    DLT = "dlt"
    CURSOR = "dlt, cursor"
    DRT = "drt"


_PROFILE = """\
local: {type: duckdb, database: ":memory:"}
"""
_PROJECT = """\
name: peers
version: "1"
profile: local
"""
_SYNC = """\
name: people
model: "SELECT * FROM read_csv('TABLE', all_varchar=true) WHERE tier IN ('bronze', 'silver', 'gold')"
destination:
  type: rest_api
  url: "URL/contacts"
  method: POST
  headers: {autopilotapikey: "KEY", Content-Type: application/json}
  body_mode: batch
  max_records_per_request: 100
  batch_template: |
    {"contacts": [{% for row in rows %}{"Email": {{ row.email | tojson }}, "FirstName": {{ row.first | tojson }},
    "LastName": {{ row.last | tojson }}, "_autopilot_list": "LIST",
    "custom": {"integer--Annual--Income": {{ row.income }},
    "string--Loyalty--Tier": {{ row.tier | tojson }}}}{% if not loop.last %},{% endif %}{% endfor %}]}
sync:
  mode: full
  batch_size: 100
  rate_limit: {requests_per_second: 100000}
  on_error: fail
"""


def prepare(who: Who, home: Path, url: str, rate: int) -> str:
    """Write the project into an empty folder; gives the id of the list, which peers cannot make by themselves."""
    project.write(home, url, rate)
    list_id = "" if who in {Who.OURS, Who.BARE} else _made(url)
    if who is Who.DRT:
        text = _SYNC.replace("TABLE", str(home / project.PEOPLE)).replace("URL", url).replace("KEY", KEY)
        _put(home / "drt" / "syncs" / "people.yml", text.replace("LIST", list_id))
        _put(home / "drt" / "drt_project.yml", _PROJECT)
        _put(home / "drt" / ".drt" / "profiles.yml", _PROFILE)
    return list_id


def command(who: Who, home: Path, url: str, list_id: str) -> Sequence[str]:
    """Give the command of one run."""
    table = str(home / project.PEOPLE)
    match who:
        case Who.OURS:
            return (*RECONCILER, "-C", str(home), "apply", "--yes")
        case Who.BARE:
            return (sys.executable, str(HERE / "bare.py"), url, KEY, table, str(home / "bare.sqlite"))
        case Who.DRT:
            return ("sh", "-c", f"cd {home}/drt && exec {VENV}/drt run")
        case _:
            how = "cursor" if who is Who.CURSOR else "all"
            return (str(VENV / "python"), str(HERE / "peer_dlt.py"), url, KEY, list_id, table, str(home), how)


def environ(home: Path) -> Mapping[str, str]:
    """Give their environment: no home of somebody's, and nothing told to anybody."""
    return {
        **os.environ,
        "HOME": str(home / "drt"),
        "DO_NOT_TRACK": "1",
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
    }


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _made(url: str) -> str:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=60)
    try:
        headers = {"autopilotapikey": KEY, "Content-Type": "application/json"}
        connection.request("POST", f"{parts.path}/list", json.dumps({"name": "members"}), headers)
        return str(json.loads(connection.getresponse().read())["list_id"])
    finally:
        connection.close()
