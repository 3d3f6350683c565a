"""`authorize` over real repositories: what a hostile change, a hostile name and a broken clone can reach."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from support.command import reconciler
from support.project import connection, document, export, segment, source

from reconciler.core.errors import ReconcilerError
from reconciler.core.roles import Role
from reconciler.flow.authorize import Asked, Verdict, authorize
from reconciler.report.schema import schemas
from reconciler.revisions import Repository

if TYPE_CHECKING:
    from pathlib import Path

ROLES = {"administrators": ["alice"], "contributors": ["carol"], "viewers": ["victor"]}
SHARED: dict[str, Any] = {"usableBy": ["administrators", "contributors"], "baseUrl": "https://example.com"}


def files(**other: str | None) -> dict[str, str]:
    """The files of a project, as JSON that is YAML; `other` replaces them, and None takes one away."""
    documents = {
        "project": document("Project", "project", {"roles": ROLES, "suppressions": "suppressed.txt"}),
        "profiles": source("profiles", "data/people.csv"),
        "shared": connection("shared", **SHARED),
        "private": connection("private", baseUrl="https://example.com"),
        "news": export("news", ["ours"], connection="shared", safety={}),
        "billing": export("billing", ["theirs"], connection="private"),
        "ours": segment("ours", "a = 'Y'"),
        "theirs": segment("theirs", "b = 'Y'"),
    }
    made: dict[str, str | None] = {f"exports/{name}.yaml": written(value) for name, value in documents.items()}
    made |= {"data/people.csv": "id,email\n", "suppressed.txt": "", "README.md": "hello\n"} | other
    return {path: text for path, text in made.items() if text is not None}


def written(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1) + "\n"


@dataclass(frozen=True)
class Clone:
    """A repository, and the project's folder in it."""

    top: Path
    root: Path

    def git(self, *words: str, stdin: bytes = b"") -> str:
        who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", "-C", str(self.top), *who, *words], input=stdin, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def commit(self, whole: dict[str, str]) -> str:
        """Make the project's folder hold just these files, and give the commit."""
        self.git("rm", "-rq", "--cached", "--ignore-unmatch", ".")
        for path in sorted(self.root.rglob("*"), reverse=True):
            if ".git" not in path.relative_to(self.top).parts:
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        for name, text in whole.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self.record()

    def record(self) -> str:
        self.git("add", "-Af")
        self.git("commit", "-q", "--allow-empty", "-m", "change")
        return self.git("rev-parse", "HEAD")

    def ask(self, base: str, *actors: str, head: str = "HEAD", bootstrap: tuple[str, ...] = ()) -> Verdict:
        return authorize(Repository(self.root), self.root, Asked(base, head, actors, bootstrap))


def clone(top: Path, inner: str = "") -> Clone:
    top.mkdir(exist_ok=True)
    made = Clone(top, top / inner)
    made.git("init", "-q", "-b", "main")
    made.root.mkdir(exist_ok=True)
    return made


@pytest.fixture(params=["", "crm"], ids=["at the top", "in a folder"])
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Clone:
    return clone(tmp_path / "clone", request.param)


def told(verdict: Verdict) -> list[str]:
    return [str(d) for d in (*verdict.faults, *verdict.denials)]


def test_what_each_role_may_do(project: Clone) -> None:
    base = project.commit(files())
    project.commit(files(**{"exports/ours.yaml": written(segment("ours", "a = 'N'"))}))
    assert project.ask(base, "Alice").allowed
    assert project.ask(base, "CAROL").allowed
    assert not project.ask(base, "victor").allowed
    assert not project.ask(base, "mallory").allowed
    assert not project.ask(base, "carol", "mallory").allowed
    verdict = project.ask(base, "carol")
    assert (verdict.documents, verdict.files) == (1, 0)


def test_who_makes_himself_administrator_is_none_yet(project: Clone) -> None:
    base = project.commit(files())
    crowned = ROLES | {"administrators": ["alice", "carol"]}
    own = document("Project", "project", {"roles": crowned, "suppressions": "suppressed.txt"})
    project.commit(
        files(
            **{"exports/project.yaml": written(own), "exports/private.yaml": written(connection("private", **SHARED))}
        )
    )
    found = told(project.ask(base, "carol"))
    assert [line.split(":")[0] for line in found] == ["exports/private.yaml", "exports/project.yaml"]
    assert "spec.roles.administrators" in found[1]
    later = project.commit(files(**{"exports/project.yaml": written(own)}))
    project.commit(
        files(**{"exports/project.yaml": written(own), "exports/private.yaml": None, "exports/billing.yaml": None})
    )
    assert project.ask(later, "carol").allowed
    assert not project.ask(base, "carol").allowed


