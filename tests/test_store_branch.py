"""A state on a branch of the project's own repository: it stays small, and nothing else is touched."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support import servers
from support.servers import Served, git

from reconciler.core.errors import StateError, StoreConflict
from reconciler.state.stores.branch import BranchStore
from reconciler.state.stores.open import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.core.store import Store
    from reconciler.state.stores.remote import Tip

PLACE = "git+branch://reconciler/state"
REF = "refs/heads/reconciler/state"


@pytest.fixture
def served() -> Iterator[Served]:
    with servers.bare_remote() as served:
        yield served


@pytest.fixture
def remote(served: Served) -> Path:
    return served.root.parent / "remote.git"


def opened(served: Served, root: Path | None = None, place: str = PLACE) -> Store:
    return open_store(place, served.environ, root or served.root)


def clone(served: Served, name: str, *words: str) -> Path:
    """Clone the remote once more, as a runner does."""
    folder = served.root.parent / name
    git(served.root.parent, "clone", "--quiet", *words, (served.root.parent / "remote.git").as_uri(), str(folder))
    return folder


def size(repository: Path) -> int:
    """Give the bytes of all that a repository holds, reachable or not."""
    counts = dict(line.split(": ") for line in git(repository, "count-objects", "-v").splitlines())
    return (int(counts["size"]) + int(counts["size-pack"])) * 1024


def test_the_branch_has_one_commit_however_often_it_is_written(served: Served, remote: Path) -> None:
    store = opened(served)
    version = store.create("log/0", b"0")
    for number in range(1, 6):
        store.create(f"log/{number}", b"%d" % number)
        version = store.replace("log/0", b"again %d" % number, version)
    store.delete("log/5")
    assert git(remote, "rev-list", "--count", REF) == "1"
    assert git(remote, "log", "-1", "--format=%an %ae %cn", REF) == "reconciler reconciler@localhost reconciler"


def test_a_write_sends_what_is_new_and_no_more(served: Served, remote: Path) -> None:
    big = bytes(range(256)) * 8_000
    store = opened(served)
    store.create("snapshot", b"".join(bytes(reversed(big[n : n + 1_000 + n % 7])) for n in range(0, len(big), 999)))
    git(remote, "gc", "--quiet")
    before = size(remote)
    other = clone(served, "other")
    runner = opened(served, other)
    assert len(runner.names("")) == 1
    fetched = size(other)
    for number in range(5):
        store.create(f"log/{number}", b"small")
    assert runner.names("log") == tuple(f"log/{number}" for number in range(5))
    assert size(remote) - before < 200_000
    assert size(other) - fetched < 200_000


@pytest.mark.parametrize(
    "words", [(), ("--depth=1",), ("--single-branch", "--no-tags"), ("--filter=blob:none",), ("--filter=tree:0",)]
)
def test_it_works_in_every_kind_of_clone(served: Served, remote: Path, words: tuple[str, ...]) -> None:
    git(remote, "config", "uploadpack.allowFilter", "true")
    first = opened(served)
    version = first.create("a", b"one")
    folder = clone(served, "runner", *words)
    git(folder, "checkout", "--quiet", "--detach")
    shallow = (folder / ".git" / "shallow").read_text() if (folder / ".git" / "shallow").exists() else None
    store = opened(served, folder)
    assert store.read("a") == (b"one", version)
    second = store.replace("a", b"two", version)
    assert first.read("a") == (b"two", second)
    first.create("b", b"three")
    assert store.names("") == ("a", "b")
    assert ((folder / ".git" / "shallow").read_text() if shallow else None) == shallow


def test_nothing_else_of_the_clone_or_the_remote_is_touched(served: Served, remote: Path) -> None:
    root = served.root
    (root / "exports" / "project.yaml").write_text("# changed\n")
    (root / "staged").write_text("staged\n")
    git(root, "add", "staged")
    git(remote, "branch", "another", "main")

    def world() -> list[str]:
        return [
            git(root, "status", "--porcelain", "--branch"),
            git(root, "for-each-ref", "refs/heads", "refs/tags", "refs/remotes"),
            git(root, "symbolic-ref", "HEAD"),
            (root / ".git" / "config").read_text(),
            git(remote, "for-each-ref", "refs/heads/main", "refs/heads/another", "refs/tags"),
            str((root / ".git" / "FETCH_HEAD").exists()),
        ]

    before = world()
    store, other = opened(served), opened(served, clone(served, "other"))
    version = store.create("a", b"one")
    other.replace("a", b"two", version)
    store.create("b", b"three")
    store.delete_all(store.names(""))
    assert world() == before


def test_no_hook_is_run_and_no_setting_of_the_user_changes_a_push(served: Served) -> None:
    for hook in ("pre-push", "reference-transaction", "post-checkout", "pre-auto-gc"):
        path = served.root / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\nexit 1\n")
        path.chmod(0o755)
    for setting in ("commit.gpgSign", "push.gpgSign", "push.useForceIfIncludes", "fetch.prune", "push.followTags"):
        git(served.root, "config", setting, "true")
    store = opened(served)
    store.create("a", b"one")
    assert store.names("") == ("a",)


@pytest.mark.parametrize("branch", ["main", "theirs"])
def test_a_branch_that_somebody_else_uses_is_refused(served: Served, remote: Path, branch: str) -> None:
    git(remote, "branch", "theirs", "main")
    before = git(remote, "for-each-ref")
    store = opened(served, place=f"git+branch://{branch}")
    for call in (store.names, store.read, store.delete, lambda name: store.create(name or "a", b"")):
        with pytest.raises(StateError, match="files that are not ours") as caught:
            call("a")
        assert not isinstance(caught.value, StoreConflict)
    assert git(remote, "for-each-ref") == before


def test_a_branch_to_which_somebody_added_a_file_is_refused(served: Served) -> None:
    store = opened(served)
    store.create("a", b"one")
    other = clone(served, "other", "--branch", "reconciler/state")
    (other / "notes.txt").write_text("mine\n" * 3)
    (other / "Notes.txt").write_text("mine\n" * 3)
    git(other, "add", ".")
    git(other, "commit", "--quiet", "--message", "Mine")
    git(other, "push", "--quiet", "origin", "HEAD")
    with pytest.raises(StateError, match="files that are not ours"):
        store.create("b", b"two")
    assert git(other, "ls-remote", "origin", REF).split()[0] == git(other, "rev-parse", "HEAD")


def test_a_remote_that_forbids_forced_pushes_is_told_of(served: Served, remote: Path) -> None:
    store = opened(served)
    store.create("a", b"one")
    git(remote, "config", "receive.denyNonFastForwards", "true")
    with pytest.raises(StateError, match="protected from forced pushes"):
        store.create("b", b"two")
    assert store.names("") == ("a",)


def test_a_remote_whose_hook_refuses_is_told_of(served: Served, remote: Path) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho a secret of the remote\nexit 1\n")
    hook.chmod(0o755)
    store = opened(served)
    with pytest.raises(StateError, match="refuses to move the branch") as caught:
        store.create("a", b"one")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("git+branch://state?remote=nowhere", "no remote by the name nowhere"),
        ("git+branch://-x", "not of the form"),
        ("git+branch://a..b", "not of the form"),
        ("git+branch://a.lock", "not of the form"),
        ("git+branch://state?remote=--upload-pack=x", "not of the form"),
        ("git+branch://state?depth=1", "not of the form"),
        ("git+branch://me:secret@state", "not of the form"),
        ("git+branch:///state", "not of the form"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_a_request(served: Served, place: str, line: str) -> None:
    with pytest.raises(StateError, match=line) as caught:
        opened(served, place=place)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("http://example.com/a.git", "plain http is for loopback alone"),
        ("ext::sh -c 'touch ran; exit 1'", "git"),
        ("/nowhere/at/all.git", "no such repository"),
    ],
)
def test_a_remote_that_git_should_not_talk_to_is_refused(served: Served, address: str, line: str) -> None:
    git(served.root, "config", "remote.other.url", address)
    with (
        pytest.raises(StateError, match=line),
        closing(opened(served, place="git+branch://state?remote=other")) as store,
    ):
        store.names("")
    assert not (served.root / "ran").exists()


def test_a_folder_outside_of_a_repository_is_told_of(served: Served, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="in no git repository"):
        opened(served, tmp_path)


class Queue:
    """A lock that says when so many have come to it."""

    def __init__(self, many: int) -> None:
        self._lock, self._left, self.all_here = threading.RLock(), many, threading.Event()

    def __enter__(self) -> None:
        self._left -= 1
        if not self._left:
            self.all_here.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_readers_who_wait_for_a_look_share_the_next_one(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(served)
    assert isinstance(store, BranchStore)
    names = [f"log/{number}" for number in range(8)]
    for name in names:
        store.create(name, name.encode())
    queue, looks, look = Queue(len(names)), [], store._remote.look

    def slow(known: Tip | None) -> Tip:
        looks.append(known)
        assert queue.all_here.wait(60)
        return look(known)

    monkeypatch.setattr(store, "_lock", queue)
    monkeypatch.setattr(store._remote, "look", slow)
    with ThreadPoolExecutor(len(names)) as pool:
        found = list(pool.map(store.read, names))
    assert [each.data for each in found if each] == [name.encode() for name in names]
    assert len(looks) == 2, "the one that the others found under way may be older than their question"
