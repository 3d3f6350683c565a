"""Bad inputs and the line that each gets. `python tests/test_manifest_bad_inputs.py --write` regenerates the page."""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from reconciler.manifest.load import diagnose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.core.diagnostics import Diagnostic
    from reconciler.core.model import Segment, Source

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "bad-inputs.md"
HEAD = "apiVersion: reconciler/v1\n"
KEY = "0123456789abcdef0123456789abcdef"
CONNECTION = HEAD + (
    "kind: Connection\n"
    "metadata: {name: autopilot-marketing}\n"
    "spec:\n"
    "  type: autopilot\n"
    "  apiKey: {env: AUTOPILOT_API_KEY}\n"
    "  baseUrl: https://api2.autopilothq.com/v1\n"
    "  limits: {profiles: 100000, requestsPerSecond: 20}\n"
    "  consent: {accepted: true, by: privacy@contoso.com, on: 2026-11-02, fields: [Email]}\n"
)
SOURCE = HEAD + (
    "kind: Source\n"
    "metadata: {name: unified-profiles}\n"
    "spec:\n"
    "  type: files\n"
    "  profiles: {path: data/customers.csv, id: CustomerKey}\n"
    "  memberships: {path: data/memberships.csv, id: CustomerKey, segment: SegmentName}\n"
)
DATAVERSE = HEAD + (
    "kind: Source\n"
    "metadata: {name: unified-profiles}\n"
    "spec:\n"
    "  type: dataverse\n"
    "  url: https://contoso.crm4.dynamics.com\n"
    "  credentials:\n"
    "    clientSecret: {tenant: contoso.com, client: 00000000-0000-0000-0000-000000000002, secret: {env: S}}\n"
)
SPARK = HEAD + (
    "kind: Source\n"
    "metadata: {name: unified-profiles}\n"
    "spec:\n"
    "  type: spark\n"
    "  url: sc://spark.contoso.com:15002\n"
    "  profiles: {table: t, id: CustomerKey}\n"
)


def headed(header: str) -> str:
    """Give a cluster that wants a header."""
    return f"{SPARK}  headers: {{{header}}}\n"


SEGMENT = HEAD + (
    "kind: Segment\nmetadata: {name: home-owners}\nspec:\n  source: unified-profiles\n  where: \"HomeOwner = 'Y'\"\n"
)
EXPORT = HEAD + (
    "kind: Export\n"
    "metadata: {name: newsletter}\n"
    "spec:\n"
    "  connection: autopilot-marketing\n"
    "  source: unified-profiles\n"
    "  match:\n"
    "    Email: EmailAddress\n"
    "    FirstName: FirstName\n"
    "  segments: [home-owners]\n"
)
PROJECT = HEAD + "kind: Project\nmetadata: {name: contoso}\nspec:\n  suppressions: suppressions.txt\n"
GOOD = {
    "connection.yaml": CONNECTION,
    "source.yaml": SOURCE,
    "segment.yaml": SEGMENT,
    "export.yaml": EXPORT,
    "project.yaml": PROJECT,
}
COLUMNS = {"CustomerKey": "VARCHAR", "EmailAddress": "VARCHAR", "FirstName": "VARCHAR", "HomeOwner": "VARCHAR"}
OTHER_SOURCE = SOURCE.replace("unified-profiles", "web-profiles")
WEB_SEGMENT = SEGMENT.replace("home-owners", "visitors").replace("unified-profiles", "web-profiles")


@dataclass(frozen=True, slots=True)
class Case:
    """One bad input: what it is called, what makes it bad, and the rules that its lines name."""

    name: str
    rules: tuple[str, ...]
    spoil: Callable[[pathlib.Path], None]
    shown: str = ""
    columns: bool = field(default=False)


def swap(file: str, old: str, new: str) -> Callable[[pathlib.Path], None]:
    """Replace the one place of `old` in a good file."""

    def spoil(root: pathlib.Path) -> None:
        path = root / "exports" / file
        text = path.read_text()
        assert text.count(old) == 1, (file, old)
        path.write_text(text.replace(old, new))

    return spoil


def add(file: str, data: str | bytes) -> Callable[[pathlib.Path], None]:
    """Put one more file beside the good ones."""

    def spoil(root: pathlib.Path) -> None:
        (root / "exports" / file).write_bytes(data.encode() if isinstance(data, str) else data)

    return spoil


