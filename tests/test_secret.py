"""Where a secret is read from, and which places are refused; it is never shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from reconciler.core.errors import SecretMissing
from reconciler.core.model import EnvSecret, FileSecret, VaultSecret
from reconciler.secret import LARGEST, resolve

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "0123456789abcdef0123456789abcdef"


def kept(root: Path, content: bytes = SECRET.encode(), mode: int = 0o600) -> FileSecret:
    path = root / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return FileSecret("key")


def refused(ref: EnvSecret | FileSecret | VaultSecret, root: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(SecretMissing) as caught:
        resolve(ref, root, environ or {})
    message = str(caught.value)
    assert "\n" not in message
    assert SECRET not in message
    assert caught.value.__cause__ is None
    return message


@pytest.mark.parametrize("value", [SECRET, f" {SECRET}\n"])
def test_from_the_environment(tmp_path: Path, value: str) -> None:
    assert resolve(EnvSecret("API_KEY"), tmp_path, {"API_KEY": value}) == SECRET


@pytest.mark.parametrize("environ", [{}, {"API_KEY": ""}, {"API_KEY": " \n"}, {"OTHER": SECRET}])
def test_a_variable_that_is_not_set_is_named(tmp_path: Path, environ: dict[str, str]) -> None:
    assert "API_KEY" in refused(EnvSecret("API_KEY"), tmp_path, environ)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_from_a_file_that_only_its_owner_may_read(tmp_path: Path, mode: int) -> None:
    assert resolve(kept(tmp_path, SECRET.encode() + b"\r\n", mode), tmp_path, {}) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o666, 0o620, 0o610, 0o601])
def test_a_file_that_others_may_reach_is_refused_and_the_mend_is_said(tmp_path: Path, mode: int) -> None:
    assert "chmod 600 key" in refused(kept(tmp_path, mode=mode), tmp_path)


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    kept(tmp_path)
    assert resolve(FileSecret(str(tmp_path / "key")), tmp_path / "elsewhere", {}) == SECRET


@pytest.mark.parametrize(
    "content", [b"", b" \n\n", b"\xff\xfe", "schlüssel".encode(), b"\n" * LARGEST + SECRET.encode()]
)
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "key:" in refused(kept(tmp_path, content), tmp_path)


def test_a_file_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    assert "gone:" in refused(FileSecret("gone"), tmp_path)
    (tmp_path / "folder").mkdir(mode=0o700)
    assert "folder:" in refused(FileSecret("folder"), tmp_path)


def test_a_vault_needs_the_extra_and_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    told = refused(VaultSecret("https://contoso.vault.azure.net", "autopilot"), tmp_path)
    assert "reconciler[azure]" in told


def test_what_breaks_in_the_vendors_library_is_told_without_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def __init__(self, *_: object) -> None:
            raise RuntimeError(f"token {SECRET}")

    class Module:
        DefaultAzureCredential = SecretClient = Broken

    for name in ("azure.identity", "azure.keyvault", "azure.keyvault.secrets"):
        monkeypatch.setitem(sys.modules, name, Module)
    told = refused(VaultSecret("https://contoso.vault.azure.net", "autopilot"), tmp_path)
    assert "https://contoso.vault.azure.net" in told
    assert "RuntimeError" in told
