"""A ledger with anything in it: what was recorded, or one line, whoever opens it; a sealed one that differs is refused.

An input is text. Its first line says `sealed`, or anything else for a ledger whose writer was killed. Of the lines
after it `@120 ff00` writes bytes at a place in the file, `<4096` cuts it, and `claims.slots "1 x"` writes a value.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from fuzz.sentences import told

from reconciler.clock import SystemClock
from reconciler.core.digest import SIZE
from reconciler.core.errors import StateError
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.core.record import ExportRun, Intent, RecordedExport, RecordedList, Reject, Run, RunStatus
from reconciler.report.custody import check_json, check_text
from reconciler.state.custody import Custody
from reconciler.state.files import Files
from reconciler.state.place import open_ledger, open_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler.core.ports import LedgerReader

KEY = bytes(range(32))
ANN, BOB = b"a" * SIZE, b"b" * SIZE
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
FLIP = re.compile(r"@(\d{1,7}) ((?:[0-9a-f]{2}){1,64})")
CUT = re.compile(r"<(\d{1,7})")
VALUE = re.compile(r"([a-z_]{1,20})\.([a-z_]{1,20}) (.*)")


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Give the target; `folder` is its own."""
    sound = folder / "sound"
    sound.mkdir()
    recorded(sound)
    good = everything(open_reader(sound, KEY))
    here = folder / "here"

    def one(data: bytes) -> None:
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(sound, here)
        lines = data.decode("ascii", "replace").split("\n")
        sealed = lines[0] == "sealed"
        changed = spoiled(Files(here), lines[1:])
        if not sealed:
            Files(here).database.with_suffix(".seal").unlink()
        read(here, good, changed=changed, sealed=sealed)
        looked_after(here)
        written(here)

    yield one


def recorded(folder: Path) -> None:
    """Record something in every table."""
    ledger = open_ledger(folder, KEY, lineage=lambda: "lineage")
    ledger.save_export("account", RecordedExport(1, "news", 0, protected=True, segments={"all": ("All", 1)}))
    ledger.save_export("account", RecordedExport(2, "offers", 0, segments={"odd": ("Odd", 2)}))
    ledger.save_list("account", RecordedList(1, "All", "contactlist_1", made=True))
    ledger.save_list("account", RecordedList(2, "Odd", "contactlist_2", made=False, behind=True))
    ledger.save_foreign("account", 1, [BOB])
    ledger.save_bulk_lists("account", works=True)
    ledger.suppress(b"c" * SIZE, ["account"])
    run = Run("20260301-aaaa", NOON, None, "demand", RunStatus.RUNNING, "0" * 64, seal="5ea1")
    ledger.start(run)
    ledger.commit(
        "account",
        Acknowledged(
            claims=[ClaimWrite(1, ANN, ANN, (1, 2)), ClaimWrite(2, ANN, BOB, (2,)), ClaimWrite(1, BOB, ANN, (1,))],
            contacts={ANN: "person_1", BOB: "person_2"},
            intents=[Intent(1, 7, 1, 1, (ANN, BOB))],
            rejects=[Reject("account", "news", BOB, "left out of the answer")],
        ),
    )
    done = ExportRun("news", "account", RunStatus.FAILED, "update", 1, 1, excluded={"no_email": 1}, reasons=("why",))
    ledger.finish(run.id, ended=NOON, status=RunStatus.FAILED, requests=2, exports=[done])
    ledger.close()


def everything(ledger: LedgerReader) -> tuple[object, ...]:
    """Read all that there is. Raises StateError."""
    with closing(ledger):
        names = ("account", *ledger.connections())
        return (
            ledger.identity(),
            *(
                (ledger.exports(c), ledger.lists(c), tuple(ledger.claims(c)), ledger.contact_ids(c, [ANN, BOB]))
                for c in names
            ),
            *((ledger.bulk_lists(c), ledger.foreign(c), ledger.doubtful(c), ledger.rejected(c)) for c in names),
            ledger.suppressed(),
            ledger.erasures(),
            ledger.runs(),
            ledger.runs("news"),
            ledger.run("2026"),
            ledger.used_by("5ea1"),
        )


def spoiled(files: Files, lines: list[str]) -> bool:
    """Do to the ledger what the lines say; tell whether its file is another."""
    before = files.database.read_bytes()
    for line in lines[:50]:
        if found := FLIP.fullmatch(line):
            flip(files.database, int(found[1]), bytes.fromhex(found[2]))
        elif found := CUT.fullmatch(line):
            os.truncate(files.database, int(found[1]) % (len(before) + 1))
        elif found := VALUE.fullmatch(line):
            alter(files.database, found[1], found[2], found[3])
    return files.database.read_bytes() != before


def flip(database: Path, place: int, new: bytes) -> None:
    """Write bytes somewhere in the file."""
    with database.open("r+b") as file:
        file.seek(place % (database.stat().st_size + 1))
        file.write(new)


def alter(database: Path, table: str, column: str, told_as: str) -> None:
    """Write a value where SQLite lets it stand; "x:…" is a blob in hexadecimal."""
    with suppress(ValueError, OverflowError, RecursionError, sqlite3.Error), closing(sqlite3.connect(database)) as db:
        value = json.loads(told_as)
        value = bytes.fromhex(value[2:]) if isinstance(value, str) and value.startswith("x:") else value
        if isinstance(value, str | int | float | bytes | None):
            db.execute("PRAGMA ignore_check_constraints = ON")
            db.execute(f"UPDATE {table} SET {column} = ?", (value,))
            db.commit()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def read(folder: Path, good: tuple[object, ...], *, changed: bool, sealed: bool) -> None:
    """Read it as `plan` does."""
    try:
        found = everything(open_reader(folder, KEY))
    except StateError as error:
        told(error, str(folder))
        assert changed, "a ledger that nobody touched is refused"
        return
    assert changed or found == good, "what was recorded reads otherwise"
    assert not (changed and sealed), "a sealed ledger is another, and is read"


def looked_after(folder: Path) -> None:
    """Look at it as `state check` does."""
    try:
        health = Custody(folder, KEY, SystemClock()).check()
    except StateError as error:
        told(error, str(folder))
    else:
        assert all(line.isprintable() for line in check_text(health).split("\n")), (
            "the report holds what a terminal obeys"
        )
        json.loads(check_json(health))


def written(folder: Path) -> None:
    """Write it as `apply` does."""
    try:
        with closing(open_ledger(folder, KEY)) as ledger:
            ledger.save_export("account", RecordedExport(1, "news", 0))
            ledger.start(Run("later", NOON, None, "demand", RunStatus.RUNNING, "0" * 64))
            ledger.commit("account", Acknowledged(claims=[ClaimWrite(1, ANN, BOB, (1,))], settled=[(1, 7)]))
            ledger.finish("later", ended=NOON, status=RunStatus.SUCCESSFUL, requests=1, exports=[])
    except StateError as error:
        told(error, str(folder))