def case(name: str, rule: str, file: str, old: str, new: str, *, columns: bool = False) -> Case:
    """Give a case that changes one thing in a good file."""
    return Case(name, (rule,), swap(file, old, new), new.strip(), columns)


def extra(name: str, rule: str, data: str | bytes, shown: str = "") -> Case:
    """Give a case that adds a file."""
    return Case(name, (rule,), add("more.yaml", data), shown)


def link_outside(root: pathlib.Path) -> None:
    (root.parent / "outside.yaml").write_text(SEGMENT)
    (root / "exports" / "more.yaml").symlink_to(root.parent / "outside.yaml")


def link_in_a_circle(root: pathlib.Path) -> None:
    (root / "exports" / "more.yaml").symlink_to(root / "exports" / "more.yaml")


def link_to_nothing(root: pathlib.Path) -> None:
    (root / "exports" / "more.yaml").symlink_to(root / "nothing.yaml")


def data_link(root: pathlib.Path) -> None:
    (root.parent / "others.csv").write_text("CustomerKey\n")
    (root / "data").mkdir()
    (root / "data" / "customers.csv").symlink_to(root.parent / "others.csv")


def member_of_nobody(root: pathlib.Path) -> None:
    swap("source.yaml", SOURCE.splitlines(keepends=True)[-1], "")(root)
    swap("segment.yaml", "where: \"HomeOwner = 'Y'\"", "member: VIP")(root)


def nothing_there(root: pathlib.Path) -> None:
    for path in (root / "exports").iterdir():
        path.unlink()


def no_folder(root: pathlib.Path) -> None:
    nothing_there(root)
    (root / "exports").rmdir()


def huge(root: pathlib.Path) -> None:
    with (root / "exports" / "more.yaml").open("wb") as file:
        file.truncate(50_000_000)


def many(root: pathlib.Path) -> None:
    (root / "exports" / "more.yaml").write_text("---\na: b\n" * 10_001)


def laughs() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(lines) + "\n"


