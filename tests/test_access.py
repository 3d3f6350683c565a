"""Who may change what: only the base is asked, and everybody below an administrator is held to it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.project import connection, document, export, segment, source

from reconciler.core.access import Actor, contributed, denials
from reconciler.core.guarded import guards, why_guarded
from reconciler.core.owners import codeowners
from reconciler.core.roles import Role, administrators, is_person, role_of
from reconciler.core.versions import Version, changes, differences
from reconciler.manifest.folder import Content
from reconciler.manifest.load import survey

ROLES = {"administrators": ["alice"], "contributors": ["carol"], "viewers": ["victor"]}
Document = dict[str, Any]


def project(**spec: Any) -> Document:
    return document("Project", "project", {"roles": ROLES, **spec})


def world(**other: Document) -> dict[str, Document]:
    """A shared and an unshared connection, an export over each, and segments of one, the other, both and none."""
    return {
        "project": project(),
        "profiles": source(),
        "shared": connection("shared", usableBy=["administrators", "contributors"], baseUrl="https://example.com"),
        "private": connection("private", baseUrl="https://example.com"),
        "news": export("news", ["ours", "both"], connection="shared", safety={"maxRemovals": "20%"}),
        "billing": export("billing", ["theirs", "both"], connection="private"),
        "kept": export("kept", ["apart"], connection=None),
        "ours": segment("ours", "a = 'Y'"),
        "theirs": segment("theirs", "b = 'Y'"),
        "both": segment("both", "c = 'Y'"),
        "apart": segment("apart", "d = 'Y'"),
        "unused": segment("unused", "e = 'Y'"),
    } | other


def version(documents: dict[str, Document], **files: str) -> Version:
    """Load documents, each from a file of its own unless `files` says otherwise."""
    texts: dict[str, list[str]] = {}
    for key, value in documents.items():
        texts.setdefault(files.get(key, f"exports/{key}.yaml"), []).append(json.dumps(value, indent=1))
    found = survey(Path("nowhere"), [Content(file, "\n---\n".join(parts).encode()) for file, parts in texts.items()])
    assert found.declared is not None, found.faults
    return Version(found.declared, found.values, found.safety)


def changed(base: dict[str, Document], key: str, **spec: Any) -> dict[str, Document]:
    whole = {name: value for name, value in (base[key]["spec"] | spec).items() if value is not None}
    return base | {key: base[key] | {"spec": whole}}


def without(base: dict[str, Document], *keys: str) -> dict[str, Document]:
    return {key: value for key, value in base.items() if key not in keys}


def renamed(value: Document, name: str) -> Document:
    return value | {"metadata": {"name": name, "previousName": value["metadata"]["name"]}}


def told(
    base: dict[str, Document], head: dict[str, Document], role: Role = Role.CONTRIBUTOR, **files: str
) -> list[str]:
    found = denials(Actor("carol", role, ("alice",)), version(base), version(head, **files))
    assert all(d.where.file in {*(f"exports/{key}.yaml" for key in base | head), *files.values()} for d in found)
    return [str(d) for d in found]


BASE = world()

FREE = {
    "an export over a shared connection": changed(BASE, "news", match={"Email": "email", "FirstName": "first"}),
    "a new export over it": BASE | {"more": export("more", ["both"], connection="shared", safety={})},
    "a removed export over it": without(BASE, "news"),
    "a renamed export over it": without(BASE, "news") | {"new": renamed(BASE["news"], "news-letter")},
    "a segment that only it uses": changed(BASE, "ours", where="a = 'N'"),
    "a segment that nobody uses": changed(BASE, "unused", where="e = 'N'"),
    "a new segment": BASE | {"fresh": segment("fresh", "f = 'Y'")},
    "a renamed segment": changed(without(BASE, "unused"), "news") | {"n": renamed(BASE["unused"], "n")},
    "a tighter bound": changed(BASE, "news", safety={"maxRemovals": "5%", "maxUpdates": "1%"}),
    "a protection": changed(BASE, "news", protected=True),
    "a consent that was not asked for": changed(BASE, "news", consent={"column": "agrees", "equals": "Y"}),
}


@pytest.mark.parametrize("head", FREE.values(), ids=list(FREE))
def test_contributors_change_what_only_shared_connections_use(head: dict[str, Document]) -> None:
    assert told(BASE, head) == []
    assert told(BASE, head, Role.VIEWER) or head == BASE
    assert told(BASE, head, Role.NOBODY) or head == BASE


CONSENTED = changed(BASE, "news", consent={"column": "agrees", "equals": True}, protected=True)

REFUSED = {
    "roles": (BASE, changed(BASE, "project", roles=ROLES | {"administrators": ["alice", "carol"]}), "roles"),
    "default safety": (BASE, changed(BASE, "project", safety={"maxRemovals": "100%"}), "spec.safety"),
    "state": (BASE, changed(BASE, "project", state={"url": "elsewhere"}), "spec.state"),
    "suppressions": (BASE, changed(BASE, "project", suppressions="none.txt"), "spec.suppressions"),
    "no project": (BASE, without(BASE, "project"), "may not remove the Project"),
    "another project": (
        BASE,
        without(BASE, "project") | {"mine": document("Project", "mine", {"roles": {"administrators": ["carol"]}})},
        'may not add the Project "mine"',
    ),
    "source": (BASE, changed(BASE, "profiles", profiles={"path": "other.csv", "id": "id"}), "spec.profiles.path"),
    "new source": (BASE, BASE | {"more": source("more", "more.csv")}, 'add the Source "more"'),
    "consent of a shared connection": (
        BASE,
        changed(BASE, "shared", consent=BASE["shared"]["spec"]["consent"] | {"fields": ["Email", "Phone"]}),
        "spec.consent.fields",
    ),
    "limits": (BASE, changed(BASE, "shared", limits={"profiles": 5}), "spec.limits"),
    "a description": (
        BASE,
        BASE | {"shared": BASE["shared"] | {"metadata": {"name": "shared", "description": "mine"}}},
        "metadata.description",
    ),
    "export over an unshared connection": (BASE, changed(BASE, "billing", suspended=True), '"private", whose usableBy'),
    "removing it": (BASE, without(BASE, "billing"), "may not remove"),
    "moving an export from it": (BASE, changed(BASE, "billing", connection="shared"), '"private", whose usableBy'),
    "moving an export to it": (BASE, changed(BASE, "news", connection="private"), "spec.connection"),
    "detaching": (BASE, changed(BASE, "news", connection=None), "detached"),
    "attaching": (BASE, changed(BASE, "kept", connection="shared"), "detached"),
    "sharing and using at once": (
        BASE,
        changed(changed(BASE, "private", usableBy=["contributors"]), "billing", suspended=True),
        "whose usableBy does not name contributors in the base",
    ),
    "a connection of one's own": (
        BASE,
        changed(
            BASE | {"own": connection("own", usableBy=["contributors"], baseUrl="https://example.com")},
            "news",
            connection="own",
        ),
        'over the Connection "own", which the base does not declare',
    ),
    "a rename that slips the connection": (
        BASE,
        changed(
            without(BASE, "private", "billing")
            | {"p": renamed(changed(BASE, "private", usableBy=["contributors"])["private"], "public")}
            | {"b": renamed(BASE["billing"], "bills")},
            "b",
            connection="public",
        ),
        'may not remove the Export "billing"',
    ),
    "a rename of a segment of theirs": (
        BASE,
        changed(without(BASE, "theirs"), "billing", segments=["mine", "both"]) | {"m": renamed(BASE["theirs"], "mine")},
        'may not add the Segment "mine", used by the Export "billing"',
    ),
    "taking over what nobody declares": (
        BASE,
        BASE | {"heir": renamed(export("gone", ["ours"], connection="shared", safety={}), "heir")},
        "takes over what is recorded",
    ),
    "taking over later": (
        BASE,
        BASE | {"news": renamed(BASE["news"], "x") | {"metadata": {"name": "news", "previousName": "gone"}}},
        "metadata.previousName",
    ),
    "segment of an unshared connection": (BASE, changed(BASE, "theirs", where="1 = 1"), 'the Export "billing"'),
    "segment of both": (BASE, changed(BASE, "both", where="1 = 1"), 'the Export "billing"'),
    "segment of a detached export": (BASE, changed(BASE, "apart", where="1 = 1"), "detached"),
    "a looser bound": (BASE, changed(BASE, "news", safety={"maxRemovals": "21%"}), "spec.safety.maxRemovals"),
    "a count for a percentage": (BASE, changed(BASE, "news", safety={"maxUpdates": 5}), "spec.safety.maxUpdates"),
    "a looser bound at once": (
        BASE,
        BASE | {"more": export("more", ["ours"], connection="shared")},
        "loosens a safety bound",
    ),
    "empty segments": (BASE, changed(BASE, "news", allowEmpty=True), "spec.allowEmpty"),
    "a protection lifted": (CONSENTED, changed(CONSENTED, "news", protected=False), "spec.protected"),
    "a protected export removed": (CONSENTED, without(CONSENTED, "news"), "protected"),
    "a protection lost in a rename": (
        CONSENTED,
        without(CONSENTED, "news") | {"x": renamed(changed(CONSENTED, "news", protected=False)["news"], "x")},
        "lifts a protection",
    ),
    "consent of each person dropped": (CONSENTED, changed(CONSENTED, "news", consent=None), "consent of each"),
    "true is not 1": (
        CONSENTED,
        changed(CONSENTED, "news", consent={"column": "agrees", "equals": 1}),
        "consent of each",
    ),
}


@pytest.mark.parametrize(("base", "head", "words"), REFUSED.values(), ids=list(REFUSED))
def test_contributors_are_refused_by_file_and_line(
    base: dict[str, Document], head: dict[str, Document], words: str
) -> None:
    found = told(base, head)
    assert any(words in line for line in found), found
    assert all(": error: [access] carol may not " in line for line in found)
    assert all(line.endswith(": an administrator (alice) does") for line in found)


def test_consent_of_each_person_true_is_told_from_1() -> None:
    (line,) = told(CONSENTED, changed(CONSENTED, "news", consent={"column": "agrees", "equals": 1}))
    assert "spec.consent of the Export" in line


def test_a_denial_stands_at_the_key_and_a_deletion_at_the_base() -> None:
    roles = changed(BASE, "project", roles=ROLES | {"administrators": ["alice", "carol"]})
    (line,) = told(BASE, roles)
    text = json.dumps(roles["project"], indent=1).splitlines()
    number = next(i for i, row in enumerate(text, 1) if '"administrators"' in row)
    assert line.startswith(f"exports/project.yaml:{number}:")
    (gone,) = told(BASE, without(BASE, "billing"))
    assert gone.startswith("exports/billing.yaml:")


def test_every_denial_is_told_at_once() -> None:
    head = changed(changed(without(BASE, "kept"), "shared", displayName="x"), "theirs", where="1 = 1")
    assert len(told(BASE, head)) == 3


def test_moving_a_document_is_a_change_of_who_may_change_it() -> None:
    assert told(BASE, BASE, news="exports/other.yaml", ours="exports/other.yaml") == []
    (line,) = told(BASE, BASE, shared="exports/news.yaml")
    assert "may not move the Connection" in line


def test_layout_comments_and_the_order_of_keys_are_no_change() -> None:
    turned = {key: dict(reversed(list(value.items()))) for key, value in BASE.items()}
    assert list(changes(version(BASE), version(turned))) == []
    flow = [Content(f"exports/{k}.yaml", f"# mine\n{json.dumps(v)}".encode()) for k, v in BASE.items()]
    found = survey(Path("nowhere"), flow)
    assert found.declared is not None
    assert list(changes(version(BASE), Version(found.declared, found.values, found.safety))) == []


OLD = version(BASE)
LOADED: dict[int, Version] = {}


def loaded(head: dict[str, Document]) -> Version:
    return LOADED.setdefault(id(head), LOADED.get(id(head)) or version(head))


HEADS = st.sampled_from([*FREE.values(), *(head for base, head, _ in REFUSED.values() if base is BASE)])


@given(head=HEADS, role=st.sampled_from(list(Role)))
def test_roles_are_ordered_and_nobody_changes_anything(head: dict[str, Document], role: Role) -> None:
    old, new = OLD, loaded(head)
    found = denials(Actor("x", role), old, new)
    assert not (role is Role.ADMINISTRATOR and found)
    if role in {Role.VIEWER, Role.NOBODY}:
        touched = [change.new or change.old for change in changes(old, new)]
        assert {d.where.file for d in found} == {marks.file for marks in touched if marks is not None}


@given(head=HEADS, mine=st.sampled_from(["administrators", "contributors", "viewers"]))
def test_the_roles_of_the_change_never_count(head: dict[str, Document], mine: str) -> None:
    old, new = OLD, loaded(head)
    there = new.declarations.project
    crowned = replace(new, declarations=replace(new.declarations, project=replace(there, roles={mine: ("carol",)})))
    actor = Actor("carol", role_of("carol", old.declarations.project.roles))
    assert denials(actor, old, crowned) == denials(actor, old, new)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.floats(0, 2) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_values_differ_exactly_when_their_canonical_texts_do(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (not list(differences(one, other))) is same
    assert list(differences(one, one)) == []


@pytest.mark.parametrize(
    ("actor", "role"),
    [
        ("ALICE", Role.ADMINISTRATOR),
        ("carol", Role.CONTRIBUTOR),
        ("both", Role.ADMINISTRATOR),
        ("victor", Role.VIEWER),
        ("dependabot[bot]", Role.CONTRIBUTOR),
        ("dependabot", Role.NOBODY),
        ("mallory", Role.NOBODY),
        ("", Role.NOBODY),
        ("alice\n", Role.NOBODY),
        (" alice", Role.NOBODY),
        ("al\u0131ce", Role.NOBODY),
        ("\u212aate", Role.NOBODY),
        ("contoso/privacy", Role.NOBODY),
        ("*", Role.NOBODY),
    ],
)
def test_names_are_compared_as_github_does(actor: str, role: Role) -> None:
    roles = {
        "administrators": ["@Alice", "both", "kate", "contoso/privacy", ""],
        "contributors": ["carol", "both", "dependabot[bot]", "*"],
        "viewers": ["victor", "both", "carol"],
    }
    assert role_of(actor, roles) is role
    assert role_of(actor, roles, bootstrap=["mallory"]) is role


@given(st.text())
def test_only_names_that_github_gives_have_a_role(name: str) -> None:
    roles = {"administrators": [name]}
    assert (role_of(name, roles) is Role.ADMINISTRATOR) is is_person(name.removeprefix("@"))


def test_bootstrap_counts_until_somebody_is_named() -> None:
    assert role_of("ann", {}, ["Ann"]) is Role.ADMINISTRATOR
    assert role_of("ann", {"administrators": ["contoso/privacy"]}, ["ann"]) is Role.ADMINISTRATOR
    assert role_of("ann", {"administrators": ["alice"], "contributors": ["ann"]}, ["ann"]) is Role.CONTRIBUTOR
    assert administrators({"administrators": ["@alice", "not a name"]}, ["ann"]) == ("alice",)


@pytest.mark.parametrize(
    ("path", "guarded"),
    [
        (".github/workflows/apply.yml", True),
        (".GitHub/workflows/apply.yml", True),
        (".github", True),
        ("CODEOWNERS", True),
        ("docs/CODEOWNERS", True),
        ("app/.reconciler/ledger.db", True),
        ("app/kept/ledger.db", True),
        ("app/data/people.csv", True),
        ("app/data/people.parquet", False),
        ("app/data", True),
        ("app/no [one].txt", True),
        ("app/no one.txt", False),
        ("shared/members/2026/1.csv", True),
        ("app/secret.key", True),
        (".gitattributes", True),
        ("app/exports/.gitattributes", True),
        ("vendor/.gitmodules", True),
        ("README.md", False),
        ("docs/guide.md", False),
        ("other/data/people.csv", False),
    ],
)
def test_files_that_count_are_guarded_whatever_stands_in_their_way(path: str, *, guarded: bool) -> None:
    members = {"path": "../shared/members/**/*.csv", "id": "id", "segment": "s"}
    declared = version(
        world(
            project=project(state={"url": "kept"}, suppressions="no [one].txt", dataRoots=["../shared"]),
            profiles=document(
                "Source",
                "profiles",
                {"type": "files", "profiles": {"path": "data/*.csv", "id": "id"}, "memberships": members},
            ),
            private=connection("private", apiKey={"file": "secret.key"}, baseUrl="https://example.com"),
        )
    ).declarations
    named = guards(declared, "/clone", "app/")
    assert (why_guarded(path, named) is not None) is guarded


def test_codeowners_asks_who_may_change_a_file() -> None:
    text = codeowners(
        version(
            world(),
            news="exports/news letter.yaml",
            ours="exports/mixed.yaml",
            theirs="exports/mixed.yaml",
        ),
        "/clone",
        "",
    )
    owned = dict(line.split(None, 1) for line in text.splitlines() if not line.startswith("#"))
    assert owned == {
        "**/.gitattributes": "@alice",
        "**/.gitmodules": "@alice",
        "/exports/": "@alice",
        "/.github": "@alice",
        "/.reconciler": "@alice",
        "/CODEOWNERS": "@alice",
        "/docs/CODEOWNERS": "@alice",
        "/people.csv": "@alice",
        "/exports/unused.yaml": "@alice @carol",
    }
    assert text.startswith("# Written by `reconciler authorize --codeowners`")


def test_what_contributors_own_is_what_they_may_change() -> None:
    old = version(BASE)
    theirs = contributed(old.declarations)
    for kind, name in old.documents():
        key = "profiles" if kind == "Source" else name
        head = BASE | {key: BASE[key] | {"metadata": {"name": name, "description": "another"}}}
        assert (told(BASE, head) == []) is ((kind, name) in theirs)
