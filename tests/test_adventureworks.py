"""Real customer data, as messy as it came, from the file to the lists."""

from __future__ import annotations

import csv
import datetime as dt
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.command import reconciler
from support.project import Project, connection, document, export, segment

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(os.environ.get("RECONCILER_DATA") or Path(__file__).parents[2] / "shared" / "data")
FILE = DATA / "adventureworks-customers.csv"

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the AdventureWorks customers are not on this machine")

FIELDS = ("Email", "FirstName", "LastName", "Annual Income", "Birthday")
MATCH = {
    "Email": "EmailAddress",
    "FirstName": "FirstName",
    "LastName": "LastName",
    "Annual Income": {"column": "AnnualIncome", "type": "integer"},
    "Birthday": {"column": "BirthDate", "type": "date", "format": ["%m/%d/%Y", "%m-%d-%Y"]},
}


def documents(url: str) -> list[dict[str, Any]]:
    table = {"path": "customers.csv", "id": "CustomerKey", "encoding": "latin-1"}
    return [
        connection(url=url, fields=FIELDS),
        document("Source", "profiles", {"type": "files", "profiles": table}),
        segment("home-owners", "HomeOwner = 'Y'"),
        segment("large-families", "TotalChildren >= 2 AND AnnualIncome <> '10,000 '"),
        export("newsletter", ["home-owners", {"name": "large-families", "list": "Large families"}], MATCH),
    ]


def rows() -> list[dict[str, str]]:
    with FILE.open(encoding="latin-1", newline="") as stream:
        return list(csv.DictReader(stream))


def date(text: str) -> str:
    pattern = "%m/%d/%Y" if "/" in text else "%m-%d-%Y"
    return dt.datetime.strptime(text, pattern).replace(tzinfo=dt.UTC).date().isoformat()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    made = Project(tmp_path, sandbox.url)
    (tmp_path / "customers.csv").write_bytes(FILE.read_bytes())
    made.declare(*documents(sandbox.url))
    return made


def test_the_lists_hold_exactly_the_right_people_and_again_sends_nothing(project: Project, sandbox: Sandbox) -> None:
    first = reconciler(project.root, "apply", "--yes", environ=project.environ)
    assert first.returncode == 0, first.stderr

    people = rows()
    assert len(people) == 18_148
    owners = {r["EmailAddress"] for r in people if r["HomeOwner"] == "Y"}
    families = {r["EmailAddress"] for r in people if int(r["TotalChildren"]) >= 2 and r["AnnualIncome"] != "10,000 "}
    assert owners & families
    assert owners - families
    assert families - owners
    assert sandbox.world.members("home-owners") == owners
    assert sandbox.world.members("Large families") == families
    for row in people[::97]:
        contact = sandbox.world.contact(row["EmailAddress"])
        if row["EmailAddress"] not in owners | families:
            assert contact is None
            continue
        assert contact is not None
        assert contact.fields["FirstName"] == row["FirstName"]
        assert contact.custom["integer--Annual--Income"] == int(row["AnnualIncome"].replace(",", ""))
        assert contact.custom["date--Birthday"] == date(row["BirthDate"])

    sandbox.forget_requests()
    again = reconciler(project.root, "apply", "--yes", environ=project.environ)
    assert again.returncode == 0
    assert "No changes" in again.stdout
    assert sandbox.requests == ()


def test_181_changed_people_are_two_bulk_requests(project: Project, sandbox: Sandbox) -> None:
    assert reconciler(project.root, "apply", "--yes", environ=project.environ).returncode == 0
    people = rows()
    changed = [row for row in people if row["HomeOwner"] == "Y"][:181]
    for row in changed:
        row["FirstName"] = "CHANGED"
    with (project.root / "customers.csv").open("w", encoding="latin-1", newline="") as stream:
        writer = csv.DictWriter(stream, people[0].keys())
        writer.writeheader()
        writer.writerows(people)
    sandbox.forget_requests()

    done = reconciler(project.root, "apply", "--yes", environ=project.environ)

    assert done.returncode == 0, done.stderr
    assert Counter((r.method, r.path) for r in sandbox.requests) == {("POST", "/contacts"): 2}
    assert all(
        (contact := sandbox.world.contact(row["EmailAddress"])) is not None and contact.fields["FirstName"] == "CHANGED"
        for row in changed
    )