SYNTAX = (
    extra("a bracket that is never closed", "yaml", "spec: {a: 1\n", "spec: {a: 1"),
    extra("a quote that is never closed", "yaml", 'a: "b\n', 'a: "b'),
    extra("a tab as indent", "yaml", "spec:\n\ta: 1\n"),
    extra("a second colon", "yaml", "a: b: c\n", "a: b: c"),
    extra("a line that is no key and value", "yaml", "a: 1\nb\nc: 1\n", "b"),
    extra("a value that begins with @", "yaml", "a: @b\n", "a: @b"),
    extra("a wrong escape", "yaml", 'a: "\\q"\n', 'a: "\\q"'),
    Case(
        "a key twice",
        ("duplicate-key",),
        swap("segment.yaml", "  source: unified-profiles\n", "  source: unified-profiles\n  source: web\n"),
    ),
    Case(
        "a field twice",
        ("field-twice",),
        swap("export.yaml", "    FirstName: FirstName\n", "    FirstName: a\n    FirstName: b\n"),
    ),
    case("a key that is a number", "yaml-key", "export.yaml", "    FirstName: FirstName", "    5: FirstName"),
    extra(
        "a key that is a list",
        "yaml-key",
        HEAD + "? [a]\n: b\nkind: Segment\nmetadata: {name: b}\nspec: {source: unified-profiles, where: a = 1}\n",
    ),
    case(
        "a merge key",
        "merge-key",
        "segment.yaml",
        "metadata: {name: home-owners}",
        "metadata: {<<: {}, name: home-owners}",
    ),
    case("a tag", "yaml-tag", "segment.yaml", "name: home-owners", "name: !!python/name:os.system home-owners"),
    case("a directive for YAML 1.1", "yaml-directive", "segment.yaml", HEAD, "%YAML 1.1\n---\n" + HEAD),
    case("a number that is none", "yaml-number", "connection.yaml", "requestsPerSecond: 20", "requestsPerSecond: .nan"),
    case("a number that is too long", "yaml-number", "connection.yaml", "profiles: 100000", "profiles: 1" + "0" * 40),
    extra("an alias that comes before its anchor", "yaml-alias", "a: *b\n", "a: *b"),
    extra("aliases that explode", "yaml-alias", laughs()),
    extra("an alias to what it is in", "yaml-alias", "a: &a {b: *a}\n", "a: &a {b: *a}"),
    extra("nested too deep", "too-deep", "a: " + "[" * 5_000),
    extra("a NUL", "control-character", b"a: b\n\0\n"),
    extra("a terminal sequence", "control-character", b"a: \x1b[2J\n"),
    case("half a character as an escape", "control-character", "segment.yaml", "name: home-owners", 'name: "\\ud800"'),
    extra("bytes that are not UTF-8", "encoding", "a: Z\u00fcrich\n".encode("latin-1"), "a: Zürich, in Latin-1"),
    extra("UTF-16", "encoding", "a: b\n".encode("utf-16")),
    extra("a list instead of a document", "not-a-mapping", "- a\n", "- a"),
)
FILES = (
    Case("a file of 50 MB", ("too-large",), huge),
    Case("more than 10,000 documents", ("too-many",), many),
    Case("a link that leaves the project", ("path-outside",), link_outside),
    Case("a link in a circle", ("unreadable",), link_in_a_circle),
    Case("a link to nothing", ("unreadable",), link_to_nothing),
    Case("a pipe", ("not-a-file",), lambda root: os.mkfifo(root / "exports" / "more.yaml")),
    Case("a folder named like a file", ("not-a-file",), lambda root: (root / "exports" / "more.yaml").mkdir()),
    Case("no declaration at all", ("no-declarations",), nothing_there),
    Case("no folder exports/", ("no-declarations",), no_folder),
)
SHAPES = (
    case("an unknown kind", "kind", "segment.yaml", "kind: Segment", "kind: Segmnt"),
    case("no kind", "kind", "segment.yaml", "kind: Segment\n", ""),
    case("an unknown version", "api-version", "segment.yaml", HEAD, "apiVersion: reconciler/v2\n"),
    case("a misspelt key", "unknown-key", "export.yaml", "connection:", "conection:"),
    case("a missing key", "missing-key", "export.yaml", "  source: unified-profiles\n", ""),
    case("a key without a value", "no-value", "export.yaml", "connection: autopilot-marketing", "connection:"),
    case("YAML 1.1's yes", "type", "export.yaml", "[home-owners]\n", "[home-owners]\n  protected: yes\n"),
    case("a number in quotes", "limit", "connection.yaml", "profiles: 100000", 'profiles: "100000"'),
    case("a word that is no choice", "choice", "export.yaml", "[home-owners]\n", "[home-owners]\n  onLeave: delete\n"),
    case("a name with capitals", "name", "project.yaml", "{name: contoso}", "{name: Contoso}"),
    case("no segments", "length", "export.yaml", "[home-owners]", "[]"),
    case("both where and member", "segment-form", "segment.yaml", "  where:", "  member: x\n  where:"),
    case("neither where nor member", "segment-form", "segment.yaml", "  where: \"HomeOwner = 'Y'\"\n", ""),
)
CONNECTIONS = (
    case("the key itself", "key-in-file", "connection.yaml", "{env: AUTOPILOT_API_KEY}", KEY),
    case("the key as a variable's name", "key-in-file", "connection.yaml", "AUTOPILOT_API_KEY", KEY.replace("0", "a")),
    case("plain http", "plain-http", "connection.yaml", "https://api2", "http://api2"),
    case("a password in a URL", "url", "connection.yaml", "https://api2", "https://user:word@api2"),
    case("a limit over the ceiling", "limit", "connection.yaml", "profiles: 100000", "profiles: 100001"),
    case("a limit of nobody", "limit", "connection.yaml", "profiles: 100000", "profiles: 0"),
    case("a rate of nothing", "rate", "connection.yaml", "requestsPerSecond: 20", "requestsPerSecond: 0"),
    case("a day that is none", "consent-date", "connection.yaml", "on: 2026-11-02", "on: 2026-02-30"),
    case("a URL without a host", "url", "connection.yaml", "https://api2.autopilothq.com/v1", "https://:x"),
    case(
        "precedence twice",
        "precedence",
        "connection.yaml",
        "autopilot\n",
        "autopilot\n  precedence: [newsletter, newsletter]\n",
    ),
    Case(
        "precedence for an export of another connection",
        ("precedence",),
        lambda root: (
            swap("connection.yaml", "autopilot\n", "autopilot\n  precedence: [newsletter]\n")(root),
            swap("export.yaml", "  connection: autopilot-marketing\n", "")(root),
        )[0],
        "precedence: [newsletter]",
    ),
    case("another destination", "connection-type", "connection.yaml", "type: autopilot", "type: ortto"),
)
SOURCES = (
    case("another kind of source", "source-type", "source.yaml", "type: files", "type: mongodb"),
    case(
        "a secret of a source written out", "key-in-file", "source.yaml", SOURCE, DATAVERSE.replace("{env: S}", "abc")
    ),
    case("a service in the open", "plain-http", "source.yaml", SOURCE, DATAVERSE.replace("https", "http", 1)),
    case("an id that is none", "form", "source.yaml", SOURCE, DATAVERSE.replace("-000000000002", "")),
    case("a cluster's table named twice", "cluster-table", "source.yaml", SOURCE, SPARK.replace("t,", "t, path: p,")),
    case("a token in an address", "form", "source.yaml", SOURCE, SPARK.replace(":15002", ":15002/;token=abc")),
    case("a token as a header", "cluster-headers", "source.yaml", SOURCE, headed("authorization: abc")),
    case("a header with its secret", "key-in-file", "source.yaml", SOURCE, headed("x-api-key: abc")),
    case("a header that is a secret", "key-in-file", "source.yaml", SOURCE, headed("x-proxy: Bearer abc")),
    case("a header of no form", "form", "source.yaml", SOURCE, headed("X Cluster: abc")),
    case("a header that is a number", "type", "source.yaml", SOURCE, headed("x-org-id: 12")),
    case(
        "headers of a master",
        "cluster-headers",
        "source.yaml",
        SOURCE,
        headed("x-cluster: abc").replace("sc://spark.contoso.com:15002", "spark://spark.contoso.com:7077"),
    ),
    case(
        "a query without end",
        "range",
        "source.yaml",
        SOURCE,
        SPARK + "  timeoutSeconds: 100000\n",
    ),
    case("an absolute path", "path-outside", "source.yaml", "data/customers.csv", "/etc/passwd"),
    case("a path that climbs out", "path-outside", "source.yaml", "data/customers.csv", "../other/customers.csv"),
    Case("data behind a link", ("path-outside",), data_link),
    case("an object store", "path-url", "source.yaml", "data/customers.csv", "abfss://lake@contoso/customers"),
    case("no header and no names", "columns", "source.yaml", "customers.csv,", "customers.csv, header: false,"),
    case("names and a header", "columns", "source.yaml", "customers.csv,", "customers.csv, columns: [CustomerKey],"),
    case(
        "a column twice", "columns", "source.yaml", "customers.csv,", "customers.csv, header: false, columns: [a, A],"
    ),
    case("a wildcard that climbs out", "path-outside", "source.yaml", "data/customers.csv", '"data/*/../../../*.csv"'),
    case("a path of two lines", "path-outside", "source.yaml", "data/customers.csv", '"data\\n.csv"'),
    Case("a member where the source keeps none", ("segment-form",), member_of_nobody, "member: VIP"),
    case("an unknown encoding", "encoding-name", "source.yaml", "customers.csv,", "customers.csv, encoding: latin-x,"),
    case("an unknown column type", "column-type", "source.yaml", "customers.csv,", "customers.csv, types: {a: int},"),
    case(
        "a decimal too wide",
        "column-type",
        "source.yaml",
        "customers.csv,",
        'customers.csv, types: {a: "decimal(2,5)"},',
    ),
)
EXPORTS = (
    Case("a name twice", ("duplicate-name",), add("more.yaml", SEGMENT), "a second Segment home-owners"),
    case("a reference to nothing", "dangling-reference", "export.yaml", "[home-owners]", "[home-owner]"),
    case("no address", "email-required", "export.yaml", "    Email: EmailAddress\n", ""),
    case("an opt-out", "opt-out", "export.yaml", "FirstName: F", "unsubscribed: F"),
    case("a list inside a contact", "reserved-field", "export.yaml", "FirstName: F", "_autopilot_list: F"),
    case("a field in another spelling", "custom-type", "export.yaml", "FirstName: F", "firstname: F"),
    case("a custom field without a type", "custom-type", "export.yaml", "FirstName: F", "Loyalty Tier: F"),
    case(
        "a type that Autopilot lacks",
        "custom-type",
        "export.yaml",
        "FirstName: FirstName",
        "Tier: {column: FirstName, type: text}",
    ),
    case(
        "a type on a standard field",
        "custom-type",
        "export.yaml",
        "FirstName: FirstName",
        "FirstName: {column: a, type: string}",
    ),
    case("one field in two spellings", "field-twice", "export.yaml", "FirstName: F", "EMAIL: F"),
    case(
        "a format that is no date's",
        "date-format",
        "export.yaml",
        "FirstName: FirstName",
        'Born: {column: b, type: date, format: "%d.%m"}',
    ),
    case("one segment twice", "segment-twice", "export.yaml", "[home-owners]", "[home-owners, home-owners]"),
    Case(
        "two segments onto one list",
        ("list-twice",),
        lambda root: (
            add("more.yaml", SEGMENT.replace("home-owners", "tenants"))(root),
            swap("export.yaml", "[home-owners]", "[home-owners, {name: tenants, list: home-owners}]")(root),
        )[0],
        "[home-owners, {name: tenants, list: home-owners}]",
    ),
    Case(
        "a segment of another source",
        ("segment-source",),
        lambda root: (
            add("more.yaml", OTHER_SOURCE + "---\n" + WEB_SEGMENT)(root),
            swap("export.yaml", "[home-owners]", "[visitors]")(root),
        )[0],
        "[visitors]",
    ),
    Case(
        "one field from two columns",
        ("field-twice",),
        add("more.yaml", EXPORT.replace("newsletter", "win-back").replace("FirstName: F", "FirstName: NickF")),
        "FirstName: NickFirstName, in a second Export",
    ),
    Case(
        "one field from two sources",
        ("field-twice",),
        add(
            "more.yaml",
            f"{OTHER_SOURCE}---\n{WEB_SEGMENT}---\n"
            + EXPORT.replace("newsletter", "web").replace("unified", "web").replace("home-owners", "visitors"),
        ),
        "FirstName: FirstName, in a second Export with another source",
    ),
    case(
        "a rename of what still exists",
        "previous-name",
        "segment.yaml",
        "-owners}",
        "-owners, previousName: home-owners}",
    ),
    case(
        "a time without quotes",
        "schedule",
        "export.yaml",
        "[home-owners]\n",
        "[home-owners]\n  schedule: {every: day, at: 6}\n",
    ),
    case(
        "a time twice",
        "schedule",
        "export.yaml",
        "[home-owners]\n",
        '[home-owners]\n  schedule: {every: day, at: ["06:00", "06:00"]}\n',
    ),
    case(
        "a format on text", "date-format", "export.yaml", "FirstName: FirstName", 'FirstName: {column: a, format: "%Y"}'
    ),
    Case(
        "two renames from one name",
        ("previous-name",),
        lambda root: (
            swap("segment.yaml", "home-owners}", "home-owners, previousName: owners}")(root),
            add("more.yaml", SEGMENT.replace("home-owners}", "tenants, previousName: owners}"))(root),
        )[0],
        "previousName: owners, twice",
    ),
    Case(
        "one field with two types",
        ("field-twice",),
        lambda root: (
            swap("export.yaml", "FirstName: FirstName", "Tier: {column: t, type: string}")(root),
            add(
                "more.yaml",
                EXPORT.replace("newsletter", "b").replace("FirstName: FirstName", "Tier: {column: t, type: integer}"),
            )(root),
        )[0],
        "Tier: {column: t, type: integer}, in a second Export",
    ),
    case(
        "an unknown time zone",
        "schedule",
        "export.yaml",
        "[home-owners]\n",
        '[home-owners]\n  schedule: {every: day, at: ["06:00"], timezone: Europe/Madird}\n',
    ),
    case(
        "a cron expression that is none",
        "schedule",
        "export.yaml",
        "[home-owners]\n",
        '[home-owners]\n  schedule: {cron: "0 25 * * *"}\n',
    ),
    case(
        "a share over everything",
        "safety",
        "export.yaml",
        "[home-owners]\n",
        "[home-owners]\n  safety: {maxRemovals: 120%}\n",
    ),
    case(
        "precedence for a stranger",
        "dangling-reference",
        "connection.yaml",
        "  type: autopilot\n",
        "  type: autopilot\n  precedence: [win-back]\n",
    ),
    Case(
        "a second Project",
        ("project-twice",),
        add("more.yaml", PROJECT.replace("contoso", "other")),
        "kind: Project, again",
    ),
    case("a state elsewhere", "state-url", "project.yaml", "  supp", "  state: {url: ftp://contoso/state}\n  supp"),
    case(
        "a password in the state's address",
        "key-in-file",
        "project.yaml",
        "  supp",
        "  state: {url: postgresql://me:my-word@db.contoso.com/state}\n  supp",
    ),
    case("a state outside", "state-url", "project.yaml", "  supp", "  state: {url: ../state}\n  supp"),
    case("suppressions outside", "path-outside", "project.yaml", "suppressions.txt", "/tmp/suppressions.txt"),
    case(
        "an unknown column", "unknown-column", "export.yaml", "Email: EmailAddress", "Email: EmailAdress", columns=True
    ),
    case(
        "a predicate that the source refuses",
        "predicate",
        "segment.yaml",
        "HomeOwner = 'Y'",
        "HomeOwner = 'Y'; drop",
        columns=True,
    ),
)
SECTIONS = {
    "YAML that is wrong, or hostile": SYNTAX,
    "Files": FILES,
    "Any document": SHAPES,
    "Connections": CONNECTIONS,
    "Sources": SOURCES,
    "Segments, exports and the project": EXPORTS,
}
CASES = [entry for cases in SECTIONS.values() for entry in cases]


