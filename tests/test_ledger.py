"""The ledger keeps what it was told: one moment for each reader, a past that is bounded, and one writer."""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.core.errors import StateError, StateLocked
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.core.record import ExportRun, Intent, RecordedExport, Reject, Run, RunStatus
from reconciler.state import history
from reconciler.state.ledger import SqliteLedger
from reconciler.state.place import open_ledger, open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.core.ports import Ledger

KEY = bytes(range(32))
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
PEOPLE = [hashlib.blake2b(bytes([n]), digest_size=16).digest() for n in range(6)]


def a_run(run_id: str, **changes: object) -> Run:
    run = Run(id=run_id, started=NOON, ended=None, trigger="demand", status=RunStatus.RUNNING, checksum="c0ffee")
    return replace(run, **changes)  # type: ignore[arg-type]  # any field


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path, KEY)
    yield opened
    opened.close()


def test_a_stream_of_claims_sees_one_moment_while_more_is_committed(ledger: Ledger) -> None:
    ledger.save_export("c", RecordedExport(1, "e", 0))
    ledger.commit("c", Acknowledged(claims=[ClaimWrite(1, key, key, (1,)) for key in PEOPLE]))
    seen = []
    for claim in ledger.claims("c"):
        seen.append(claim.key)
        gone = [ClaimWrite(1, key, None) for key in PEOPLE]
        ledger.commit("c", Acknowledged(claims=gone, contacts={claim.key: "person_1"}))
        assert ledger.contact_ids("c", [claim.key]) == {claim.key: "person_1"}
    assert seen == sorted(PEOPLE)
    assert list(ledger.claims("c")) == []


def test_a_reader_sees_one_moment_while_more_is_committed(tmp_path: Path, ledger: Ledger) -> None:
    ledger.save_export("c", RecordedExport(1, "e", 0))
    reader = open_reader(tmp_path, KEY)
    ledger.commit("c", Acknowledged(claims=[ClaimWrite(1, key, key, (1,)) for key in PEOPLE]))
    ledger.save_export("d", RecordedExport(1, "e", 0))
    assert reader.connections() == ("c",)
    assert list(reader.claims("c")) == []
    assert reader.exports("c")[0].people == 0
    reader.close()
    later = open_reader(tmp_path, KEY)
    assert [claim.key for claim in later.claims("c")] == sorted(PEOPLE)
    later.close()


def test_lineage_is_given_at_birth_and_stays(tmp_path: Path) -> None:
    first = open_ledger(tmp_path, KEY, lineage=lambda: "born")
    first.close()
    second = open_ledger(tmp_path, KEY, lineage=lambda: "born again")
    identity = second.identity()
    second.close()
    assert identity is not None
    assert (identity.lineage, identity.serial, identity.format) == ("born", 0, 2)


def test_history_tells_how_runs_ended_the_newest_first(tmp_path: Path, ledger: Ledger) -> None:
    done = ExportRun(
        "gold",
        "c",
        RunStatus.SUCCESSFUL,
        "update",
        1,
        2,
        3,
        4,
        5,
        6,
        {"no_email": 7},
        ("because", "ü"),
        ("removals (two shops closed): 3 people",),
        snapshot="data/people (version 12)",
    )
    later = NOON + dt.timedelta(minutes=1)
    ledger.start(a_run("run-a"))
    ledger.finish("run-a", ended=later, status=RunStatus.SUCCESSFUL, requests=9, exports=[done])
    begun = ExportRun("silver", "c", RunStatus.RUNNING, "create")
    ledger.start(a_run("run-b", exports=(begun,)))
    assert ledger.runs() == (
        a_run("run-b", exports=(begun,)),
        a_run("run-a", ended=later, status=RunStatus.SUCCESSFUL, requests=9, exports=(done,)),
    )
    assert [run.id for run in ledger.runs("gold")] == ["run-a"]
    assert [run.id for run in ledger.runs(limit=1)] == ["run-b"]
    ledger.close()
    reader = open_reader(tmp_path, KEY)
    cut, _ = reader.run("run-b")
    reader.close()
    assert (cut.status, cut.exports[0].status, cut.ended) == (RunStatus.INTERRUPTED, RunStatus.INTERRUPTED, None)


