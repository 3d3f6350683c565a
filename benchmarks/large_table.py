"""Makes a Parquet table of any number of made-up profiles, the same ones everywhere. Decides who is in the segment.

The engine writes it, in a process of its own: `python -m benchmarks.large_table FILE PROFILES MEMBERS`.
"""

from __future__ import annotations

import sys

import duckdb

KEY = "CustomerId"
COLUMNS = ("Email", "FirstName", "LastName", "Income", "Tier")
SEGMENT = "Tier = 'gold' AND Orders >= 3"
"""Members are spread evenly over the table, so that no part of it can be passed over unread."""

DECLARATIONS = """\
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
  profiles: {{path: people.parquet, id: CustomerId}}
---
apiVersion: reconciler/v1
kind: Segment
metadata: {{name: members}}
spec: {{source: profiles, where: "{segment}"}}
---
apiVersion: reconciler/v1
kind: Export
metadata: {{name: newsletter}}
spec:
  connection: newsletter
  source: profiles
  match:
    Email: Email
    FirstName: FirstName
    LastName: LastName
    Annual Income: {{column: Income, type: integer}}
    Loyalty Tier: {{column: Tier, type: string}}
  segments: [members]
"""

# 7919 is a prime, so `place` has each number below the size once; 48271 is the factor of a well-known generator. Ids
# are as long as those that Customer Insights gives, and neither they nor addresses repeat or compress.
_TABLE = """\
SELECT
  CAST(CAST(md5(CAST(i AS VARCHAR)) AS UUID) AS VARCHAR) AS CustomerId,
  format('{{}}.{{:x}}@{{}}', left(md5(CAST(-i AS VARCHAR)), 6), i,
    if(r % 10 = 0, format('team{{}}.example.com', r % 1000), 'example.com')) AS Email,
  (['Amber', 'Azure', 'Coral', 'Green', 'Indigo', 'Olive', 'Pearl', 'Red', 'Silver', 'Teal', 'Violet'])[i % 11 + 1]
    AS FirstName,
  (['Brook', 'Cliff', 'Dale', 'Field', 'Ford', 'Hill', 'Lake', 'Marsh', 'Moor', 'Ridge', 'Shore', 'Wood'])[i % 12 + 1]
    AS LastName,
  (['AT', 'DE', 'ES', 'FR', 'GB', 'IT', 'PT', 'SE'])[r % 8 + 1] AS Country,
  20000 + i * 7919 % 90000 AS Income,
  CASE WHEN place < {members} OR r % 50 = 0 THEN 'gold' WHEN r % 5 = 0 THEN 'silver' ELSE 'bronze' END AS Tier,
  CASE WHEN place < {members} THEN 3 + r % 40 ELSE r % 3 END AS Orders,
  CAST(r % 1000000 / 100 AS DOUBLE) AS Spent,
  DATE '2020-01-01' + CAST(r % 2000 AS INTEGER) AS LastOrder,
  r % 4 <> 0 AS Newsletter,
  TIMESTAMP '2015-01-01 00:00:00' + to_seconds(r % 300000000) AS ModifiedOn
FROM (SELECT range AS i, range * 7919 % {profiles} AS place, range * 48271 % 2147483647 AS r FROM range({profiles}))
"""


def write(path: str, profiles: int, members: int) -> None:
    """Write the table, and leave when it is not the one that was meant. 7919 may not divide `profiles`."""
    connection = duckdb.connect(config={"memory_limit": "2GB"})
    target = path.replace("'", "''")
    connection.execute(f"COPY ({_TABLE.format(profiles=profiles, members=members)}) TO '{target}' (FORMAT parquet)")
    found = connection.execute(f"SELECT count(*) FROM '{target}' WHERE {SEGMENT}").fetchall()
    if found != [(members,)]:
        sys.exit(f"the table has {found[0][0]:,} members and not {members:,}")


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
