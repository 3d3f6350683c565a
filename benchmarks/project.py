"""Declares what the benchmarks run: one connection, one source, one segment that holds everybody, one export."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE = "people.csv"

_DECLARATIONS = """\
apiVersion: reconciler/v1
kind: Connection
metadata: {{name: newsletter}}
spec:
  type: autopilot
  displayName: The benchmarks' account
  apiKey: {{env: AUTOPILOT_API_KEY}}
  baseUrl: {url}
  limits: {{requestsPerSecond: {rate}}}
  consent:
    accepted: true
    by: privacy@contoso.com
    on: 2026-11-02
    fields: [Email, FirstName, LastName, Annual Income, Loyalty Tier]
---
apiVersion: reconciler/v1
kind: Source
metadata: {{name: profiles}}
spec:
  type: files
  profiles: {{path: {people}, id: id}}
---
apiVersion: reconciler/v1
kind: Segment
metadata: {{name: members}}
spec: {{source: profiles, where: "tier IN ('bronze', 'silver', 'gold')"}}
---
apiVersion: reconciler/v1
kind: Export
metadata: {{name: newsletter}}
spec:
  connection: newsletter
  source: profiles
  match:
    Email: email
    FirstName: first
    LastName: last
    Annual Income: {{column: income, type: integer}}
    Loyalty Tier: {{column: tier, type: string}}
  segments: [members]
"""


def write(folder: Path, url: str, rate: int) -> None:
    """Write the declarations below a project's folder. `url` is the account's, `rate` in requests a second."""
    exports = folder / "exports"
    exports.mkdir(parents=True)
    text = _DECLARATIONS.format(url=url, rate=rate, people=PEOPLE)
    (exports / "newsletter.yaml").write_text(text, encoding="utf-8")
