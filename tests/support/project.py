"""A project in a folder, and one run of it after another: the two worlds that the tests compare."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciler.flow.outside import Request
from reconciler.flow.plan import prepare
from reconciler.flow.refresh import Refresh, look
from reconciler.flow.session import Session
from reconciler.wiring import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from reconciler.core.plan import Plan
    from reconciler.core.ports import Clock
    from reconciler.core.record import Run

KEY = "0123456789abcdef0123456789abcdef"
FREELY: Mapping[str, Any] = {"maxRemovals": "100%", "maxUpdates": "100%"}


@dataclass
class Project:
    """A folder with declarations and one table of profiles. `rate` is in requests a second."""

    root: Path
    url: str
    environ: dict[str, str] = field(default_factory=lambda: {"AUTOPILOT_API_KEY": KEY})
    clock: Clock | None = None
    stop: Callable[[], bool] = lambda: False

    def declare(self, *documents: dict[str, Any], file: str = "all.yaml") -> None:
        """Replace what one file declares; JSON is YAML."""
        path = self.root / "exports" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n---\n".join(json.dumps(document, indent=1) for document in documents))

    def people(self, columns: Sequence[str], rows: Iterable[Sequence[object]], file: str = "people.csv") -> None:
        """Replace the table of profiles."""
        with (self.root / file).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(columns)
            writer.writerows(rows)

    def shop(self) -> Workshop:
        """Open it, as a command does."""
        return Workshop(self.root, self.environ, self.clock, self.stop)

    def plan(self, *exports: str, trigger: str = "demand", refresh: bool = False) -> Plan:
        """Plan, as the command does: with a reader."""
        shop = self.shop()
        declarations = shop.declarations()
        digests, _ = shop.digests(self.root, make=False)
        with shop.recorded(declarations) as reader:
            outside, request = shop.outside(declarations), Request(exports, trigger)
            found = look(declarations, reader, outside, digests, request) if refresh else Refresh()
            plan, prepared = prepare(declarations, found.over(reader), outside, digests, request)
        return found.told(plan, prepared)

    def apply(self, *exports: str, trigger: str = "demand", refresh: bool = False) -> tuple[Plan, Run]:
        """Apply, as the command does, without asking."""
        with Session(self.shop(), lock_timeout=0) as session:
            plan = session.plan(exports, trigger, refresh=refresh)
            return plan, session.carry_out(plan, trigger)


def connection(
    name: str = "account", url: str = "", *, fields: Sequence[str] = ("Email",), **spec: Any
) -> dict[str, Any]:
    """Declare a connection with consent for `fields`."""
    whole = {
        "type": "autopilot",
        "displayName": name.title(),
        "apiKey": {"env": "AUTOPILOT_API_KEY"},
        "baseUrl": url,
        "limits": {"requestsPerSecond": 100_000},
        "consent": {"accepted": True, "by": "privacy@contoso.com", "on": "2026-11-02", "fields": list(fields)},
    }
    return document("Connection", name, whole | spec)


def source(name: str = "profiles", path: str = "people.csv", **profiles: Any) -> dict[str, Any]:
    """Declare a source of files, told apart by the column `id`."""
    return document("Source", name, {"type": "files", "profiles": {"path": path, "id": "id"} | profiles})


def segment(name: str, where: str, source: str = "profiles", **metadata: Any) -> dict[str, Any]:
    """Declare a segment by its predicate."""
    return document("Segment", name, {"source": source, "where": where}, **metadata)


def export(name: str, segments: Sequence[Any], match: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Declare an export over `account` that any number of changes may pass."""
    metadata = spec.pop("metadata", {})
    whole = {
        "connection": "account",
        "source": "profiles",
        "match": dict(match or {"Email": "email"}),
        "segments": list(segments),
        "safety": dict(FREELY),
    } | spec
    return document("Export", name, {key: value for key, value in whole.items() if value is not None}, **metadata)


def document(kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> dict[str, Any]:
    """Put a document together."""
    return {
        "apiVersion": "reconciler/v1",
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": dict(spec),
    }
