"""Decides what a Source may say of the service or the cluster that it reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.core.reads import Dataverse, Spark
from reconciler.manifest.rules.urls import judged
from reconciler.manifest.rules.world import fault
from reconciler.manifest.words import quote

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


_OWN = {
    "authorization": "write token: {env: SPARK_TOKEN} instead",
    "token": "write token: {env: SPARK_TOKEN} beside headers",
    "use_ssl": "leave it out: there is TLS to every host but this machine",
    **dict.fromkeys(("user_id", "user_agent", "session_id"), "leave it out: the client says that itself"),
}
_SECRETIVE = re.compile(r"auth|token|secret|passw|credential|cookie|signature|\bkey\b|apikey")


def cluster_headers(world: World) -> Iterator[Diagnostic]:
    """Refuse headers that are the client's own, a secret that is written out, and any that a driver would not send."""
    for source in world.sources:
        if not isinstance(source.reads, Spark):
            continue
        connects = source.reads.url.startswith("sc://")
        for key, given in (("token", source.reads.token is not None), ("headers", bool(source.reads.headers))):
            if given and not connects:
                message = f"{key} is for Spark Connect, and this url is a master's; write url: sc://host:15002"
                yield fault(source.marks, ("spec", key), "cluster-headers", message)
        for name, value in source.reads.headers.items():
            path = ("spec", "headers", name)
            if name in _OWN:
                message = f"{quote(name)} cannot be set as a header; {_OWN[name]}"
                yield fault(source.marks, path, "cluster-headers", message)
            elif isinstance(value, str) and _SECRETIVE.search(name.replace("-", " ").replace("_", " ")):
                message = f"what {quote(name)} holds is a secret by its name; write {name}: {{env: VARIABLE}}"
                yield fault(source.marks, path, "key-in-file", message)


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
