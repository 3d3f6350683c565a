"""Real customers on one state, through one kind of source after another: only the first sends anything."""

from __future__ import annotations

import csv
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support import dataverse
from support.contract import delta, parquet
from support.project import Project, connection, document, export, segment
from test_adventureworks import FIELDS, FILE, MATCH

from reconciler.core.plan import Action
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.cluster import Cluster

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the AdventureWorks customers are not on this machine")

SEGMENTS = {"home-owners": "HomeOwner = 'Y'", "large": "TotalChildren >= 2 AND AnnualIncome <> '10,000 '"}


class Move:
    """A project whose source changes while its state stays."""

    def __init__(self, root: Path, sandbox: Sandbox) -> None:
        self.root, self.sandbox = root, sandbox
        self.project = Project(root, sandbox.url)
        self.project.environ["DATAVERSE_SECRET"] = dataverse.SECRET
        (root / "customers.csv").write_bytes(FILE.read_bytes())
        with FILE.open(encoding="latin-1", newline="") as stream:
            self.columns, *self.rows = (row[:13] for row in csv.reader(stream))

    def declare(self, spec: dict[str, Any]) -> None:
        self.project.declare(
            connection(url=self.sandbox.url, fields=FIELDS),
            document("Source", "profiles", spec),
            *(segment(name, where) for name, where in SEGMENTS.items()),
            export("newsletter", list(SEGMENTS), MATCH),
        )

    def moved(self, spec: dict[str, Any]) -> int:
        """Change the source, and give how many people a run of it sends."""
        self.declare(spec)
        self.sandbox.forget_requests()
        plan, run = self.project.apply()
        (planned,) = plan.exports
        assert not planned.reasons
        assert planned.snapshot
        sent = sum(done.sent for done in run.exports)
        assert bool(self.sandbox.requests) == bool(sent) == (planned.action is not Action.NONE)
        return sent

    def csv(self) -> dict[str, Any]:
        return files("customers.csv", encoding="latin-1")

    def parquet(self) -> dict[str, Any]:
        parquet(self.root / "customers.parquet", self._types(), tuple(map(tuple, self._values())))
        return files("customers.parquet")

    def delta(self) -> dict[str, Any]:
        delta(str(self.root / "customers"), self._types(), tuple(map(tuple, self._values())))
        return files("customers")

    @contextmanager
    def dataverse(self) -> Iterator[dict[str, Any]]:
        names = [f"msdynci_{name.lower()}" for name in self.columns]
        profiles = dataverse.Table("msdynci_customerprofile", dict.fromkeys(names, ("String", None)))
        profiles.rows += [dict(zip(names, row, strict=True)) for row in self._values()]
        with dataverse.serving(dataverse.World({"msdynci_customerprofiles": profiles}), self.root) as world:
            who = {"tenant": dataverse.TENANT, "client": dataverse.CLIENT, "secret": {"env": "DATAVERSE_SECRET"}}
            yield {
                "type": "dataverse",
                "url": world.base,
                "authority": world.base,
                "credentials": {"clientSecret": who},
                "profiles": {"id": "CustomerKey"},
            }

    def _types(self) -> dict[str, str]:
        return dict.fromkeys(self.columns, "VARCHAR")

    def _values(self) -> Iterator[list[str | None]]:
        return ([cell or None for cell in row] for row in self.rows)


def files(path: str, **more: Any) -> dict[str, Any]:
    return {"type": "files", "profiles": {"path": path, "id": "CustomerKey", **more}}


@pytest.fixture
def move(tmp_path: Path) -> Iterator[Move]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield Move(tmp_path, running)


def test_a_file_a_lake_and_customer_insights_itself_are_the_same_customers(move: Move) -> None:
    assert move.moved(move.csv()) > 10_000
    members = {name: move.sandbox.world.members(name) for name in SEGMENTS}
    assert move.moved(move.parquet()) == 0
    assert move.moved(move.delta()) == 0
    with move.dataverse() as spec:
        assert move.moved(spec) == 0
    assert move.moved(move.csv()) == 0
    assert {name: move.sandbox.world.members(name) for name in SEGMENTS} == members


def test_a_cluster_sees_the_same_customers_as_a_file(move: Move, cluster: Cluster) -> None:
    assert move.moved(move.parquet()) > 10_000
    table = {"path": str(move.root / "customers.parquet"), "format": "parquet", "id": "CustomerKey"}
    assert move.moved({"type": "spark", "url": cluster.connect, "profiles": table}) == 0
    assert move.moved(move.csv()) == 0
