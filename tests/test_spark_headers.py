"""What a workspace in front of a cluster wants to be told arrives with every call, over TLS, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.dataverse import certificate
from support.spark_world import ALL, TOKEN, World, world

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.cluster import Cluster

FAR = "127.0.0.2"  # is not taken for this machine, so the line to it has TLS
WORKSPACE = {"x-databricks-cluster-id": "0123-456789-abcdefgh", "x-gateway-pass": {"env": "GATEWAY"}}
TOLD = {"x-databricks-cluster-id": "0123-456789-abcdefgh", "x-gateway-pass": "le-mot; de=passe %41"}


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, bytes]:
    """Make a certificate that the client trusts."""
    made = certificate(FAR)
    (tmp_path / "ca.pem").write_bytes(made[0])
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(tmp_path / "ca.pem"))
    return made


@pytest.fixture
def workspace(tmp_path: Path, tls: tuple[bytes, bytes]) -> Iterator[World]:
    """Serve a front that knows no token."""
    with world(tmp_path, None, tls) as made:
        yield declared(made)


def declared(made: World) -> World:
    made.project.environ["GATEWAY"] = TOLD["x-gateway-pass"]
    made.declare({"all": ALL}, {"news": ["all"]}, headers=WORKSPACE)
    return made


def told(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in {*TOLD, "authorization"}}


def test_a_refused_token_is_one_line_and_headers_arrived(workspace: World) -> None:
    code, said = workspace.apply()
    assert code == 3, said
    assert f"{workspace.url}: the cluster does not take the token (UNAUTHENTICATED)" in said
    assert workspace.front.seen
    assert all(told(seen) == {**TOLD, "authorization": f"Bearer {TOKEN}"} for seen in workspace.front.seen)


def test_a_secret_of_a_header_that_is_missing_blocks_and_sends_nothing(workspace: World) -> None:
    del workspace.project.environ["GATEWAY"]
    code, said = workspace.apply()
    assert code == 3, said
    assert "GATEWAY" in said
    assert not workspace.front.seen


def test_nobody_is_told_anything_without_a_certificate_that_is_trusted(
    workspace: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
    code, said = workspace.apply()
    assert code == 3, said
    assert "Spark Connect does not answer (UNAVAILABLE); is it running, and with TLS?" in said
    assert not workspace.front.seen


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_people_come_through_a_workspace(tmp_path: Path, cluster: Cluster, tls: tuple[bytes, bytes]) -> None:
    with world(tmp_path, cluster.connect, tls) as made:
        code, said = declared(made).apply()
        assert code == 0, said
        assert len(made.held()) == 30
        assert all(told(seen) == {**TOLD, "authorization": f"Bearer {TOKEN}"} for seen in made.front.seen)
        assert {"Config", "AnalyzePlan", "ExecutePlan", "ReleaseExecute"} <= set(made.front.methods)
