"""Prints what projects of many connections take, and how that grows: `benchmarks/connections [N…]`.

Each connection is an account of its own with 10 exports, each of one of 100 segments over one table. The stand-in
answers at once and has no limit, so that what is measured is ours: at a real account the pace decides.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import load, machine
from benchmarks.measuring import RECONCILER, Sample, measured
from benchmarks.sandbox import Terms, running

if TYPE_CHECKING:
    from collections.abc import Mapping

SIZES = (25, 50, 100, 200)
EXPORTS = 10
SEGMENTS = 100
PEOPLE = 10_000
SCENES = {
    "validate": ("validate",),
    "plan, nothing recorded": ("plan", "--output", "json"),
    "first apply": ("apply", "--yes"),
    "plan, unchanged": ("plan", "--output", "json"),
    "unchanged apply": ("apply", "--yes"),
    "unchanged apply by a schedule": ("apply", "--yes", "--trigger", "schedule"),
}


def declare(folder: Path, url: str, connections: int) -> None:
    """Write a project, one file for each connection, and the table."""
    exports = folder / "exports"
    exports.mkdir(parents=True)
    shared = [_document("Source", "profiles", {"type": "files", "profiles": {"path": "people.csv", "id": "id"}})]
    shared += [
        _document("Segment", f"s{n}", {"source": "profiles", "where": f"CAST(n AS INTEGER) % {SEGMENTS} = {n}"})
        for n in range(SEGMENTS)
    ]
    (exports / "shared.yaml").write_text("\n---\n".join(shared), encoding="utf-8")
    for number in range(connections):
        text = "\n---\n".join(_account(number, url))
        (exports / f"account-{number}.yaml").write_text(text, encoding="utf-8")
    with (folder / "people.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "n", "email", "first"])
        table.writerows((n, n, f"person{n}@example.com", f"First{n}") for n in range(PEOPLE))


def _account(number: int, url: str) -> list[str]:
    consent = {"accepted": True, "by": "privacy@contoso.com", "on": "2026-11-02", "fields": ["Email", "FirstName"]}
    connection = {
        "type": "autopilot",
        "displayName": f"Account {number}",
        "apiKey": {"env": f"ACCOUNT_{number}"},
        "baseUrl": url,
        "limits": {"requestsPerSecond": 100_000},
        "consent": consent,
    }
    found = [_document("Connection", f"account-{number}", connection)]
    for each in range(EXPORTS):
        export = {
            "connection": f"account-{number}",
            "source": "profiles",
            "match": {"Email": "email", "FirstName": "first"},
            "segments": [f"s{(number * EXPORTS + each) % SEGMENTS}"],
        }
        found.append(_document("Export", f"export-{number}-{each}", export))
    return found


def _document(kind: str, name: str, spec: Mapping[str, object]) -> str:
    metadata = {"name": name}
    return json.dumps({"apiVersion": "reconciler/v1", "kind": kind, "metadata": metadata, "spec": spec}, indent=1)


def project(connections: int) -> dict[str, Sample]:
    """Run every scene over a project of so many connections."""
    environ = {f"ACCOUNT_{number}": f"{number:032x}" for number in range(connections)} | {"PATH": "/usr/bin:/bin"}
    with tempfile.TemporaryDirectory() as folder, running(Terms()) as sandbox:
        declare(Path(folder), sandbox.url, connections)
        return {name: measured([*RECONCILER, "-C", folder, *words], environ) for name, words in SCENES.items()}


def main(sizes: tuple[int, ...]) -> None:
    """Print a row for each scene: seconds and peak for each size, and the growth from the first size to the last."""
    before = load()
    found = {size: project(size) for size in sizes}
    print(f"{machine(before)}\n")
    print(f"| {EXPORTS} exports a connection | {' | '.join(f'{size} connections' for size in sizes)} | growth |")
    print(f"|---|{'---|' * len(sizes)}---|")
    for name in SCENES:
        samples = [found[size][name] for size in sizes]
        figures = " | ".join(f"{each.seconds:.1f} s, {each.memory / 1e6:.0f} MB" for each in samples)
        growth = samples[-1].seconds / samples[0].seconds
        print(f"| {name} | {figures} | {growth:.1f} times the time for {sizes[-1] / sizes[0]:.0f} times as many |")


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or SIZES)