def test_a_run_that_was_cut_off_stays_so_when_the_next_one_begins(tmp_path: Path) -> None:
    for run_id in ("run-a", "run-b"):
        ledger = open_ledger(tmp_path, KEY)
        ledger.start(a_run(run_id))
        ledger.close()
    ledger = open_ledger(tmp_path, KEY)
    ledger.start(a_run("run-c"))
    statuses = [run.status for run in ledger.runs()]
    ledger.close()
    assert statuses == [RunStatus.RUNNING, RunStatus.INTERRUPTED, RunStatus.INTERRUPTED]


def test_a_run_is_found_by_the_beginning_of_its_id(ledger: Ledger) -> None:
    for run_id in ("ab", "abc", "abd", "b%"):
        ledger.start(a_run(run_id))
    assert ledger.run("abc")[0].id == "abc"
    assert ledger.run("ab")[0].id == "ab", "a whole id is not ambiguous"
    assert ledger.run("b")[0].id == "b%"
    with pytest.raises(StateError, match="several runs begin with 'a'"):
        ledger.run("a")
    with pytest.raises(StateError, match=r"no run '%' is recorded"):
        ledger.run("%")
    with pytest.raises(StateError, match="no run 'zz' is recorded"):
        ledger.finish("zz", ended=NOON, status=RunStatus.FAILED, requests=0, exports=())


def test_rejects_belong_to_their_run(ledger: Ledger) -> None:
    first, again, other = (Reject("c", "gold", PEOPLE[n], reason) for n, reason in ((0, "a"), (0, "b"), (1, "c")))
    with pytest.raises(StateError, match="belong to a run"):
        ledger.commit("c", Acknowledged(rejects=[first]))
    ledger.start(a_run("run-a"))
    ledger.commit("c", Acknowledged(rejects=[first, again]))
    ledger.start(a_run("run-b"))
    ledger.commit("c", Acknowledged(rejects=[other]))
    assert ledger.run("run-a")[1] == (again,)
    assert ledger.run("run-b")[1] == (other,)


def test_the_past_is_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "RUNS_KEPT", 5)
    monkeypatch.setattr(history, "REJECTS_KEPT", 2)
    for number in range(8):
        ledger.start(a_run(f"run-{number}"))
        ledger.commit("c", Acknowledged(rejects=[Reject("c", "gold", PEOPLE[0], "no")]))
    assert [run.id for run in ledger.runs()] == ["run-7", "run-6", "run-5", "run-4", "run-3"]
    assert [len(ledger.run(f"run-{number}")[1]) for number in (7, 6, 5, 3)] == [1, 1, 0, 0]


def test_the_past_follows_a_rename(ledger: Ledger) -> None:
    ledger.save_export("c", RecordedExport(1, "gold", 0))
    ledger.start(a_run("run-a", exports=(ExportRun("gold", "c", RunStatus.RUNNING, "create"),)))
    ledger.commit("c", Acknowledged(rejects=[Reject("c", "gold", PEOPLE[0], "no")]))
    ledger.rename_export("c", "gold", "silver")
    ledger.rename_connection("c", "d")
    run, rejects = ledger.run("run-a")
    assert [(export.export, export.connection) for export in run.exports] == [("silver", "d")]
    assert rejects == (Reject("d", "silver", PEOPLE[0], "no"),)
    assert ledger.runs("gold") == ()


def test_a_late_writer_is_refused(tmp_path: Path, ledger: Ledger) -> None:
    ledger.start(a_run("run-a"))
    successor = open_ledger(tmp_path, KEY)
    successor.start(a_run("run-b"))
    with pytest.raises(StateLocked, match="another run has taken over"):
        ledger.save_export("c", RecordedExport(1, "e", 0))
    assert successor.connections() == ()
    successor.save_export("c", RecordedExport(1, "e", 0))
    successor.close()


