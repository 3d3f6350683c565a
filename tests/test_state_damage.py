"""Whatever byte of the state is another one, it opens right or is refused with one line."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.clock import SystemClock
from reconciler.core.errors import StateError
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.core.record import ExportRun, Intent, RecordedExport, RecordedList, Reject, Run, RunStatus
from reconciler.report import custody as report
from reconciler.state.custody import Custody
from reconciler.state.files import Files
from reconciler.state.place import open_ledger, open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.core.ports import LedgerReader

KEY = bytes(range(32))
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
PEOPLE = [bytes([n, 255 - n]) * 8 for n in range(40)]


class Bytes(dict[str, bytes]):
    """Files by name; hypothesis shows it where a test fails, and it is long."""

    def __repr__(self) -> str:
        return ", ".join(self)


Damage = list[tuple[int, int]]
"""Places, wrapped at the end of the file, and what a byte there is changed by."""

damages = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def sound() -> Iterator[Bytes]:
    """The files of a small state in which every table has rows."""
    with tempfile.TemporaryDirectory() as name:
        ledger = open_ledger(Path(name), KEY)
        export = ExportRun("e", "c", RunStatus.SUCCESSFUL, "create", 1, excluded={"no_email": 2}, reasons=("because",))
        ledger.start(Run("run-1", NOON, None, "demand", RunStatus.RUNNING, "c0ffee", exports=(export,)))
        ledger.save_list("c", RecordedList(1, "news", "contactlist_1", made=True))
        ledger.save_export("c", RecordedExport(1, "e", 0, segments={"s": ("news", 1)}))
        ledger.save_foreign("c", 1, PEOPLE[30:])
        ledger.commit(
            "c",
            Acknowledged(
                claims=[ClaimWrite(1, key, key, (1,)) for key in PEOPLE[:20]],
                contacts={key: f"person_{key.hex()}" for key in PEOPLE[:20]},
                intents=[Intent(1, 1, 1, 1, tuple(PEOPLE[20:23]))],
                rejects=[Reject("c", "e", PEOPLE[25], "no")],
            ),
        )
        ledger.finish("run-1", ended=NOON, status=RunStatus.SUCCESSFUL, requests=3, exports=(export,))
        ledger.close()
        files = Files(Path(name))
        yield Bytes({file.name: file.read_bytes() for file in (files.database, files.home / "state.seal")})


def everything(reader: LedgerReader) -> tuple[object, ...]:
    """Read all that can be read."""
    return (
        reader.identity(),
        [
            (
                name,
                reader.exports(name),
                reader.lists(name),
                list(reader.claims(name)),
                reader.contact_ids(name, PEOPLE),
                reader.bulk_lists(name),
                reader.foreign(name),
                reader.doubtful(name),
            )
            for name in reader.connections()
        ],
        [reader.run(run.id) for run in reader.runs()],
    )


def placed(folder: Path, files: dict[str, bytes]) -> None:
    home = folder / ".reconciler"
    home.mkdir()
    for name, content in files.items():
        (home / name).write_bytes(content)
        (home / name).chmod(0o600)


def changed(content: bytes, damage: Damage) -> bytes:
    other = bytearray(content)
    for place, by in damage:
        other[place % len(other)] ^= by
    return bytes(other)


def opened(folder: Path, *, write: bool) -> tuple[object, ...] | StateError:
    """Open and read everything; give it, or the one line of the refusal."""
    try:
        reader = open_ledger(folder, KEY) if write else open_reader(folder, KEY)
        try:
            return everything(reader)
        finally:
            reader.close()
    except StateError as error:
        check_line(error, folder)
        return error


def check_line(error: StateError, folder: Path) -> None:
    assert str(error).isprintable()
    assert str(folder) not in str(error)


@settings(max_examples=150)
@example(damage=[(0, 1)], write=True)
@example(damage=[(18, 3)], write=False)
@given(damage=damages, write=st.booleans())
def test_a_state_that_was_damaged_at_rest_is_refused(sound: Bytes, damage: Damage, *, write: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spoilt = changed(sound["state.sqlite"], damage)
        placed(folder, sound | {"state.sqlite": spoilt})
        found = opened(folder, write=write)
        if spoilt != sound["state.sqlite"]:
            assert isinstance(found, StateError)
            assert (folder / ".reconciler/state.sqlite").read_bytes() == spoilt


@settings(max_examples=150)
@example(damage=[(69452, 128)], write=False)
@given(damage=damages, write=st.booleans())
def test_a_state_without_its_seal_opens_or_is_refused_and_never_ends_in_a_traceback(
    sound: Bytes, damage: Damage, *, write: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        placed(Path(name), {"state.sqlite": changed(sound["state.sqlite"], damage)})
        opened(Path(name), write=write)
        health = Custody(Path(name), KEY, SystemClock()).check()
        assert json.loads(report.check_json(health))["sound"] is not health.faults
        assert all(line.isprintable() for line in report.check_text(health).splitlines())


@settings(max_examples=40)
@given(seal=st.binary(max_size=100), write=st.booleans())
def test_a_seal_that_is_none_is_no_trouble(sound: Bytes, seal: bytes, *, write: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        placed(Path(name), sound | {"state.seal": seal})
        assert not isinstance(opened(Path(name), write=write), StateError)


@settings(max_examples=60)
@given(damage=damages)
def test_a_ledger_that_somebody_offers_is_taken_in_sound_or_not_at_all(sound: Bytes, damage: Damage) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        placed(folder, sound)
        (folder / "offered").write_bytes(changed(sound["state.sqlite"], damage))
        try:
            Custody(folder, KEY, SystemClock()).push(folder / "offered", force=True)
        except StateError as error:
            check_line(error, folder)
        assert Custody(folder, KEY, SystemClock()).check().faults == ()
