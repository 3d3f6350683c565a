"""A cluster that fails while an apply reads it: one line, who is on the list stays, and what can be read goes on."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.cluster import missing, standalone
from support.spark_front import people, working
from support.spark_world import ALL, SLOW, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.cluster import Cluster
    from support.spark_world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def reads(tmp_path: Path, cluster: Cluster) -> Iterator[World]:
    with world(tmp_path, cluster.connect) as made:
        yield made


def test_a_token_that_expires_half_way_or_is_refused_removes_nobody(reads: World) -> None:
    reads.declare({"all": ALL}, {"news": ["all"]})
    code, said = reads.apply()
    assert code == 0, said
    assert len(reads.held()) == 30
    before = reads.held()
    reads.people(10)
    code, said = reads.apply_while(people, lambda: setattr(reads.front, "token", "the one of the next hour"))
    assert code == 3, said
    assert "the cluster does not take the token (UNAUTHENTICATED)" in said
    code, said = reads.apply()
    assert code == 3, said
    assert "the cluster does not take the token (UNAUTHENTICATED)" in said
    assert reads.held() == before


def test_ctrl_c_while_the_cluster_works_ends_it_there_and_pushes_nobody(reads: World, cluster: Cluster) -> None:
    reads.people(300_000)
    reads.declare({"all": f"n < 30 OR {SLOW}"}, {"news": ["all"]})
    process = reads.started("apply", "--yes")
    reads.front.half_way = working, lambda: process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert said.splitlines() == ["interrupted"]
    assert ended(cluster)["status"] == "FAILED"  # and not SUCCEEDED, some time after
    assert not reads.held()


def test_a_segment_that_a_value_breaks_is_named_among_others_and_their_exports_go_on(reads: World) -> None:
    segments = {"all": ALL, "some": "n < 20", "broken": "CAST(email AS INTEGER) = 3"}
    reads.declare(segments, {"news": ["all", "broken", "some"], "others": ["some"]})
    code, said = reads.apply()
    assert code == 3, said
    assert "news blocked: segment broken: " in said
    assert "TRY_CAST or CASE leaves such profiles out" in said
    assert (len(reads.held("some")), len(reads.held())) == (20, 0)


def test_a_column_that_vanishes_removes_nobody(reads: World) -> None:
    reads.declare({"all": ALL}, {"news": ["all"]})
    code, said = reads.apply()
    assert code == 0, said
    before = reads.held()
    reads.people(10, email="e_mail")
    code, said = reads.apply()
    assert code == 3, said
    assert "there is no column 'email' for the match; did you mean e_mail?" in said
    assert reads.held() == before


@pytest.mark.skipif(missing() is not None, reason=f"no Spark can be started: {missing()}")
def test_machines_that_fail_one_after_another_while_the_cluster_works_remove_nobody(tmp_path: Path) -> None:
    with standalone(tmp_path, "spark.sql.files.maxPartitionBytes=1m") as own, world(tmp_path, own.connect) as reads:
        reads.people(80_000)
        reads.declare({"all": f"n < 30 OR {SLOW}"}, {"news": ["all"]})
        code, said = reads.apply()
        assert code == 0, said
        assert len(reads.held()) == 30

        reads.declare({"all": f"n < 20 OR {SLOW}"}, {"news": ["all"]})
        code, said = reads.apply_while(working, own.workers[0].killed)
        assert code == 0, said  # the other worker takes up its part
        assert len(reads.held()) == 20

        reads.declare({"all": f"n < 10 OR {SLOW}"}, {"news": ["all"]}, timeoutSeconds=8)
        code, said = reads.apply_while(working, own.workers[1].killed)
        assert code == 3, said
        assert "the cluster was not done after 8 s (timeoutSeconds); has it workers that are free?" in said
        assert len(reads.held()) == 20

        code, said = reads.apply_while(lambda told: told.HasField("execution_progress"), own.server.killed)
        assert code == 3, said
        assert "the cluster went away before the query was done (UNAVAILABLE); run again" in said
        assert len(reads.held()) == 20


def ended(cluster: Cluster) -> dict[str, Any]:
    """Wait until the cluster is at rest, and give its last job."""
    while (job := cluster.jobs()[0])["status"] == "RUNNING":
        time.sleep(0.05)
    return job
