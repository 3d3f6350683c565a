"""A ledger that cannot be used as it is gets one clear line, and is left as it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from reconciler.clock import SystemClock
from reconciler.core.errors import SecretMissing, StateError
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.core.record import RecordedExport
from reconciler.state import schema
from reconciler.state.empty import EmptyReader
from reconciler.state.lock import acquire
from reconciler.state.place import open_ledger, open_reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = bytes(range(32))
PERSON = bytes(16)


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (folder / ".reconciler").iterdir() if file.is_file()}


def tidied(folder: Path) -> Path:
    """Leave the database alone in its folder, as a restored copy would be."""
    home = folder / ".reconciler"
    (home / "state.seal").unlink()
    (home / "state.sqlite-wal").unlink()
    (home / "state.sqlite-shm").unlink()
    return home / "state.sqlite"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A ledger with one person, in its one file."""
    ledger = open_ledger(tmp_path, KEY)
    ledger.save_export("c", RecordedExport(1, "e", 0))
    ledger.commit("c", Acknowledged(claims=[ClaimWrite(1, PERSON, PERSON, (1,))]))
    ledger.close()
    return tidied(tmp_path)


def refused_by_both(folder: Path, key: bytes = KEY) -> str:
    """Give the line with which both the reader and the writer refuse, after both have left every byte alone."""
    before = files(folder)
    lines = []
    for opener in (open_reader, open_ledger):
        with pytest.raises(StateError) as refused:
            opener(folder, key)
        lines.append(str(refused.value))
    assert files(folder) == before
    assert lines[0] == lines[1]
    assert lines[0].isprintable()
    assert str(folder) not in lines[0]
    return lines[0]


def alter(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute(statement)


def random_bytes(database: Path) -> None:
    database.write_bytes(os.urandom(20_000))


def some_text(database: Path) -> None:
    database.write_text("not a database\n" * 500)


def cut_short(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2)


def emptied(database: Path) -> None:
    os.truncate(database, 0)


def a_folder(database: Path) -> None:
    database.unlink()
    database.mkdir()


def a_dangling_link(database: Path) -> None:
    database.unlink()
    database.symlink_to("nowhere")


def of_another_program(database: Path) -> None:
    alter(database, "PRAGMA application_id = 1")


def newer(database: Path) -> None:
    alter(database, "PRAGMA user_version = 3")


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (random_bytes, "it is not a ledger of reconciler"),
        (some_text, "it is not a ledger of reconciler"),
        (cut_short, "it is damaged or cut short"),
        (emptied, "it is not a ledger of reconciler"),
        (a_folder, "it is a folder"),
        (a_dangling_link, "it cannot be opened; it must be a file"),
        (of_another_program, "it is not a ledger of reconciler"),
        (newer, "written by a newer version of reconciler (format 3, this one reads 2); upgrade reconciler"),
    ],
)
def test_what_is_not_a_ledger_is_refused(
    tmp_path: Path, database: Path, spoil: Callable[[Path], None], line: str
) -> None:
    spoil(database)
    assert line in refused_by_both(tmp_path)


def test_another_key_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    open_ledger(tmp_path, KEY).close()
    line = refused_by_both(tmp_path, bytes(32))
    assert line == (
        ".reconciler/state.sqlite: made with another state key; "
        "check RECONCILER_STATE_KEY, which wins over .reconciler/key"
    )


def test_a_ledger_whose_key_is_gone_is_refused(tmp_path: Path, database: Path) -> None:
    assert database.exists()
    with pytest.raises(SecretMissing, match=r"restore \.reconciler/key or set RECONCILER_STATE_KEY"):
        open_reader(tmp_path, None)


def test_a_format_before_the_first_is_refused(tmp_path: Path, database: Path) -> None:
    alter(database, "PRAGMA user_version = 0")
    with pytest.raises(StateError, match=r"older version .*format 0, this one reads 2.*`reconciler apply` upgrades it"):
        open_reader(tmp_path, KEY)
    with pytest.raises(StateError, match="format 0 was never in use"):
        open_ledger(tmp_path, KEY)


def test_an_older_format_is_upgraded_step_by_step(database: Path) -> None:
    steps = {1: ("ALTER TABLE lists ADD COLUMN colour TEXT",), 2: ("UPDATE ledger SET serial = serial + 7",)}
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        schema.upgrade(db, 1, steps=steps, target=3)
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
        assert db.execute("SELECT colour FROM lists").fetchall() == []
        assert schema.generation(db)[0] == 7
        schema.upgrade(db, 3, steps=steps, target=3)
        assert schema.generation(db)[0] == 7


