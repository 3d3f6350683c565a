"""What is declared is what is loaded; every fault is told, at its place, in one line, without keys and addresses."""

from __future__ import annotations

import datetime as dt
import io
import pathlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from reconciler.core import model
from reconciler.core.diagnostics import Severity
from reconciler.core.errors import InvalidDeclarations
from reconciler.core.reads import Files, MembershipTable, ProfileTable
from reconciler.manifest.documents import read
from reconciler.manifest.load import diagnose, load
from reconciler.manifest.rules.schedules import cron_problem
from reconciler.manifest.words import plain

ROOT = pathlib.Path(__file__).parents[1]
HEAD = "apiVersion: reconciler/v1\n"
FULL = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: contoso}
spec:
  state: {url: .reconciler}
  roles: {administrators: [privacy-team], viewers: [everyone]}
  safety: {maxRemovals: 12.5%}
  suppressions: suppressions.txt
  dataRoots: [/srv/data]
---
apiVersion: reconciler/v1
kind: Connection
metadata: {name: marketing, previousName: old}
spec:
  type: autopilot
  displayName: Autopilot
  apiKey: {keyVault: {vault: https://contoso.vault.azure.net, secret: key}}
  baseUrl: http://localhost:8787/v1/
  usableBy: [administrators, contributors]
  limits: {profiles: 5000, requestsPerSecond: 0.5}
  consent: {accepted: true, by: privacy@contoso.com, on: 2026-11-02, fields: [Email]}
  precedence: [gold]
---
apiVersion: reconciler/v1
kind: Source
metadata: {name: unified}
spec:
  type: files
  profiles:
    {path: /srv/data/p.csv, id: K, encoding: latin-1, header: false, columns: [K, E], delimiter: ";", types: {K: text}}
  memberships: {path: "data/m*.csv", id: K, segment: S}
---
apiVersion: reconciler/v1
kind: Segment
metadata: {name: a}
spec: {source: unified, where: "x = 1"}
---
apiVersion: reconciler/v1
kind: Segment
metadata: {name: b}
spec: {source: unified, member: VIP}
---
apiVersion: reconciler/v1
kind: Export
metadata: {name: gold}
spec:
  connection: marketing
  source: unified
  match:
    Email: E
    Born: {column: B, type: date, format: ["%m/%d/%Y", "%d-%m-%Y"], nulls: skip}
    Phone: {column: P}
  segments: [a, {name: b, list: The b}]
  consent: {column: C, equals: true}
  triggers: [schedule]
  schedule: {every: week, on: [monday], at: ["06:00"], timezone: Europe/Madrid}
  onLeave: keep
  onRetire: keep
  safety: {maxUpdates: 7}
  allowEmpty: true
  protected: true
  nulls: clear
  suspended: true
---
apiVersion: reconciler/v1
kind: Export
metadata: {name: detached}
spec:
  source: unified
  match: {Email: E}
  segments: [a]
"""


def project(folder: pathlib.Path, **files: str) -> pathlib.Path:
    (folder / "exports").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "exports" / f"{name}.yaml").write_text(text)
    return folder


def told(root: pathlib.Path) -> list[str]:
    return [str(d) for d in diagnose(root)[1]]


def test_every_setting_arrives(tmp_path: pathlib.Path) -> None:
    declared = load(project(tmp_path, all=FULL))
    assert declared.project == model.Project(
        name="contoso",
        state_url=".reconciler",
        roles={"administrators": ("privacy-team",), "viewers": ("everyone",)},
        suppressions="suppressions.txt",
        data_roots=("/srv/data",),
    )
    assert declared.connections["marketing"] == model.Connection(
        name="marketing",
        display_name="Autopilot",
        api_key=model.VaultSecret("https://contoso.vault.azure.net", "key"),
        base_url="http://localhost:8787/v1",
        limit=5000,
        rate=0.5,
        consent=model.Consent(accepted=True, by="privacy@contoso.com", on=dt.date(2026, 11, 2), fields=("Email",)),
        usable_by=("administrators", "contributors"),
        precedence=("gold",),
        previous_name="old",
    )
    assert declared.sources["unified"] == model.Source(
        name="unified",
        reads=Files(
            ProfileTable("/srv/data/p.csv", "K", "latin-1", False, ("K", "E"), ";", {"K": "text"}),  # noqa: FBT003  # the file's own order
            MembershipTable("data/m*.csv", "K", "S"),
        ),
    )
    assert declared.segments["a"] == model.Segment("a", "unified", where="x = 1")
    assert declared.segments["b"] == model.Segment("b", "unified", member="VIP")
    assert declared.exports["gold"] == model.Export(
        name="gold",
        source="unified",
        connection="marketing",
        match=(
            model.FieldMatch("Email", "E", clear=True),
            model.FieldMatch("Born", "B", model.FieldKind.DATE, ("%m/%d/%Y", "%d-%m-%Y")),
            model.FieldMatch("Phone", "P", clear=True),
        ),
        segments=(model.SegmentUse("a", "a"), model.SegmentUse("b", "The b", named=True)),
        consent=model.PersonConsent("C", equals=True),
        triggers=("schedule",),
        schedule=model.Schedule(every="week", on=("monday",), at=("06:00",), timezone="Europe/Madrid"),
        keep_leavers=True,
        keep_retired=True,
        safety=model.Safety(model.Percent(12.5), model.Count(7)),
        allow_empty=True,
        protected=True,
        suspended=True,
    )


def test_what_is_left_out_has_the_documented_default(tmp_path: pathlib.Path) -> None:
    text = FULL.replace("  safety: {maxRemovals: 12.5%}\n", "")
    export = load(project(tmp_path, all=text)).exports["detached"]
    match = (model.FieldMatch("Email", "E"),)
    assert export == model.Export("detached", "unified", None, match, (model.SegmentUse("a", "a"),))
    assert export.triggers == ("merge", "schedule")
    assert export.safety == model.Safety(model.Percent(20), model.Percent(50))


def test_marks_point_at_the_keys(tmp_path: pathlib.Path) -> None:
    declared = load(project(tmp_path, all=FULL))
    lines = FULL.splitlines()
    for path, key in (
        (("spec", "match", "Phone"), "Phone:"),
        (("spec", "segments", 1), "{name: b"),
        (("spec",), "spec:"),
    ):
        where = declared.exports["gold"].marks.at(*path)
        assert lines[where.line - 1][where.column - 1 :].startswith(key)
        assert where.file == "exports/all.yaml"
    unset = declared.exports["detached"].marks.at("spec", "nulls")
    assert lines[unset.line - 1] == "spec:"


def test_every_fault_of_every_file_in_one_go(tmp_path: pathlib.Path) -> None:
    root = project(
        tmp_path,
        a=FULL.replace("type: autopilot", "type: autopilt").replace("http://localhost", "http://example.com"),
        b=HEAD + "kind: Segment\nmetadata: {name: c}\nspec: {source: nobody, were: x}\n",
        c="a: [\n",
        d=HEAD
        + "kind: Export\nmetadata: {name: d}\nspec:\n  source: unified\n  match: {Phne: x}\n  segments: [a]\n  x: y\n",
    )
    with pytest.raises(InvalidDeclarations) as caught:
        load(root)
    assert [(d.where.file[-6:], d.rule) for d in caught.value.diagnostics] == [
        ("a.yaml", "connection-type"),
        ("a.yaml", "plain-http"),
        ("b.yaml", "segment-form"),
        ("b.yaml", "unknown-key"),
        ("c.yaml", "yaml"),
        ("d.yaml", "email-required"),
        ("d.yaml", "custom-type"),
        ("d.yaml", "unknown-key"),
    ]
    (root / "exports" / "c.yaml").unlink()
    assert any("[dangling-reference] no Source is named" in line for line in told(root))


def test_a_wrong_document_is_still_there_for_those_that_name_it(tmp_path: pathlib.Path) -> None:
    root = project(tmp_path, all=FULL.replace("type: files", "type: mongodb"))
    assert [line.split("] ")[0].rsplit("[")[-1] for line in told(root)] == ["source-type"]


def test_consent_that_nobody_signed_is_a_warning(tmp_path: pathlib.Path) -> None:
    text = FULL.replace("by: privacy@contoso.com, on: 2026-11-02, fields: [Email]", "fields: [email]")
    declared, found = diagnose(project(tmp_path, all=text))
    assert declared is not None
    assert [(d.severity, d.rule) for d in found] == [
        (Severity.WARNING, "consent-unsigned"),
        (Severity.WARNING, "consent-field"),
    ]


def test_hidden_files_and_other_files_are_not_declarations(tmp_path: pathlib.Path) -> None:
    root = project(tmp_path, all=FULL)
    for name in (".hidden.yaml", "notes.txt", "all.yaml.orig", ".git/x.yaml"):
        path = root / "exports" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("a: [\n")
    inside = root / "exports" / "deep" / "er"
    inside.mkdir(parents=True)
    (inside / "x.yml").write_text(HEAD + "kind: Segment\nmetadata: {name: deep}\nspec: {source: unified, where: a}\n")
    (inside / "empty.yaml").write_text("# nothing yet\n---\n---\n")
    assert sorted(load(root).segments) == ["a", "b", "deep"]


def test_names_of_files_cannot_write_on_the_terminal(tmp_path: pathlib.Path) -> None:
    root = project(tmp_path, all=FULL)
    (root / "exports" / "\x1b[2J\n::error::.yaml").write_text("a: [\n")
    lines = told(root)
    assert len(lines) == 1
    assert lines[0].isprintable()
    assert lines[0].startswith("exports/\\x1b[2J\\n::error::.yaml:")


def test_a_very_deep_tree_of_folders_is_searched(tmp_path: pathlib.Path) -> None:
    deep = project(tmp_path, all=FULL) / "exports"
    for _ in range(300):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "x.yaml").write_text("a: [\n")
    assert len(told(tmp_path)) == 1


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80), st.integers(5, 90))
def test_what_is_shown_is_one_short_printable_line(text: str, longest: int) -> None:
    shown = plain(text, longest)
    assert shown.isprintable()
    assert len(shown) <= longest + 1


@pytest.mark.parametrize(
    "line",
    [
        "apiKey: KEY",
        "apiKey: {env: KEY}",
        "apiKey: {file: KEY}",
        "apiKey: {KEY: a}",
        "apiKey: {env: A, KEY: b}",
        "apiKey: [KEY]",
        "apiKey: {keyVault: KEY}",
        "apiKey: {keyVault: {vault: https://v, secret: KEY}}",
        "apiKey: {keyVault: {vault: KEY, secret: a}}",
        "apiKey: {env: ' KEY'}",
        "apiKey: 'KEY",
        "apikey: KEY",
        "KEY: apiKey",
        "displayName: [KEY]",
        "baseUrl: http://example.com/KEY",
        "consent: {accepted: KEY}",
    ],
)
def test_a_key_is_never_shown(line: str, tmp_path: pathlib.Path) -> None:
    key = "f0e1d2c3b4a5968778695a4b3c2d1e0f"
    spec = "spec:\n  type: autopilot\n  " + line.replace("KEY", key) + "\n"
    lines = told(project(tmp_path, all=f"{HEAD}kind: Connection\nmetadata: {{name: a}}\n{spec}"))
    assert lines
    assert not any(key[:12] in told_line for told_line in lines)


def test_a_persons_address_is_never_shown(tmp_path: pathlib.Path) -> None:
    text = FULL.replace("accepted: true, by: privacy@contoso.com", "accepted: someone@example.com, by: [a@example.com]")
    lines = told(project(tmp_path, all=text.replace("Email: E\n", "Email: E\n    b@example.com: x\n", 1)))
    assert len(lines) == 3
    assert not any("@example" in line for line in lines)


values = st.recursive(
    st.one_of(
        st.text(
            st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff"), max_size=12
        ),
        st.integers(-(10**17), 10**17),
        st.booleans(),
        st.none(),
        st.floats(-1e9, 1e9, allow_nan=False),
    ),
    lambda v: st.one_of(st.lists(v, max_size=4), st.dictionaries(st.text("abcé #:-'\"", min_size=1), v, max_size=4)),
    max_leaves=12,
)


def has_null_key(value: object) -> bool:
    match value:
        case dict():
            return None in value or any(map(has_null_key, value.values()))
        case list():
            return any(map(has_null_key, value))
        case _:
            return False


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.dictionaries(st.text("abc -", min_size=1), values, min_size=1, max_size=4), min_size=1, max_size=3),
    st.sampled_from([True, False, None]),
    st.sampled_from([20, 80, 1000]),
)
@example([{"a": ""}, {"a": {"::": None, ":#": None}}], None, 20)
def test_yaml_is_read_as_the_library_reads_it(documents: list[object], style: bool | None, width: int) -> None:  # noqa: FBT001  # drawn, not called
    out = io.StringIO()
    made = YAML(typ="safe", pure=True)
    made.default_flow_style, made.width, made.allow_unicode = style, width, True
    made.dump_all(documents, out)
    found = read("x.yaml", out.getvalue().encode())
    try:
        theirs = list(YAML(typ="safe", pure=True).load_all(out.getvalue()))
    except YAMLError:  # it writes some keys so that it cannot read them again
        assert found.faults[-1].rule == "yaml"
        return
    if has_null_key(theirs):  # and some so that it reads them as null, which is no key here
        assert {fault.rule for fault in found.faults} == {"yaml-key"}
        return
    assert found.faults == ()
    assert [repr(d.value) for d in found.documents] == [repr(value) for value in theirs]


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=60) | st.text(st.sampled_from("ab:-#[]{}\"'|>&*!%@\\uU ,?\n\t\r"), max_size=60).map(str.encode)
)
def test_no_bytes_end_in_anything_but_documents_and_lines(data: bytes) -> None:
    found = read("x.yaml", data)
    for fault in found.faults:
        assert str(fault).isprintable()
        assert fault.where.line <= data.count(b"\n") + data.count(b"\r") + data.count(b"\x85") + data.count(b"\xe2") + 2


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        *(("yes", "yes"), ("on", "on"), ("2026-11-02", "2026-11-02"), ("06:00", "06:00"), ("0o17", 15), ("0x1F", 31)),
        *(("017", 17), ("1_000", "1_000"), ("True", True), ("~", None), ("1e3", 1000.0), ("-.5", -0.5), ("0b1", "0b1")),
    ],
)
def test_plain_words_are_those_of_yaml_1_2(value: str, read_as: object) -> None:
    (document,) = read("x.yaml", f"a: {value}\n".encode()).documents
    assert repr(document.value) == repr({"a": read_as})


@pytest.mark.parametrize(
    ("style", "line", "column"),
    [
        ("a = ;", 6, 14),
        ("'a = ;'", 6, 15),
        ('"a = ;"', 6, 15),
        ("'''a'' = ;'", 6, 19),
        ("|\n    a = ;", 7, 9),
        ("|\n    b\n      = ;", 8, 9),
        (">\n    a = ;", 6, 10),
    ],
)
def test_a_predicates_fault_is_pointed_at(style: str, line: int, column: int, tmp_path: pathlib.Path) -> None:
    text = f"{HEAD}kind: Segment\nmetadata: {{name: a}}\nspec:\n  source: s\n  where: {style}\n"
    source = HEAD + "kind: Source\nmetadata: {name: s}\nspec: {type: files, profiles: {path: a.csv, id: a}}\n"

    def judge(_: model.Source, segment: model.Segment) -> tuple[int | None, str]:
        return str(segment.where).index(";"), "no"

    (found,) = diagnose(project(tmp_path, a=text, s=source), predicate=judge)[1]
    assert (found.rule, found.where.line, found.where.column) == ("predicate", line, column)


@pytest.mark.parametrize("good", ["* * * * *", "*/15 0-6 1,15 jan-mar mon-fri", "0 6 * * 7", "5/10 * * * *"])
def test_cron_that_is_right(good: str) -> None:
    assert cron_problem(good) is None


@pytest.mark.parametrize(
    "bad",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *"],
)
def test_cron_that_is_wrong(bad: str) -> None:
    assert cron_problem(bad) is not None


def test_the_example_project_is_valid() -> None:
    declared, found = diagnose(ROOT)
    assert found == ()
    assert declared is not None
    assert len(declared.exports["newsletter"].segments) == 2


def test_thousands_of_documents_are_all_judged(tmp_path: pathlib.Path) -> None:
    segment = HEAD + "kind: Segment\nmetadata: {name: a}\nspec: {source: unified, where: x}\n"
    many = "---\n".join(segment.replace("{name: a}", f"{{name: c{n}}}") for n in range(400))
    root = project(tmp_path, all=FULL, many=many, bad=segment.replace("unified", "unifed"))
    assert [d.rule for d in diagnose(root)[1]] == ["duplicate-name", "dangling-reference"]
