"""What a second process finds: while a writer is at work, and after it was killed."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.core.record import RunStatus
from reconciler.state.place import open_ledger, open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = bytes(range(32))
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ROOT = Path(__file__).resolve().parents[1]

WRITER = """
import datetime as dt, hashlib, sys
from itertools import count
from pathlib import Path
from reconciler.core.record import Intent, RecordedExport, Run, RunStatus
from reconciler.core.ports import Acknowledged, ClaimWrite
from reconciler.clock import SystemClock
from reconciler.state.lock import acquire
from reconciler.state.place import open_ledger

folder, wanted = Path(sys.argv[1]), int(sys.argv[2])
now = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)

def batch(number):
    return [hashlib.blake2b(f"{number}/{one}".encode(), digest_size=16).digest() for one in range(20)]

with acquire(folder, who="the writer", clock=SystemClock(), wait=0):
    ledger = open_ledger(folder, bytes(range(32)))
    ledger.start(Run("run-a", now, None, "demand", RunStatus.RUNNING, "c0ffee"))
    ledger.save_export("c", RecordedExport(1, "e", 0))
    for number in count() if wanted < 0 else range(wanted):
        keys = batch(number)
        claims = [ClaimWrite(1, key, key, (1,)) for key in keys]
        contacts = {key: key.hex() for key in keys}
        intents = [Intent(1, number + 1, 1, 1, tuple(batch(number + 1)))]
        ledger.commit("c", Acknowledged(claims, contacts, intents=intents, settled=[(1, number)]))
        print(number, flush=True)
    print("ready", flush=True)
    sys.stdin.readline()
    ledger.close()
"""


def batch(number: int) -> set[bytes]:
    return {hashlib.blake2b(f"{number}/{one}".encode(), digest_size=16).digest() for one in range(20)}


@contextmanager
def writer(folder: Path, batches: int) -> Iterator[subprocess.Popen[str]]:
    """Start a process that records so many batches (below 0: for ever), each named on stdout once it is recorded."""
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITER, str(folder), str(batches)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environ) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str], until: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == until:
            return
    pytest.fail(f"the writer never said {until}")


def world(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything that can be seen of the state's folder, modification times included."""
    return {
        file.name: (file.stat().st_mode, file.stat().st_mtime_ns, file.read_bytes())
        for file in (folder / ".reconciler").iterdir()
    }


def read_all(folder: Path) -> tuple[set[bytes], set[bytes], list[RunStatus]]:
    reader = open_reader(folder, KEY)
    held_now = {claim.key for claim in reader.claims("c")}
    assert len(reader.contact_ids("c", held_now)) == len(held_now)
    assert sum(export.people for export in reader.exports("c")) == len(held_now)
    found = (
        held_now,
        {key for intent in reader.doubtful("c") for key in intent.keys},
        [run.status for run in reader.runs()],
    )
    reader.close()
    return found


@pytest.mark.parametrize("last", [0, 1, 7, 40, 150])
def test_a_writer_killed_among_commits_loses_no_acknowledged_batch(tmp_path: Path, last: int) -> None:
    with writer(tmp_path, -1) as process:
        told(process, str(last))
        process.send_signal(signal.SIGKILL)
        assert process.stdout is not None
        acknowledged = last + len(process.stdout.read().splitlines())
    before = world(tmp_path)
    assert before["state.sqlite-wal"][2], "what was committed last is still in the -wal"
    claims, doubtful, statuses = read_all(tmp_path)
    assert world(tmp_path) == before, "a reader leaves everything as it was"
    done = len(claims) // 20
    assert done in {acknowledged + 1, acknowledged + 2}, "the one commit in flight may have made it"
    assert claims == set().union(*map(batch, range(done)))
    assert doubtful == batch(done), "the next batch may have been sent, and nobody was told"
    assert statuses == [RunStatus.INTERRUPTED]
    open_ledger(tmp_path, KEY).close()
    assert read_all(tmp_path) == (claims, doubtful, statuses)


def test_a_reader_beside_a_writer_at_work_changes_nothing(tmp_path: Path) -> None:
    with writer(tmp_path, 3) as process:
        told(process, "ready")
        before = world(tmp_path)
        claims, doubtful, statuses = read_all(tmp_path)
        assert world(tmp_path) == before
        assert claims == batch(0) | batch(1) | batch(2)
        assert doubtful == batch(3)
        assert statuses == [RunStatus.RUNNING]


def test_a_reader_after_a_writer_left_changes_nothing(tmp_path: Path) -> None:
    with writer(tmp_path, 3) as process:
        told(process, "ready")
        process.communicate("go\n")
        assert process.returncode == 0
    before = world(tmp_path)
    claims, _, statuses = read_all(tmp_path)
    assert world(tmp_path) == before
    assert claims == batch(0) | batch(1) | batch(2)
    assert statuses == [RunStatus.INTERRUPTED]