def test_a_second_project_does_not_load(project: Clone) -> None:
    base = project.commit(files())
    second = document("Project", "second", {"roles": {"administrators": ["carol"]}})
    project.commit(files(**{"exports/second.yaml": written(second)}))
    for actor in ("carol", "alice"):
        verdict = project.ask(base, actor)
        assert not verdict.valid
        assert any("[project-twice]" in line for line in told(verdict))


def test_aliases_stand_for_what_they_say(project: Clone) -> None:
    base = project.commit(files())
    anchored = files()["exports/shared.yaml"].replace('"Shared"', "&name Shared")
    project.commit(files(**{"exports/shared.yaml": anchored}))
    assert project.ask(base, "carol").allowed
    project.commit(files(**{"exports/shared.yaml": anchored.replace('"Email"', '"Email", *name')}))
    (line,) = told(project.ask(base, "carol"))
    assert "spec.consent.fields" in line


@pytest.mark.parametrize("name", ["exports", "exports/more.yaml", "exports/more"])
def test_links_are_not_followed(project: Clone, name: str) -> None:
    base = project.commit(files())
    elsewhere = {path.replace("exports/", "elsewhere/"): text for path, text in files().items()}
    project.commit(elsewhere if name == "exports" else files() | elsewhere)
    (project.root / name).symlink_to("elsewhere" if name == "exports" else "../elsewhere/ours.yaml")
    project.record()
    for actor in ("carol", "alice"):
        verdict = project.ask(base, actor)
        assert not verdict.valid
        assert f"{name}:1:1: error: [link]" in "\n".join(told(verdict))


def test_another_repository_below_the_exports_is_refused(project: Clone) -> None:
    base = project.commit(files())
    place = (project.root / "exports/more").relative_to(project.top)
    project.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{place}")
    project.git("commit", "-qm", "module")
    assert any("[link]" in line for line in told(project.ask(base, "carol")))


GUARDED = {
    ".github/workflows/apply.yml": "on: push\n",
    ".github/CODEOWNERS": "* @carol\n",
    "CODEOWNERS": "* @carol\n",
    ".gitattributes": "*.yaml working-tree-encoding=UTF-7\n",
}
INSIDE = {
    "data/people.csv": "id,email\n1,somebody@example.com\n",
    "suppressed.txt": "somebody@example.com\n",
    ".reconciler/ledger.db": "planted",
    "exports/.gitattributes": "*.yaml ident\n",
}


@pytest.mark.parametrize("name", [*GUARDED, *INSIDE])
def test_files_that_count_are_the_administrators(project: Clone, name: str) -> None:
    base = project.commit(files())
    if name in INSIDE:
        project.commit(files(**{name: INSIDE[name]}))
    else:
        (project.top / name).parent.mkdir(parents=True, exist_ok=True)
        (project.top / name).write_text(GUARDED[name])
        project.record()
    (line,) = told(project.ask(base, "carol"))
    assert f"{name}:1:1: error: [access] carol may not " in line
    assert project.ask(base, "alice").allowed


def test_a_link_in_the_way_of_the_data_counts_as_the_data(project: Clone) -> None:
    bare = files(**{"data/people.csv": None})
    base = project.commit(bare)
    (project.root / "data").symlink_to("elsewhere")
    project.record()
    (line,) = told(project.ask(base, "carol"))
    assert line.startswith("data:1:1")


def test_other_files_are_not_judged(project: Clone) -> None:
    base = project.commit(files())
    project.commit(files(**{"README.md": "other\n", "exports/notes.md": "x\n", "exports/.draft.yaml": "a: ["}))
    assert project.ask(base, "mallory").allowed


def test_codeowners_may_follow_from_what_a_contributor_changes(project: Clone) -> None:
    project.commit(files())
    assert reconciler(project.root, "authorize", "--codeowners").returncode == 0
    base = project.record()
    (project.root / "exports/fresh.yaml").write_text(written(segment("fresh", "c = 'Y'")))
    drifted = reconciler(project.root, "authorize", "--codeowners", "--check")
    assert (drifted.returncode, drifted.stdout) == (1, "")
    assert drifted.stderr.startswith("error: .github/CODEOWNERS is not what the roles")
    assert reconciler(project.root, "authorize", "--codeowners").stdout == "wrote .github/CODEOWNERS\n"
    assert reconciler(project.root, "authorize", "--codeowners", "--check").returncode == 0
    followed = project.record()
    assert project.ask(base, "carol").allowed
    assert not project.ask(base, "victor").allowed
    owners = project.top / ".github/CODEOWNERS"
    with owners.open("a") as file:
        file.write("* @carol\n")
    project.record()
    assert [line.split(":")[0][-10:] for line in told(project.ask(base, "carol"))] == ["CODEOWNERS"]
    assert not project.ask(followed, "carol").allowed