def columns_of(_: Source) -> Mapping[str, str]:
    return COLUMNS


def judge(_: Source, segment: Segment) -> tuple[int | None, str] | None:
    where = segment.where or ""
    return (where.index(";"), "one expression is allowed, and a ; ends it; leave it out") if ";" in where else None


def lines_for(entry: Case, folder: pathlib.Path) -> tuple[Diagnostic, ...]:
    root = folder / "project"
    (root / "exports").mkdir(parents=True)
    for name, text in GOOD.items():
        (root / "exports" / name).write_text(text)
    entry.spoil(root)
    callbacks = (columns_of, judge) if entry.columns else (None, None)
    declared, found = diagnose(root, *callbacks)
    assert declared is None
    return found


def page() -> str:
    made = [
        "# Bad inputs, and the line that each gets",
        "",
        "Every fault of every file is told in one go, as `path:line:column: error: [rule] message`, and the message",
        "ends with the right form. A value that may be a key is never shown. This page is written by a test, from real",
        "runs; `python tests/test_manifest_bad_inputs.py --write` writes it again.",
    ]
    for title, cases in SECTIONS.items():
        made += ["", f"## {title}", "", "| input | the line it gets |", "|---|---|"]
        for entry in cases:
            with tempfile.TemporaryDirectory() as folder:
                shown = "<br>".join(cell(str(d)) for d in lines_for(entry, pathlib.Path(folder)))
            written = f": {cell(brief(entry.shown))}" if entry.shown else ""
            made.append(f"| {entry.name}{written} | {shown} |")
    return "\n".join(made) + "\n"


def brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else line[:90] + "…"


def cell(text: str) -> str:
    return f"`` {text} ``".replace("|", "\\|") if "`" in text else f"`{text}`".replace("|", "\\|")


@pytest.mark.parametrize("entry", CASES, ids=lambda entry: entry.name)
def test_each_bad_input_gets_its_line(entry: Case, tmp_path: pathlib.Path) -> None:
    found = lines_for(entry, tmp_path)
    assert tuple(d.rule for d in found) == entry.rules, "\n".join(str(d) for d in found)
    for line in map(str, found):
        assert line.isprintable()
        assert len(line) < 420
        assert KEY not in line
        assert KEY.replace("0", "a") not in line


def test_the_good_files_are_good(tmp_path: pathlib.Path) -> None:
    (tmp_path / "exports").mkdir()
    for name, text in GOOD.items():
        (tmp_path / "exports" / name).write_text(text)
    declared, found = diagnose(tmp_path, columns_of, judge)
    assert found == ()
    assert declared is not None
    assert list(declared.exports) == ["newsletter"]


def test_the_page_of_bad_inputs_is_true() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/test_manifest_bad_inputs.py --write"


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    PAGE.write_text(page(), encoding="utf-8")
