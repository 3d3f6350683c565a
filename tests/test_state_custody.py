"""The day something went wrong: the state is looked at, copied, replaced and restored, and nothing is lost by it."""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from reconciler.clock import SystemClock
from reconciler.core.errors import SecretMissing, StateError
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.core.record import Intent, RecordedExport, RecordedList, Run, RunStatus
from reconciler.state import copies, seal
from reconciler.state.custody import Custody
from reconciler.state.files import Files
from reconciler.state.place import open_ledger, open_reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.core.ports import Ledger

KEY = bytes(range(32))
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
PEOPLE = [bytes([n]) * 16 for n in range(1, 40)]


def custody(folder: Path, key: bytes | None = KEY) -> Custody:
    return Custody(folder, key, SystemClock())


def a_run(folder: Path, number: int, *, people: int = 3, finish: bool = True, close: bool = True) -> Ledger:
    """Record a run after which so many people are on the one list."""
    ledger = open_ledger(folder, KEY)
    ledger.start(Run(f"run-{number}", NOON, None, "demand", RunStatus.RUNNING, "c0ffee"))
    if people:
        ledger.save_list("c", RecordedList(1, "news", "contactlist_1", made=True))
        ledger.save_export("c", RecordedExport(1, "e", 0, segments={"s": ("news", 1)}))
        held = PEOPLE[:people]
        claims = [ClaimWrite(1, key, key, (1,)) for key in held]
        ledger.commit("c", Acknowledged(claims=claims, contacts={key: f"person_{key.hex()}" for key in held}))
    if finish:
        ledger.finish(f"run-{number}", ended=NOON, status=RunStatus.SUCCESSFUL, requests=1, exports=())
    if close:
        ledger.close()
    return ledger


def people(folder: Path) -> int:
    reader = open_reader(folder, KEY)
    try:
        return len(list(reader.claims("c")))
    finally:
        reader.close()


def serial(folder: Path) -> int:
    reader = open_reader(folder, KEY)
    identity = reader.identity()
    reader.close()
    assert identity is not None
    return identity.serial


def lists_behind(folder: Path) -> list[bool]:
    reader = open_reader(folder, KEY)
    found = [entry.behind for entry in reader.lists("c")]
    reader.close()
    return found


def kept(folder: Path) -> dict[int, str]:
    return {copy.serial: copy.fault for copy in custody(folder).copies()}


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    at = content.index(PEOPLE[0])
    content[at] ^= 0xFF
    path.write_bytes(content)


def test_the_last_three_runs_that_wrote_leave_a_copy_each(tmp_path: Path) -> None:
    for number in range(1, 6):
        a_run(tmp_path, number, people=number)
    assert [(copy.serial, copy.people, copy.fault) for copy in custody(tmp_path).copies()] == [
        (5, 5, ""),
        (4, 4, ""),
        (3, 3, ""),
    ]
    home = tmp_path / ".reconciler" / "copies"
    assert sorted(file.name for file in home.iterdir()) == sorted(
        name for n in (3, 4, 5) for name in (f"{n}.sqlite", f"{n}.seal")
    )
    assert {file.stat().st_mode & 0o777 for file in home.iterdir()} == {0o600}
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_run_that_changed_nothing_or_did_not_end_leaves_none(tmp_path: Path) -> None:
    a_run(tmp_path, 1)
    a_run(tmp_path, 2, people=0)
    a_run(tmp_path, 3, people=9, finish=False)
    assert kept(tmp_path) == {1: ""}


def test_a_copy_that_cannot_be_made_fails_nothing(tmp_path: Path) -> None:
    a_run(tmp_path, 1)
    shutil.rmtree(tmp_path / ".reconciler" / "copies")
    (tmp_path / ".reconciler" / "copies").write_text("in the way")
    a_run(tmp_path, 2, people=7)
    assert people(tmp_path) == 7


def test_whoever_is_erased_is_in_no_copy(tmp_path: Path) -> None:
    a_run(tmp_path, 1)
    a_run(tmp_path, 2)
    custody(tmp_path).restore(1)
    ledger = open_ledger(tmp_path, KEY)
    ledger.suppress(PEOPLE[0], ["c"])
    ledger.erased("c", PEOPLE[0])
    ledger.close()
    digest = PEOPLE[0]
    files = list((tmp_path / ".reconciler").rglob("*.sqlite"))
    assert files
    for file in files:
        with closing(sqlite3.connect(file)) as db:
            assert db.execute("SELECT count(*) FROM claims WHERE key = ?", (digest,)).fetchone() == (0,)
    assert list(kept(tmp_path).values()) == [""], "and the one of after is a good copy"


