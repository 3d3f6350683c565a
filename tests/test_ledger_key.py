"""The state key: made once, kept from others, never shown, and never guessed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.core.errors import SecretMissing
from reconciler.state import key as keys
from reconciler.state.key import load_key, make_key
from reconciler.state.place import open_ledger

HEX = "0123456789abcdef" * 4
ROOT = Path(__file__).resolve().parents[1]


def keep(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / ".reconciler" / "key"
    file.parent.mkdir()
    file.write_text(text)
    file.chmod(mode)
    return file


def test_loading_never_makes_one(tmp_path: Path) -> None:
    assert load_key(tmp_path, {}) is None
    assert list(tmp_path.iterdir()) == []


def test_one_is_made_at_first_use_and_stays(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        key = make_key(tmp_path, {})
    finally:
        os.umask(mask)
    home = tmp_path / ".reconciler"
    assert len(key) == 32
    assert make_key(tmp_path, {}) == load_key(tmp_path, {}) == key
    assert (home / "key").read_text() == key.hex() + "\n"
    assert (home / "key").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    assert {file.name for file in home.iterdir()} == {"key", ".gitignore"}
    other = tmp_path / "other"
    other.mkdir()
    assert make_key(other, {}) != key


def test_processes_that_begin_at_once_agree_on_one(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from reconciler.state.key import make_key; "
    code += "sys.stdin.read(); print(make_key(Path(sys.argv[1]), {}).hex())"
    command = [sys.executable, "-c", code, str(tmp_path)]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    started = [subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environ) for _ in range(4)]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    made = []
    for process in started:
        assert process.stdout is not None
        made.append(process.stdout.read())
        process.stdout.close()
        assert process.wait() == 0
    assert len(made) == 4
    assert set(made) == {f"{(tmp_path / '.reconciler' / 'key').read_text().strip()}\n"}


def test_the_environment_wins_and_leaves_no_file(tmp_path: Path) -> None:
    environ = {"RECONCILER_STATE_KEY": f"{HEX.upper()}\n"}
    assert load_key(tmp_path, environ) == make_key(tmp_path, environ) == bytes.fromhex(HEX)
    assert list(tmp_path.iterdir()) == []
    keep(tmp_path, "ff" * 32)
    assert load_key(tmp_path, environ) == bytes.fromhex(HEX)


@pytest.mark.parametrize("value", ["", "secret-word", HEX[:-1], HEX + "0", f"{HEX[:32]} {HEX[32:]}", "g" * 64])
def test_a_malformed_key_is_refused_and_not_shown(tmp_path: Path, value: str) -> None:
    keep(tmp_path, value)
    with pytest.raises(SecretMissing) as from_file:
        make_key(tmp_path, {})
    with pytest.raises(SecretMissing, match=r"`python -c .* makes one") as from_environment:
        make_key(tmp_path, {"RECONCILER_STATE_KEY": value})
    for refused in (from_file, from_environment):
        assert not value or value not in str(refused.value)
    assert (tmp_path / ".reconciler" / "key").read_text() == value


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    keep(tmp_path, HEX, mode)
    with pytest.raises(SecretMissing, match=r"`chmod 600 \.reconciler/key`"):
        load_key(tmp_path, {})


def test_a_link_or_a_folder_in_place_of_the_key_is_refused(tmp_path: Path) -> None:
    file = keep(tmp_path, HEX)
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SecretMissing, match="cannot be read"):
        load_key(tmp_path, {})
    file.unlink()
    file.mkdir(mode=0o700)
    with pytest.raises(SecretMissing, match="cannot be read"):
        load_key(tmp_path, {})


def test_no_key_is_made_for_a_state_that_was_recorded_under_another(tmp_path: Path) -> None:
    open_ledger(tmp_path, bytes.fromhex(HEX)).close()
    with pytest.raises(SecretMissing, match=r"restore \.reconciler/key or set RECONCILER_STATE_KEY"):
        make_key(tmp_path, {})
    assert not (tmp_path / ".reconciler" / "key").exists()


def test_the_key_of_a_quicker_process_stands(tmp_path: Path) -> None:
    file = keep(tmp_path, HEX)
    keys._publish(file, "ff" * 32)
    assert file.read_text() == HEX
    assert list(file.parent.iterdir()) == [file]
