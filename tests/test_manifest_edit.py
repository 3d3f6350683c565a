"""`consent` writes its block and touches nothing else; `init` writes a project that is valid as it stands."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest

from reconciler.core import model
from reconciler.core.errors import ReconcilerError
from reconciler.manifest import schema, starter
from reconciler.manifest.edit import set_consent
from reconciler.manifest.layout import unformatted
from reconciler.manifest.load import diagnose, load

if TYPE_CHECKING:
    import pathlib

DAY = dt.date(2026, 11, 2)
PLAIN = """\
# first
apiVersion: reconciler/v1
kind: Connection # which
metadata: {name: other}
spec:
  type: autopilot
  apiKey: {env: A} # never the key
---
# second
apiVersion: reconciler/v1
kind: Connection
metadata:
    name: mine # this one
spec:
    type: autopilot
    apiKey: {env: B}
    # before
    consent: # said on
        accepted: false # not yet
        fields: [Email] # only that
        # after
    limits:
        profiles: 5 # contract
"""


def comments(text: str) -> list[str]:
    return sorted(re.findall(r"#.*", text))


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "exports" / "connections.yaml"
    path.parent.mkdir()
    path.write_text(PLAIN)
    return path


@pytest.mark.parametrize("name", ["other", "mine"])
def test_consent_is_written_and_all_else_stays(name: str, file: pathlib.Path) -> None:
    root = file.parents[1]
    before = load(root).connections
    set_consent(file, name, by="privacy@contoso.com", on=DAY, fields=["Email", "Loyalty Tier"])
    after = load(root).connections
    assert after[name].consent == model.Consent(
        accepted=True, by="privacy@contoso.com", on=DAY, fields=("Email", "Loyalty Tier")
    )
    for key, connection in before.items():
        same = {
            field: getattr(connection, field) for field in connection.__slots__ if field not in {"consent", "marks"}
        }
        assert same == {field: getattr(after[key], field) for field in same}
    (untouched,) = set(before) - {name}
    assert after[untouched].consent == before[untouched].consent
    assert comments(file.read_text()) == comments(PLAIN)
    assert [path.name for path in file.parent.iterdir()] == ["connections.yaml"]


def test_consent_may_be_renewed(file: pathlib.Path) -> None:
    for fields in (["Email", "Phone"], ["Email"], ["Email", "FirstName"]):
        set_consent(file, "mine", by="privacy@contoso.com", on=DAY, fields=fields)
        consent = load(file.parents[1]).connections["mine"].consent
        assert consent is not None
        assert consent.fields == tuple(fields)


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("nobody", ["Email"], "no Connection"),
        ("mine", ["a--b"], "spec.consent.fields"),
        ("mine", [" "], "would be wrong"),
    ],
)
def test_what_would_be_wrong_is_not_written(name: str, fields: list[str], words: str, file: pathlib.Path) -> None:
    with pytest.raises(ReconcilerError, match=words):
        set_consent(file, name, by="privacy@contoso.com", on=DAY, fields=fields)
    assert file.read_text() == PLAIN


def test_a_comment_that_would_be_lost_stops_the_edit(file: pathlib.Path) -> None:
    text = PLAIN.replace("fields: [Email] # only that", "fields:\n          - Email # one\n          - Phone # two")
    file.write_text(text)
    with pytest.raises(ReconcilerError, match="comment"):
        set_consent(file, "mine", by="privacy@contoso.com", on=DAY, fields=["Email"])
    assert file.read_text() == text


def test_init_writes_a_project_that_is_valid_in_layout_and_with_schemas(tmp_path: pathlib.Path) -> None:
    written = starter.write(tmp_path / "new")
    root = tmp_path / "new"
    declared, found = diagnose(root)
    assert (found, unformatted(root), schema.drift(root)) == ((), {}, ())
    assert declared is not None
    (export,) = declared.exports.values()
    connection = declared.connections[str(export.connection)]
    assert connection.consent is not None
    assert {match.field for match in export.match} <= set(connection.consent.fields)
    assert connection.api_key == model.EnvSecret("AUTOPILOT_API_KEY")
    assert connection.base_url == "http://127.0.0.1:8787/v1"
    header, *rows = (root / "data" / "customers.csv").read_text().splitlines()
    assert {match.column for match in export.match} <= set(header.split(","))
    assert len(rows) == 12
    assert all("@example.com," in row for row in rows)
    assert ".reconciler/" in (root / ".gitignore").read_text().split()
    assert sorted(path.relative_to(root).as_posix() for path in written) == sorted(starter.files())


def test_every_schema_that_a_starter_file_names_is_there(tmp_path: pathlib.Path) -> None:
    starter.write(tmp_path)
    for path in (tmp_path / "exports").rglob("*.yaml"):
        (named,) = re.findall(r"\$schema=(\S+)", path.read_text())
        assert (path.parent / named).is_file()


def test_init_overwrites_nothing(tmp_path: pathlib.Path) -> None:
    (tmp_path / "README.md").write_text("mine\n")
    (tmp_path / ".gitignore").write_text("*.log")
    starter.write(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine\n"
    assert (tmp_path / ".gitignore").read_text().split()[0] == "*.log"
    assert ".reconciler/" in (tmp_path / ".gitignore").read_text().split()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ReconcilerError, match="nothing was written"):
        starter.write(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
