"""`fmt` gives one layout: comments stay, what is loaded stays, and a second time changes nothing."""

from __future__ import annotations

import io
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reconciler.core.errors import InvalidDeclarations
from reconciler.manifest.documents import read
from reconciler.manifest.layout import layout, unformatted, write

ROOT = pathlib.Path(__file__).parents[1]
MESSY = """\
# yaml-language-server: $schema=../schemas/connection.schema.json
apiVersion:   reconciler/v1
kind: Connection            # Connection | Source
metadata:
    name: autopilot-marketing # unique
# about the spec
spec:
    type: autopilot
    apiKey: { env: AUTOPILOT_API_KEY }   # never the key itself
    usableBy:
    - administrators   # default
    # more?
    - contributors
    consent:    # hello
      accepted: false
      fields: [Email,'FirstName']   # which

      # last
    limits: { profiles: 5 ,requestsPerSecond: 20}
# end
---

# second
kind: Segment
spec:
  where: |
    a = 'b'
      and c
    # no comment

---
# only words
"""
TIDY = """\
# yaml-language-server: $schema=../schemas/connection.schema.json
apiVersion: reconciler/v1
kind: Connection            # Connection | Source
metadata:
  name: autopilot-marketing # unique
# about the spec
spec:
  type: autopilot
  apiKey: {env: AUTOPILOT_API_KEY}       # never the key itself
"""

text = st.one_of(
    st.sampled_from(
        ["a", "yes", "06:00", "2026-11-02", "5", "# no", "a: b", "x #y", "", " ", "null", "'", '"', "é", "- a"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8),
)
scalar = st.one_of(text, st.integers(-5, 10**6), st.booleans(), st.floats(0, 1e6, allow_nan=False))
value = st.recursive(
    scalar, lambda v: st.one_of(st.lists(v, max_size=3), st.dictionaries(text, v, max_size=3)), max_leaves=8
)
document = st.dictionaries(st.sampled_from(["apiVersion", "kind", "spec", "on", "é"]), value, min_size=1, max_size=4)


def values(source: str) -> list[object]:
    found = read("x.yaml", source.encode())
    assert found.faults == ()
    return [d.value for d in found.documents]


@st.composite
def sources(draw: st.DrawFn) -> str:
    """Documents as somebody else's tool or hand would write them, with comments strewn in."""
    out = io.StringIO()
    made = YAML(typ=draw(st.sampled_from(["rt", "safe"])), pure=True)
    made.default_flow_style = draw(st.sampled_from([True, False, None]))
    made.width = draw(st.sampled_from([20, 80, 1000]))
    indent = draw(st.sampled_from([(2, 2, 0), (4, 4, 2), (3, 5, 2)]))
    made.indent(mapping=indent[0], sequence=indent[1], offset=indent[2])
    for number in range(draw(st.integers(1, 3))):
        out.write("---\n" if number else "")
        made.dump(draw(document), out)
    lines = out.getvalue().splitlines()
    for _ in range(draw(st.integers(0, 4))):
        lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(["# note", "    # note: x", "", "  "])))
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))


@settings(max_examples=150, deadline=None)
@given(sources())
def test_any_file_keeps_its_meaning_and_comes_to_rest(source: str) -> None:
    before = read("x.yaml", source.encode())
    once = layout(source)
    assert layout(once) == once
    after = read("x.yaml", once.encode())
    assert [repr(d.value) for d in after.documents] == [repr(d.value) for d in before.documents]
    assert [d.rule for d in after.faults] == [d.rule for d in before.faults]
    assert once.count("# note") == source.count("# note")


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab:-#[]{}\"'|>&*!%@ \n\t\r\ufeff\x85\u2028"), max_size=40))
def test_any_text_at_all_comes_to_rest(source: str) -> None:
    assert layout(layout(source)) == layout(source)


def test_the_layout_is_two_spaces_and_items_below_their_key() -> None:
    once = layout(MESSY)
    assert once.startswith("\n".join(TIDY.splitlines()[:2]))
    lines = [line.split("#")[0].rstrip() for line in once.splitlines()]
    for line in ("  name: autopilot-marketing", "  apiKey: {env: AUTOPILOT_API_KEY}", "    - administrators"):
        assert line in lines
    assert "    fields: [Email, 'FirstName']" in lines
    assert "    a = 'b'\n      and c\n    # no comment\n" in once
    assert values(once) == values(MESSY)
    comments = [line.partition("#")[2] for line in MESSY.splitlines() if "#" in line]
    assert sorted(comments) == sorted(line.partition("#")[2] for line in once.splitlines() if "#" in line)
    assert layout(once) == once


def test_what_is_not_sound_stays_as_it_is() -> None:
    for source in ("a: [\n", "a: b\n...\nb: 1\n", "%YAML 1.2\n---\na: b\n", "--- {a: b}\n"):
        assert layout(source) == source


def test_fmt_names_and_mends_files_and_refuses_what_it_cannot_read(tmp_path: pathlib.Path) -> None:
    exports = tmp_path / "exports"
    (exports / "deep").mkdir(parents=True)
    (exports / "good.yaml").write_text(layout(MESSY))
    bad = exports / "deep" / "bad.yml"
    bad.write_text(MESSY)
    bad.chmod(0o640)
    assert list(unformatted(tmp_path)) == ["exports/deep/bad.yml"]
    assert bad.read_text() == MESSY
    assert write(tmp_path) == ("exports/deep/bad.yml",)
    assert bad.read_text() == layout(MESSY)
    assert bad.stat().st_mode & 0o777 == 0o640
    assert write(tmp_path) == ()
    assert sorted(path.name for path in exports.rglob("*")) == ["bad.yml", "deep", "good.yaml"]
    bad.write_text("a: [\n")
    with pytest.raises(InvalidDeclarations) as caught:
        write(tmp_path)
    assert [d.rule for d in caught.value.diagnostics] == ["yaml"]


def test_the_example_project_is_in_the_layout() -> None:
    assert unformatted(ROOT) == {}