def test_codeowners_takes_no_line_break_from_a_role(project: Clone) -> None:
    roles = ROLES | {"administrators": ["alice", "bob\n* @mallory"]}
    project.commit(files(**{"exports/project.yaml": written(document("Project", "project", {"roles": roles}))}))
    done = reconciler(project.root, "authorize", "--codeowners")
    assert done.returncode == 1
    assert "[owner-name]" in done.stderr
    assert not (project.top / ".github").exists()


def test_what_a_pattern_cannot_say_is_the_administrators(tmp_path: Path) -> None:
    project = clone(tmp_path / "clone", "crm exports")
    project.commit(files())
    assert reconciler(project.root, "authorize", "--codeowners").returncode == 0
    text = (project.top / ".github/CODEOWNERS").read_text()
    assert "* @alice" in [" ".join(line.split()) for line in text.splitlines()]
    assert "@carol" not in text
    base = project.record()
    project.commit(files(**{"exports/ours.yaml": written(segment("ours", "a = 'N'"))}))
    assert project.ask(base, "carol").denials == ()


def test_codeowners_is_not_written_through_a_link(tmp_path: Path) -> None:
    project = clone(tmp_path / "clone")
    project.commit(files())
    (tmp_path / "outside").mkdir()
    (project.top / ".github").symlink_to(tmp_path / "outside")
    done = reconciler(project.root, "authorize", "--codeowners")
    assert (done.returncode, list((tmp_path / "outside").iterdir())) == (1, [])


def test_without_administrators_nobody_may_but_who_sets_it_up(project: Clone) -> None:
    base = project.commit({"README.md": "hello\n"})
    project.commit(files())
    verdict = project.ask(base, "alice")
    assert not verdict.allowed
    assert all("--bootstrap NAME" in d.message for d in verdict.denials)
    assert project.ask(base, "ann", bootstrap=("Ann",)).allowed
    assert not project.ask(base, "alice", bootstrap=("ann",)).allowed
    later = project.git("rev-parse", "HEAD")
    project.commit(files(**{"exports/private.yaml": None, "exports/billing.yaml": None}))
    assert not project.ask(later, "ann", bootstrap=("ann",)).allowed


def test_an_administrator_is_warned_before_locking_all_out(project: Clone) -> None:
    base = project.commit(files())
    project.commit(files(**{"exports/project.yaml": None}))
    verdict = project.ask(base, "alice")
    assert verdict.allowed
    assert [d.rule for d in verdict.faults] == ["no-administrator"]


def test_a_broken_base_is_mended_by_administrators_alone(project: Clone) -> None:
    base = project.commit(files(**{"exports/broken.yaml": "a: [\n"}))
    project.commit(files())
    assert project.ask(base, "alice").allowed
    with pytest.raises(ReconcilerError, match=r"exports/broken\.yaml:\d+:\d+: carol may not change anything"):
        project.ask(base, "carol")
    lost = project.commit(files(**{"exports/project.yaml": "kind: Project\n"}))
    project.commit(files())
    with pytest.raises(ReconcilerError, match="names none"):
        project.ask(lost, "alice")
    assert project.ask(lost, "ann", bootstrap=("ann",)).allowed


def test_a_head_that_does_not_load_has_the_faults_of_validate(project: Clone) -> None:
    base = project.commit(files())
    project.commit(files(**{"exports/ours.yaml": "a: [\n", "exports/gone.yaml": "kind: Exprt\n"}))
    verdict = project.ask(base, "carol")
    assert {d.where.file for d in verdict.faults} >= {"exports/ours.yaml", "exports/gone.yaml"}
    checked = json.loads(reconciler(project.root, "validate", "--output", "json").stdout)["diagnostics"]
    assert [(d["file"], d["line"], d["message"]) for d in checked] == [
        (d.where.file, d.where.line, d.message) for d in verdict.faults
    ]


