"""The small project that `init` writes, which validates and applies as it stands. It decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconciler.core.errors import ReconcilerError
from reconciler.manifest.schema import FOLDER, schemas

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

CONNECTION: Final = """\
# yaml-language-server: $schema=../../schemas/connection.schema.json
apiVersion: reconciler/v1
kind: Connection
metadata:
  name: autopilot-newsletter
  description: Only administrators change this file.
spec:
  type: autopilot
  displayName: Autopilot, newsletter account
  apiKey: {env: AUTOPILOT_API_KEY} # where the key is; the key itself never stands in a file of the project
  baseUrl: http://127.0.0.1:8787/v1 # the sandbox; the real one is https://api2.autopilothq.com/v1
  limits:
    profiles: 100000
    requestsPerSecond: 20
  consent: # an administrator's word that these fields may go to Autopilot; put your own here before real data does
    accepted: true
    by: privacy@contoso.com
    on: 2026-11-02
    fields: [Email, FirstName, LastName, Children]
"""

SOURCE: Final = """\
# yaml-language-server: $schema=../../schemas/source.schema.json
apiVersion: reconciler/v1
kind: Source
metadata:
  name: unified-profiles
spec:
  type: files
  profiles:
    path: data/customers.csv
    id: CustomerKey
    types: {TotalChildren: integer} # every other column is text, so that nothing is guessed away
"""

SEGMENTS: Final = """\
# yaml-language-server: $schema=../../schemas/segment.schema.json
apiVersion: reconciler/v1
kind: Segment
metadata:
  name: home-owners
spec:
  source: unified-profiles
  where: HomeOwner = 'Y'
---
apiVersion: reconciler/v1
kind: Segment
metadata:
  name: large-families
spec:
  source: unified-profiles
  where: TotalChildren >= 2
"""

EXPORT: Final = """\
# yaml-language-server: $schema=../schemas/export.schema.json
apiVersion: reconciler/v1
kind: Export
metadata:
  name: newsletter
spec:
  connection: autopilot-newsletter
  source: unified-profiles
  match: # Autopilot field: profile column
    Email: EmailAddress
    FirstName: FirstName
    LastName: LastName
    Children: {column: TotalChildren, type: integer} # a custom field
  segments:
    - home-owners
    - {name: large-families, list: Large families}
  consent: {column: NewsletterConsent, equals: "true"} # who does not say so is left out, and counted
  schedule: {every: day, at: ["06:00"], timezone: Europe/Madrid}
"""

CUSTOMERS: Final = """\
CustomerKey,FirstName,LastName,EmailAddress,HomeOwner,TotalChildren,NewsletterConsent
1001,Amber,Sample,amber.sample@example.com,Y,0,true
1002,Azure,Sample,azure.sample@example.com,N,1,true
1003,Coral,Sample,coral.sample@example.com,Y,2,true
1004,Ebony,Sample,ebony.sample@example.com,N,3,true
1005,Hazel,Sample,hazel.sample@example.com,Y,0,true
1006,Indigo,Sample,indigo.sample@example.com,N,1,true
1007,Ivory,Sample,ivory.sample@example.com,Y,2,true
1008,Olive,Sample,olive.sample@example.com,N,3,true
1009,Pearl,Sample,pearl.sample@example.com,Y,0,true
1010,Ruby,Sample,ruby.sample@example.com,N,1,true
1011,Sable,Sample,sable.sample@example.com,Y,2,false
1012,Violet,Sample,violet.sample@example.com,N,3,true
"""

PROJECT: Final = """\
# yaml-language-server: $schema=../schemas/project.schema.json
apiVersion: reconciler/v1
kind: Project
metadata:
  name: exports
  description: Only administrators change this file.
spec:
  state: {url: "git+branch://reconciler-state"} # a branch of this repository, which outlives the runner
  roles:
    administrators: ADMINISTRATORS # they alone change connections, sources, roles and workflows
    contributors: [] # they change exports and segments, on connections that are shared with them
"""

README: Final = """\
# Exports to Autopilot

Which people go to which lists of Autopilot is declared in `exports/`, reviewed in a pull request, and applied.

    reconciler validate                         # checks the declarations
    reconciler sandbox --key $AUTOPILOT_API_KEY # a stand-in for Autopilot, in another terminal
    reconciler plan                             # what would change, and nothing else
    reconciler apply                            # carries it out

For the sandbox any key of 32 hexadecimal digits will do: `export AUTOPILOT_API_KEY=$(openssl rand -hex 16)`.
"""

GITIGNORE: Final = (
    "# What was sent, by keyed digest. It is the reconciler's memory: kept, but not in git.\n.reconciler/\n"
)


def files(administrators: Sequence[str] = ()) -> dict[str, str]:
    """Give the text of every file, by its path relative to the project's folder.

    With `administrators` it is a project for GitHub: they are named, the connection is to the real Autopilot, and the
    export waits until a pull request lets it run.
    """
    return _files() | (_of_github(administrators) if administrators else {})


def _of_github(administrators: Sequence[str]) -> dict[str, str]:
    sandbox = next(line for line in CONNECTION.splitlines(keepends=True) if "baseUrl:" in line)
    return {
        "exports/project.yaml": PROJECT.replace("ADMINISTRATORS", f"[{', '.join(administrators)}]"),
        "exports/connections/newsletter.yaml": CONNECTION.replace(sandbox, ""),
        "exports/newsletter.yaml": f"{EXPORT}  suspended: true # take this line out, and the export runs\n",
    }


def _files() -> dict[str, str]:
    return {
        "exports/connections/newsletter.yaml": CONNECTION,
        "exports/sources/unified-profiles.yaml": SOURCE,
        "exports/segments/households.yaml": SEGMENTS,
        "exports/newsletter.yaml": EXPORT,
        "data/customers.csv": CUSTOMERS,
        ".gitignore": GITIGNORE,
        "README.md": README,
        **{f"{FOLDER}/{name}": text for name, text in schemas().items()},
    }


def write(root: pathlib.Path, administrators: Sequence[str] = ()) -> tuple[pathlib.Path, ...]:
    """Write the project and give the files that were written.

    A README that is there stays, and a `.gitignore` is added to. Raises ReconcilerError, before anything is written, if
    any other file is there already.
    """
    made = {root / name: text for name, text in files(administrators).items()}
    there = [path for path in made if path.exists() or path.is_symlink()]
    taken = sorted(path.relative_to(root).as_posix() for path in there if path.name not in {"README.md", ".gitignore"})
    if taken:
        raise ReconcilerError(f"nothing was written: {', '.join(taken)} would be overwritten; give an empty folder")
    try:
        return tuple(path for path, text in made.items() if _write(path, text))
    except OSError as error:
        raise ReconcilerError(f"the project cannot be written: {error.strerror}; give another folder") from None


def _write(path: pathlib.Path, text: str) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        there = path.read_text(encoding="utf-8")
        if path.name != ".gitignore" or ".reconciler/" in there.split():
            return False
        text = there.rstrip("\n") + "\n" + text
    path.write_text(text, encoding="utf-8", newline="\n")
    return True