def test_many_contact_ids_are_found_at_once(ledger: Ledger) -> None:
    keys = [number.to_bytes(16) for number in range(1203)]
    ledger.commit("c", Acknowledged(contacts={key: f"person_{key.hex()}" for key in keys[::2]}))
    assert ledger.contact_ids("c", iter(keys)) == {key: f"person_{key.hex()}" for key in keys[::2]}
    assert ledger.contact_ids("another", keys) == {}
    assert ledger.bulk_lists("another") is None


def test_no_address_no_key_and_no_forgotten_contact_is_in_the_files(tmp_path: Path) -> None:
    address = b"somebody@example.com"
    key = hashlib.blake2b(address, key=KEY, digest_size=16).digest()
    ledger = open_ledger(tmp_path, KEY)
    ledger.save_export("c", RecordedExport(1, "e", 0))
    ledger.commit(
        "c",
        Acknowledged(
            claims=[ClaimWrite(1, key, key, (1,))], contacts={key: "person_gone"}, intents=[Intent(1, 1, 1, 1, (key,))]
        ),
    )
    contents = b"".join(file.read_bytes() for file in (tmp_path / ".reconciler").rglob("*") if file.is_file())
    assert b"person_gone" in contents
    assert key in contents
    for secret in (address, KEY, KEY.hex().encode()):
        assert secret not in contents
    ledger.commit("c", Acknowledged(claims=[ClaimWrite(1, key, None)], contacts={key: None}, settled=[(1, 1)]))
    ledger.close()
    left = b"".join(file.read_bytes() for file in (tmp_path / ".reconciler").rglob("*") if file.is_file())
    assert b"person_gone" not in left
    assert key not in left


def test_a_rename_onto_what_is_recorded_is_refused(ledger: Ledger) -> None:
    ledger.save_export("c", RecordedExport(1, "gold", 0))
    ledger.save_export("c", RecordedExport(2, "silver", 0))
    ledger.save_export("d", RecordedExport(1, "gold", 0))
    with pytest.raises(StateError, match="connection c cannot become d: exports are recorded under both names"):
        ledger.rename_connection("c", "d")
    with pytest.raises(StateError, match="export gold cannot become silver: both are recorded in connection c"):
        ledger.rename_export("c", "gold", "silver")
    ledger.rename_connection("c", "c")
    ledger.rename_export("c", "gold", "gold")
    ledger.rename_connection("unheard-of", "d")
    assert [export.name for export in ledger.exports("c")] == ["gold", "silver"]
    assert [export.name for export in ledger.exports("d")] == ["gold"]


def test_a_claim_needs_its_export_and_an_empty_batch_records_nothing(ledger: Ledger) -> None:
    ledger.commit("c", Acknowledged())
    with pytest.raises(
        StateError, match=r"contradicts what is; nothing of it was recorded \(SQLITE_CONSTRAINT_FOREIGNKEY\)"
    ):
        ledger.commit(
            "c", Acknowledged(claims=[ClaimWrite(1, PEOPLE[0], PEOPLE[0])], intents=[Intent(1, 1, 1, 1, (PEOPLE[1],))])
        )
    assert ledger.doubtful("c") == ()


def test_a_writer_without_the_lock_that_is_in_the_way_is_told_apart_from_a_fault(
    ledger: Ledger, tmp_path: Path
) -> None:
    assert isinstance(ledger, SqliteLedger)
    ledger._db.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(tmp_path / ".reconciler" / "state.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateLocked, match="another process is writing to it"):
            ledger.save_bulk_lists("c", works=True)
    ledger.save_bulk_lists("c", works=True)
    assert ledger.bulk_lists("c") is True


def test_a_closed_ledger_is_closed(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, KEY)
    ledger.close()
    ledger.close()
    with pytest.raises(sqlite3.ProgrammingError):
        ledger.connections()
