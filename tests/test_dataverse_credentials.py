"""Each kind of credential signs in at a stand-in for Entra by the vendor's own library, and a refusal is one line."""

from __future__ import annotations

import logging
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support import dataverse
from support.dataverse import CLIENT, TENANT, Table, World, certificate, serving

from reconciler.core.errors import SecretMissing, SourceError
from reconciler.core.model import Declarations, EnvSecret, Source
from reconciler.core.reads import AppCertificate, AppSecret, Federated, ManagedIdentity
from reconciler.sources.tokens import Signing, Tokens
from reconciler.wiring import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.core.reads import Identity

SECRET = AppSecret(TENANT, CLIENT, EnvSecret("DATAVERSE_SECRET"))
FEDERATED = Federated(TENANT, CLIENT)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    tables = {
        "msdynci_customerprofiles": Table("msdynci_customerprofile", {"msdynci_customerid": ("String", None)}),
        "msdynci_segmentmemberships": Table(
            "msdynci_segmentmembership",
            {"msdynci_customerid": ("String", None), "msdynci_segments": ("Memo", None)},
        ),
    }
    with serving(World(tables), tmp_path) as served:
        yield served


def columns(world: World, folder: Path, identity: Identity) -> list[str]:
    with closing(dataverse.opened(world, folder, dataverse.declared(world, identity))) as source:
        return list(source.columns())


def refusal(world: World, folder: Path, identity: Identity) -> str:
    with pytest.raises((SourceError, SecretMissing)) as refused:
        columns(world, folder, identity)
    said = str(refused.value)
    assert said.isprintable()
    assert dataverse.SECRET not in said
    assert dataverse.ASSERTION not in said
    assert dataverse.JOB_TOKEN not in said
    assert refused.value.__cause__ is None
    return said


def test_a_client_secret(world: World, tmp_path: Path) -> None:
    assert columns(world, tmp_path, SECRET) == ["customerid"]
    assert len(world.issued) == 1
    assert world.issued[0].startswith(f"{world.base}/.default|")


def test_a_certificate_that_only_its_owner_may_read(world: World, tmp_path: Path) -> None:
    world.certificate, key = certificate()
    held = tmp_path / "reader.pem"
    held.write_bytes(key + world.certificate)
    held.chmod(0o644)
    identity = AppCertificate(TENANT, CLIENT, "reader.pem")
    assert "chmod 600 reader.pem" in refusal(world, tmp_path, identity)
    held.chmod(0o600)
    assert columns(world, tmp_path, identity) == ["customerid"]
    held.write_bytes(b"nothing of the kind")
    assert "is it PEM or PKCS 12" in refusal(world, tmp_path, identity)
    held.unlink()
    assert "is it there?" in refusal(world, tmp_path, identity)


def test_the_identity_of_the_machine(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{world.base}/msi")
    monkeypatch.setenv("IDENTITY_HEADER", "of-the-platform")
    assert columns(world, tmp_path, ManagedIdentity(CLIENT)) == ["customerid"]
    (asked,) = [path for _, path, _ in world.asked if path.startswith("/msi")]
    assert CLIENT in asked


def test_the_token_of_a_job_at_github(world: World, tmp_path: Path) -> None:
    world.environ = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{world.base}/github?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": dataverse.JOB_TOKEN,
    }
    assert columns(world, tmp_path, FEDERATED) == ["customerid"]
    world.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "another"
    assert "GitHub gives no token about this job: GET /github at 127.0.0.1: 401" in refusal(world, tmp_path, FEDERATED)


def test_the_token_of_a_cluster(world: World, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(dataverse.ASSERTION)
    world.environ = {"AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}
    assert columns(world, tmp_path, FEDERATED) == ["customerid"]


def test_federation_without_a_token_says_what_grants_one(world: World, tmp_path: Path) -> None:
    assert "id-token: write" in refusal(world, tmp_path, FEDERATED)


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("AADSTS7000215", "the client secret is wrong; is it the secret's value, and not its id? (AADSTS7000215)"),
        ("AADSTS700016", "the tenant has no application with this client id (AADSTS700016)"),
        ("AADSTS99999", "no token is given to this identity: AADSTS99999"),
        ("nonsense", "no token is given to this identity (ClientAuthenticationError)"),
    ],
)
def test_a_refusal_is_one_line_of_ours(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture, code: str, meant: str
) -> None:
    caplog.set_level(logging.DEBUG)
    world.grants, world.refusal = 0, code
    assert meant in refusal(world, tmp_path, SECRET)
    assert dataverse.SECRET not in caplog.text


def test_a_secret_that_is_not_there_is_named(world: World, tmp_path: Path) -> None:
    missing = AppSecret(TENANT, CLIENT, EnvSecret("NO_SUCH"))
    assert "the environment variable NO_SUCH is not set" in refusal(world, tmp_path, missing)


def test_an_identity_without_rights_is_told_so(world: World, tmp_path: Path) -> None:
    world.admits = False
    assert "does not take the token of this identity, and a new one neither (401)" in refusal(world, tmp_path, SECRET)
    assert len(world.issued) == 2


def test_a_token_is_remembered_until_a_new_one_is_wanted(world: World, tmp_path: Path) -> None:
    signing = Signing("world", dataverse.declared(world), dataverse.surroundings(world, tmp_path))
    tokens = Tokens(signing.credential, "world")
    with closing(tokens):
        first = tokens.get("https://one.example.com/.default")
        assert tokens.get("https://one.example.com/.default") == first
        assert tokens.get("https://one.example.com/.default", fresh=True) != first
        assert first not in repr(tokens)


def test_a_library_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("dataverse", "tokens"):
        monkeypatch.delitem(sys.modules, f"reconciler.sources.{module}")
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    reads = dataverse.declared(World(base="https://127.0.0.1:9"))
    with pytest.raises(SourceError, match=r"insights: .* need a library: pip install 'reconciler\[dataverse\]'"):
        Workshop(tmp_path, {}).source(Source("insights", reads), Declarations())
