"""The ledger on a disk that is full, fails, or may not be written, and the modes of its files."""

from __future__ import annotations

import os
import resource
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.core.errors import StateError
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.core.record import Intent, RecordedExport
from reconciler.state.ledger import SqliteLedger
from reconciler.state.place import open_ledger, open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = bytes(range(32))
PERSON = bytes(16)
NOBODY = 65534


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (folder / ".reconciler").iterdir() if file.is_file()}


def test_everything_is_for_its_owner_alone_and_kept_out_of_git(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        ledger = open_ledger(tmp_path, KEY)
    finally:
        os.umask(mask)
    home = tmp_path / ".reconciler"
    modes = {file.name: file.stat().st_mode & 0o777 for file in home.iterdir() if file.name.startswith("state")}
    ledger.close()
    assert modes == dict.fromkeys(("state.sqlite", "state.sqlite-wal", "state.sqlite-shm"), 0o600)
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / ".gitignore").read_text() == "*\n"


def test_a_full_disk_records_nothing_of_the_batch_and_spoils_nothing(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, KEY)
    assert isinstance(ledger, SqliteLedger)
    ledger.save_export("c", RecordedExport(1, "e", 0))
    (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")
    many = [ClaimWrite(1, number.to_bytes(16), PERSON, (1,)) for number in range(5000)]
    with pytest.raises(StateError, match=r"the disk is full; free some space .*SQLITE_FULL"):
        ledger.commit("c", Acknowledged(claims=many, intents=[Intent(1, 1, 1, 1, (PERSON,))]))
    assert list(ledger.claims("c")) == []
    assert ledger.doubtful("c") == ()
    ledger._db.execute("PRAGMA max_page_count = 1000000")
    ledger.commit("c", Acknowledged(claims=many))
    assert ledger.exports("c")[0].people == 5000
    ledger.close()


def test_a_disk_that_fails_records_nothing_of_the_batch_and_spoils_nothing(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, KEY)
    ledger.save_export("c", RecordedExport(1, "e", 0))
    many = [ClaimWrite(1, number.to_bytes(16), PERSON, (1,)) for number in range(5000)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / ".reconciler" / "state.sqlite-wal").stat().st_size, hard))
    try:
        with pytest.raises(StateError, match=r"state\.sqlite: the disk .* \(SQLITE_"):
            ledger.commit("c", Acknowledged(claims=many))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(ledger.claims("c")) == []
    ledger.commit("c", Acknowledged(claims=many))
    assert ledger.exports("c")[0].people == 5000
    ledger.close()


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    home = tmp_path / ".reconciler"
    home.mkdir()
    home.chmod(0o755)
    open_ledger(tmp_path, KEY).close()
    assert home.stat().st_mode & 0o777 == 0o700


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user whom file modes bind, which root is not."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that an unprivileged user can reach, with a ledger of their own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        with unprivileged():
            ledger = open_ledger(folder, KEY)
            ledger.save_export("c", RecordedExport(1, "e", 0))
            ledger.close()
        yield folder
        (folder / ".reconciler").chmod(0o700)


@pytest.mark.parametrize("alone", [False, True])
def test_a_read_only_folder_can_be_read_and_is_refused_to_a_writer(open_place: Path, *, alone: bool) -> None:
    if alone:
        for name in ("state.sqlite-wal", "state.sqlite-shm"):
            (open_place / ".reconciler" / name).unlink()
    home = open_place / ".reconciler"
    for file in home.iterdir():
        file.chmod(0o400)
    home.chmod(0o500)
    before = files(open_place)
    with unprivileged():
        reader = open_reader(open_place, KEY)
        assert reader.connections() == ("c",)
        reader.close()
        with pytest.raises(StateError, match=r"read-only|cannot be opened"):
            open_ledger(open_place, KEY)
    assert files(open_place) == before


def test_what_may_not_be_read_is_not_taken_for_an_empty_state(open_place: Path) -> None:
    home = open_place / ".reconciler"
    with unprivileged():
        (home / "state.sqlite").chmod(0)
        with pytest.raises(StateError, match="it cannot be opened; it must be a file that you may read"):
            open_reader(open_place, KEY)
        home.chmod(0)
        with pytest.raises(StateError, match=r"^\.reconciler: Permission denied$"):
            open_reader(open_place, KEY)