def test_a_project_that_is_gone_is_not_allowed_for_want_of_declarations(project: Clone) -> None:
    base = project.commit(files())
    project.commit({"README.md": "hello\n"})
    verdict = project.ask(base, "carol")
    assert [d.rule for d in verdict.faults] == ["no-declarations"]
    assert not project.ask("HEAD", "carol").allowed


REFS = [
    "--upload-pack=touch pwned",
    "--all",
    "-h",
    "--exec=touch pwned",
    "$(touch pwned)",
    "; touch pwned",
    "",
    "nothing",
    "HEAD:exports",
    "HEAD..HEAD",
    "a\nb",
    "\0",
    "HEAD^{tree}",
    "0" * 40,
]


@pytest.mark.parametrize("ref", REFS)
def test_a_reference_is_a_commit_or_nothing(tmp_path: Path, ref: str) -> None:
    project = clone(tmp_path / "clone")
    project.commit(files())
    for asked in (Asked(ref, "HEAD", ("alice",)), Asked("HEAD", ref, ("alice",))):
        with pytest.raises(ReconcilerError, match=r"^--(base|head): "):
            authorize(Repository(project.root), project.root, asked)
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize(
    "actor", ["", "al ice", "alice\n::error::x", "*", "contoso/privacy", "\x1b[31m", "-x", "\uff41lice"]
)
def test_a_name_that_is_none_is_an_error_and_not_shown(tmp_path: Path, actor: str) -> None:
    project = clone(tmp_path / "clone")
    base = project.commit(files())
    with pytest.raises(ReconcilerError, match="this is none") as caught:
        project.ask(base, actor)
    assert not actor or actor == "*" or actor not in str(caught.value)


def test_a_name_that_is_a_branch_and_a_tag_is_refused(tmp_path: Path) -> None:
    project = clone(tmp_path / "clone")
    project.commit(files())
    project.git("tag", "main")
    with pytest.raises(ReconcilerError, match="a branch and a tag have this name"):
        project.ask("main", "alice")
    assert project.ask("refs/heads/main", "alice").allowed


def test_a_base_that_has_moved_is_refused(tmp_path: Path) -> None:
    project = clone(tmp_path / "clone")
    old = project.commit(files())
    project.git("branch", "work")
    moved = project.commit(
        files(
            **{
                "exports/project.yaml": written(
                    document(
                        "Project", "project", {"roles": {"administrators": ["alice"]}, "suppressions": "suppressed.txt"}
                    )
                )
            }
        )
    )
    project.git("checkout", "-q", "work")
    project.commit(files(**{"exports/ours.yaml": written(segment("ours", "a = 'N'"))}))
    with pytest.raises(ReconcilerError, match="the base has moved on"):
        project.ask("main", "carol", head="work")
    assert project.ask(old, "carol", head="work").allowed
    project.git("merge", "-q", "-m", "merge", moved)
    assert not project.ask("main", "carol", head="work").allowed
    assert project.ask("main", "alice", head="work").documents == 1


def test_a_shallow_clone_says_what_to_fetch(tmp_path: Path) -> None:
    origin = clone(tmp_path / "origin")
    base = origin.commit(files())
    origin.commit(files(**{"README.md": "x\n"}))
    head = origin.commit(files(**{"README.md": "y\n"}))
    shallow = tmp_path / "shallow"
    url = origin.top.as_uri()
    subprocess.run(["git", "clone", "-q", "--depth", "1", url, shallow], check=True)
    short = Clone(shallow, shallow)
    with pytest.raises(ReconcilerError, match=r"^--base: this clone has no such commit; fetch it"):
        short.ask(base, "alice")
    origin.git("config", "uploadpack.allowAnySHA1InWant", "true")
    short.git("fetch", "-q", "--depth", "1", "origin", base)
    with pytest.raises(ReconcilerError, match="too shallow to see whether"):
        short.ask(base, "alice", head=head)
    short.git("fetch", "-q", "--unshallow")
    assert short.ask(base, "mallory", head=head).allowed
    two = Clone(tmp_path / "two", tmp_path / "two")
    subprocess.run(["git", "clone", "-q", "--depth", "2", url, two.top], check=True)
    assert two.ask("HEAD^1", "mallory").allowed


def test_a_clone_without_contents_fetches_nothing(tmp_path: Path) -> None:
    origin = clone(tmp_path / "origin")
    base = origin.commit(files())
    origin.git("config", "uploadpack.allowFilter", "true")
    origin.commit({"README.md": "x\n"})
    partial = tmp_path / "partial"
    subprocess.run(
        ["git", "clone", "-q", "--no-checkout", "--filter=blob:none", origin.top.as_uri(), partial], check=True
    )
    with pytest.raises(ReconcilerError, match=r"lacks the content|git cat-file failed"):
        Clone(partial, partial).ask(base, "alice")


