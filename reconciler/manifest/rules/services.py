"""Decides what a Source may say of the service or the cluster that it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.reads import Dataverse, Spark
from reconciler.manifest.rules.urls import judged
from reconciler.manifest.rules.world import fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.diagnostics import Diagnostic
    from reconciler.manifest.rules.world import World


def service_url(world: World) -> Iterator[Diagnostic]:
    """Refuse plain http to a host that is not this machine, and URLs that carry a password or no host."""
    for source in world.sources:
        if isinstance(source.reads, Dataverse):
            right = "write url: https://contoso.crm4.dynamics.com"
            yield from judged(source.marks, ("spec", "url"), source.reads.url, right)
            if source.reads.insights is not None:
                right = "write url: https://api.ci.ai.dynamics.com/v1"
                path = ("spec", "customerInsights", "url")
                yield from judged(source.marks, path, source.reads.insights.url, right)


def cluster_table(world: World) -> Iterator[Diagnostic]:
    """Take a cluster's table by its name or by its path, and not by both."""
    for source in world.sources:
        if not isinstance(source.reads, Spark):
            continue
        for key, table in (("profiles", source.reads.profiles), ("memberships", source.reads.memberships)):
            if table is not None and (table.table is None) == (table.path is None):
                has = "neither" if table.table is None else "both"
                message = (
                    f"a cluster's table has exactly one of table and path, and this has {has}; "
                    "write table: main.customers.profiles"
                )
                yield fault(source.marks, ("spec", key), "cluster-table", message)