def test_a_ledger_of_the_first_format_goes_on_as_one_of_this(tmp_path: Path, database: Path) -> None:
    alter(database, "DROP TABLE run_snapshots")
    alter(database, "PRAGMA user_version = 1")
    with pytest.raises(StateError, match="`reconciler apply` upgrades it"):
        open_reader(tmp_path, KEY)
    with closing(open_ledger(tmp_path, KEY)) as ledger:
        assert ledger.runs() == ()
    with closing(open_reader(tmp_path, KEY)) as reader:
        assert reader.runs() == ()
    with closing(sqlite3.connect(database)) as db:
        assert schema.shape(db) == schema.proper()


def test_an_upgrade_that_fails_leaves_the_older_format(database: Path) -> None:
    steps = {1: ("UPDATE ledger SET serial = 7",), 2: ("UPDATE nothing SET at = all",)}
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 1")
        with pytest.raises(sqlite3.OperationalError):
            schema.upgrade(db, 1, steps=steps, target=3)
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert schema.generation(db)[0] == 0


def test_a_project_without_state_reads_as_empty_and_stays_so(tmp_path: Path) -> None:
    reader = open_reader(tmp_path, None)
    assert isinstance(reader, EmptyReader)
    assert reader.identity() is None
    assert (reader.connections(), reader.exports("c"), reader.lists("c"), reader.runs()) == ((), (), (), ())
    assert (list(reader.claims("c")), reader.contact_ids("c", [PERSON]), reader.doubtful("c")) == ([], {}, ())
    assert reader.foreign("c") == {}
    assert reader.bulk_lists("c") is None
    with pytest.raises(StateError, match="nothing was ever applied here"):
        reader.run("a")
    reader.close()
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_gone_while_its_wal_is_left_is_not_an_empty_state(tmp_path: Path) -> None:
    open_ledger(tmp_path, KEY).close()
    home = tmp_path / ".reconciler"
    (home / "state.sqlite").unlink()
    (home / "state.sqlite-wal").write_bytes(b"something")
    assert "it is gone, and a part of it is left in .reconciler/state.sqlite-wal" in refused_by_both(tmp_path)


def test_a_database_that_is_gone_is_made_anew(tmp_path: Path) -> None:
    open_ledger(tmp_path, KEY, lineage=lambda: "first").close()
    (tmp_path / ".reconciler" / "state.sqlite").unlink()
    ledger = open_ledger(tmp_path, KEY, lineage=lambda: "second")
    identity = ledger.identity()
    ledger.close()
    assert identity is not None
    assert identity.lineage == "second"


def test_a_copy_without_its_index_is_refused_to_a_reader_and_mended_by_a_writer(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    ledger = open_ledger(tmp_path / "first", KEY)
    ledger.save_export("c", RecordedExport(1, "e", 0))
    home = tmp_path / "copy" / ".reconciler"
    home.mkdir(parents=True)
    for name in ("state.sqlite", "state.sqlite-wal"):
        shutil.copy(tmp_path / "first" / ".reconciler" / name, home)
    ledger.close()
    with pytest.raises(StateError, match=r"state.sqlite-shm is missing; copy all three, or run `reconciler apply`"):
        open_reader(tmp_path / "copy", KEY)
    open_ledger(tmp_path / "copy", KEY).close()
    reader = open_reader(tmp_path / "copy", KEY)
    assert reader.connections() == ("c",)
    reader.close()


def test_a_database_alone_in_its_folder_is_read_and_nothing_is_added(tmp_path: Path, database: Path) -> None:
    before = files(tmp_path)
    reader = open_reader(tmp_path, KEY)
    assert [claim.key for claim in reader.claims("c")] == [PERSON]
    reader.close()
    assert files(tmp_path) == before
    assert database.exists()


def test_a_writer_that_comes_while_a_lone_database_is_read_is_noticed(tmp_path: Path, database: Path) -> None:
    reader = open_reader(tmp_path, KEY)
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("INSERT INTO connections (name) VALUES ('d')")
        with pytest.raises(StateError, match="a run began to write it while it was read; run it again"):
            list(reader.claims("c"))
    reader.close()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".reconciler").write_text("")
    with pytest.raises(StateError, match=r"^\.reconciler: Not a directory$"):
        open_reader(tmp_path, None)
    with pytest.raises(StateError, match=r"^\.reconciler: "):
        acquire(tmp_path, who="me", clock=SystemClock(), wait=0)


def test_text_that_is_none_is_damage(tmp_path: Path, database: Path) -> None:
    alter(database, "UPDATE connections SET name = CAST(x'ff' AS TEXT)")
    reader = open_reader(tmp_path, KEY)
    with pytest.raises(StateError, match="it cannot be read; `reconciler state restore` brings"):
        reader.connections()
    reader.close()