def test_check_says_what_is_there(tmp_path: Path) -> None:
    assert custody(tmp_path, None).check().identity is None
    assert not (tmp_path / ".reconciler").exists()
    a_run(tmp_path, 1)
    health = custody(tmp_path).check()
    assert (health.faults, health.sealed, health.behind, health.holder) == ((), True, 0, None)
    assert health.identity is not None
    assert (health.identity.serial, health.counts["claims"], health.counts["intents"]) == (1, 3, 0)
    ledger = a_run(tmp_path, 2, close=False)
    ledger.commit("c", Acknowledged(intents=[Intent(2, 1, 1, 1, (PEOPLE[9],))]))
    beside = custody(tmp_path).check()
    assert (beside.faults, beside.sealed, beside.counts["intents"]) == ((), False, 1)
    ledger.close()


def altered(statement: str) -> Callable[[Path], None]:
    def alter(database: Path) -> None:
        with closing(sqlite3.connect(database, isolation_level=None)) as db:
            db.execute(statement)
        seal.place(database).unlink()

    return alter


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: path.write_bytes(b"nothing"), "it is not a ledger of reconciler"),
    (lambda path: path.write_bytes(path.read_bytes()[:9000]), "it is damaged or cut short"),
    (spoil, "the file is not the one that the last run left"),
    (altered("DELETE FROM exports"), "rows belong to nothing that is recorded"),
    (altered("DELETE FROM lists"), "people are recorded on lists that are not"),
    (altered("UPDATE claims SET slots = 'x y'"), "people are recorded on lists that are not"),
    (altered("CREATE TRIGGER t AFTER UPDATE ON lists BEGIN DELETE FROM claims; END"), "its tables are not those of"),
    (altered("ALTER TABLE lists ADD COLUMN colour TEXT"), "its tables are not those of a ledger"),
]


@pytest.mark.parametrize(("spoiling", "line"), FAULTS)
def test_check_says_what_is_wrong(tmp_path: Path, spoiling: Callable[[Path], object], line: str) -> None:
    a_run(tmp_path, 1)
    Files(tmp_path).wal.unlink()
    Files(tmp_path).shm.unlink()
    spoiling(tmp_path / ".reconciler" / "state.sqlite")
    assert any(line in fault for fault in custody(tmp_path).check().faults)