def test_a_repository_hidden_in_the_project_is_not_the_repository(tmp_path: Path) -> None:
    project = clone(tmp_path / "clone", "app")
    base = project.commit(files())
    shutil.copytree(project.top / ".git", project.root, dirs_exist_ok=True)
    for bare in (f"bare = false\n\tworktree = {project.root}", "bare = true"):
        (project.root / "config").write_text(f"[core]\n\trepositoryformatversion = 0\n\t{bare}\n")
        plain = subprocess.run(["git", "-C", project.root, "rev-parse", "--git-dir"], capture_output=True, check=True)
        assert plain.stdout.decode().strip() in {".", str(project.root)}, "git takes the bait without us"
        with pytest.raises(ReconcilerError, match="in no git repository"):
            project.ask(base, "alice")


def test_settings_and_hooks_of_the_surroundings_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = clone(tmp_path / "clone")
    base = project.commit(files())
    head = project.commit(files(**{"exports/shared.yaml": None, "exports/news.yaml": None}))
    project.git("replace", head, base)
    other = clone(tmp_path / "other")
    other.commit(files())
    monkeypatch.setenv("GIT_DIR", str(other.top / ".git"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.top / ".git/objects"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", f"touch {tmp_path}/pwned")
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "git").write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\n")
    (fake / "git").chmod(0o755)
    monkeypatch.chdir(fake)
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")
    verdict = project.ask(base, "carol", head=head)
    assert (verdict.documents, verdict.allowed) == (2, False)
    assert not (tmp_path / "pwned").exists()


def test_a_folder_without_a_repository_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="in no git repository"):
        Repository(tmp_path)
    with pytest.raises(ReconcilerError, match="git is not on PATH"):
        Repository(tmp_path, {"PATH": "relative:"})


def test_nothing_is_checked_out_and_nothing_written(project: Clone) -> None:
    base = project.commit(files())
    head = project.commit(files(**{"README.md": "x\n"}))
    project.git("checkout", "-q", base)
    before = {path: path.stat().st_mtime_ns for path in project.top.rglob("*")}
    assert project.ask(base, "mallory", head=head).allowed
    assert {path: path.stat().st_mtime_ns for path in project.top.rglob("*")} == before


def test_odd_file_names_are_shown_and_judged(project: Clone) -> None:
    base = project.commit(files())
    odd = segment("odd", "a = 'Y'", source="elsewhere")
    project.commit(files(**{"exports/::error::a\nb.yaml": written(odd)}))
    found = told(project.ask(base, "carol"))
    assert found
    assert all("\n" not in line for line in found)


def test_the_command_speaks_to_people_to_github_and_to_programs(project: Clone) -> None:
    base = project.commit(files())
    project.commit(files(**{"exports/shared.yaml": written(connection("shared", **SHARED, displayName="Mine"))}))
    words = ("authorize", "--base", base, "--actor", "carol")
    done = reconciler(project.root, *words)
    assert done.returncode == 3
    assert "exports/shared.yaml:9:3: error: [access] carol may not change spec.displayName" in done.stdout
    run = reconciler(project.root, *words, environ={"GITHUB_ACTIONS": "true"})
    place = (project.root / "exports/shared.yaml").relative_to(project.top).as_posix()
    assert f"::error file={place},line=9,col=3,title=access::carol may not" in run.stderr
    read = json.loads(reconciler(project.root, *words, "--output", "json").stdout)
    jsonschema.validate(read, schemas()["authorize.schema.json"], jsonschema.Draft202012Validator)
    assert (read["allowed"], read["base"], read["actors"]) == (
        False,
        base,
        [{"name": "carol", "role": Role.CONTRIBUTOR.value}],
    )
    allowed = reconciler(project.root, "authorize", "--base", base, "--actor", "alice")
    assert (allowed.returncode, allowed.stderr) == (0, "")
    assert allowed.stdout == "1 declarations and 0 other files differ: allowed for alice (administrator)\n"
    odd = reconciler(project.root, "authorize", "--base", "--upload-pack=x", "--actor", "alice")
    assert (odd.returncode, odd.stdout) == (1, "")
    assert reconciler(project.root, "authorize", "--base", base).returncode == 2
    assert reconciler(project.root, "authorize", "--check").returncode == 2