def test_a_file_that_is_not_as_the_last_run_left_it_is_refused(tmp_path: Path) -> None:
    a_run(tmp_path, 1)
    spoil(tmp_path / ".reconciler" / "state.sqlite")
    for opener in (open_reader, open_ledger):
        with pytest.raises(StateError, match=r"not as the last run left it.*`reconciler state restore` brings back"):
            opener(tmp_path, KEY)
    with pytest.raises(StateError, match="not as the last run left it"):
        custody(tmp_path).pull(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_restore_puts_a_copy_in_place_and_keeps_the_former_aside(tmp_path: Path) -> None:
    a_run(tmp_path, 1, people=4)
    a_run(tmp_path, 2, people=6)
    spoil(tmp_path / ".reconciler" / "state.sqlite")
    broken = (tmp_path / ".reconciler" / "state.sqlite").read_bytes()
    former = custody(tmp_path).restore(1)
    assert former is not None
    assert (former / "state.sqlite").read_bytes() == broken
    assert people(tmp_path) == 4
    assert serial(tmp_path) == 3, "newer than everything known, so that no plan and no writer of before fits"
    assert lists_behind(tmp_path) == [True]
    assert custody(tmp_path).check().behind == 1
    a_run(tmp_path, 3, people=5)
    assert serial(tmp_path) == 4
    assert kept(tmp_path) == {4: "", 2: "", 1: ""}


def test_a_restore_takes_the_place_of_whatever_is_there(tmp_path: Path) -> None:
    a_run(tmp_path, 1)
    database = tmp_path / ".reconciler" / "state.sqlite"
    database.unlink()
    database.mkdir()
    (database / "something").write_text("kept")
    former = custody(tmp_path).restore(1)
    assert former is not None
    assert (former / "state.sqlite" / "something").read_text() == "kept"
    assert people(tmp_path) == 3
    shutil.rmtree(tmp_path / ".reconciler" / "aside")
    for file in (tmp_path / ".reconciler").glob("state*"):
        file.unlink()
    assert custody(tmp_path).restore(1) is None
    assert people(tmp_path) == 3


def test_what_a_killed_run_recorded_is_aside_whole(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    a_run(tmp_path / "first", 1)
    ledger = a_run(tmp_path / "first", 2, people=9, finish=False, close=False)
    shutil.copytree(tmp_path / "first", tmp_path / "killed")
    ledger.close()
    former = custody(tmp_path / "killed").restore(1)
    assert former is not None
    with closing(sqlite3.connect(former / "state.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM claims").fetchone() == (9,)


def test_only_the_last_three_are_kept_aside(tmp_path: Path) -> None:
    a_run(tmp_path, 1)
    formers = [custody(tmp_path).restore(1) for _ in range(5)]
    assert sorted((tmp_path / ".reconciler" / "aside").iterdir()) == sorted(filter(None, formers))[2:]


def test_a_copy_that_is_damaged_or_not_there_is_refused(tmp_path: Path) -> None:
    a_run(tmp_path, 1)
    a_run(tmp_path, 2, people=8)
    with pytest.raises(StateError, match=r"there is no copy of serial 7; there is 2, 1$"):
        custody(tmp_path).restore(7)
    spoil(tmp_path / ".reconciler" / "copies" / "1.sqlite")
    assert kept(tmp_path) == {2: "", 1: "it is damaged: it is not the file that was sealed"}
    with pytest.raises(StateError, match=r"^1\.sqlite: it is damaged: it is not the file that was sealed$"):
        custody(tmp_path).restore(1)
    (tmp_path / ".reconciler" / "copies" / "1.seal").unlink()
    (tmp_path / ".reconciler" / "copies" / "1.sqlite").write_bytes(b"nothing")
    with pytest.raises(StateError):
        custody(tmp_path).restore(1)
    assert people(tmp_path) == 8, "and nothing was touched"


def test_what_was_pulled_can_be_pushed(tmp_path: Path) -> None:
    a_run(tmp_path, 1, people=4)
    custody(tmp_path).pull(tmp_path / "backup")
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert custody(tmp_path).push(tmp_path / "backup", force=False) is not None
    assert (people(tmp_path), serial(tmp_path), lists_behind(tmp_path)) == (4, 1, [True])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert custody(elsewhere).push(tmp_path / "backup", force=False) is None
    assert (people(elsewhere), serial(elsewhere), lists_behind(elsewhere)) == (4, 1, [True])


def test_a_pull_beside_a_run_is_of_one_moment(tmp_path: Path) -> None:
    ledger = a_run(tmp_path, 1, people=4, close=False)
    custody(tmp_path).pull(tmp_path / "backup")
    ledger.close()
    assert copies.sound(tmp_path / "backup", KEY) == 4
    with pytest.raises(StateError, match="there is no state yet"):
        custody(tmp_path / "backup-of-nothing").pull(tmp_path / "other")


def test_what_may_not_follow_is_refused_each_with_its_sentence_and_forced_in(tmp_path: Path) -> None:
    here, other = tmp_path / "here", tmp_path / "other"
    for folder in (here, other):
        folder.mkdir()
        a_run(folder, 1)
    custody(here).pull(tmp_path / "older")
    custody(other).pull(tmp_path / "foreign")
    a_run(here, 2, people=9)
    with pytest.raises(StateError, match=r"^older: it is older \(serial 1, and here is 2\), so what was sent since"):
        custody(here).push(tmp_path / "older", force=False)
    with pytest.raises(StateError, match=r"^foreign: it is of another lineage \(.+\), so it never was the state of"):
        custody(here).push(tmp_path / "foreign", force=False)
    assert (people(here), lists_behind(here)) == (9, [False])
    custody(here).push(tmp_path / "older", force=True)
    assert (people(here), serial(here), lists_behind(here)) == (3, 3, [True])
    custody(here).push(tmp_path / "foreign", force=True)
    assert serial(here) == 4
    spoil(here / ".reconciler" / "state.sqlite")
    (here / ".reconciler" / "state.sqlite").write_bytes(b"nothing")
    with pytest.raises(StateError, match="whether it may follow what is here is not known"):
        custody(here).push(tmp_path / "older", force=False)
    custody(here).push(tmp_path / "older", force=True)
    assert people(here) == 3


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("spoiling", "line"),
    [
        (lambda path: path.write_bytes(b"nothing" * 999), "not a ledger of reconciler"),
        (lambda path: path.write_bytes(path.read_bytes()[:9000]), "damaged"),
        (altered("PRAGMA user_version = 7"), "written by a newer version"),
        (altered("CREATE TRIGGER t AFTER UPDATE ON lists BEGIN DELETE FROM claims; END"), "its tables are not those"),
        (altered("CREATE VIEW v AS SELECT * FROM claims"), "its tables are not those"),
        (altered("UPDATE ledger SET key_print = x'00'"), "made with another state key"),
        (lambda path: path.unlink(), "cannot be opened"),
    ],
)
def test_what_is_no_sound_ledger_of_ours_is_never_taken_in(
    tmp_path: Path, spoiling: Callable[[Path], object], line: str, *, force: bool
) -> None:
    a_run(tmp_path, 1)
    custody(tmp_path).pull(tmp_path / "backup")
    seal.place(tmp_path / "backup").write_text("")
    spoiling(tmp_path / "backup")
    with pytest.raises(StateError, match=line) as refused:
        custody(tmp_path).push(tmp_path / "backup", force=force)
    assert str(refused.value).startswith("backup: ")
    assert str(refused.value).isprintable()
    assert (people(tmp_path), lists_behind(tmp_path)) == (3, [False])


def test_without_the_key_nothing_is_looked_at(tmp_path: Path) -> None:
    a_run(tmp_path, 1)
    with pytest.raises(SecretMissing, match=r"restore \.reconciler/key or set RECONCILER_STATE_KEY"):
        custody(tmp_path, None)
    assert custody(tmp_path, bytes(32)).check().faults == (
        "made with another state key; check RECONCILER_STATE_KEY, which wins over .reconciler/key",
    )
