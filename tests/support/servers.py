"""Real servers on loopback for shared state: started in a block, gone after it. Each says what it cannot be had for.

Every one gives a `Served`: `fresh()` is the URL of a place in it that is empty, `environ` what opens it.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import itertools
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NODE = Path(__file__).parents[1] / "node"
ACCOUNT = "devstoreaccount1"
"""The account of Azurite, and its key, which is public."""
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
PASSWORD = "correct-horse-9"
PATIENCE = 60.0
"""How long a server may take to start, in seconds."""

_STORES = ("AWS_", "AZURE_", "GOOGLE_", "PG")


@dataclass(frozen=True, slots=True)
class Served:
    """A store that is there. `environ` opens it from `root`, a project's folder; `fresh` names an empty place."""

    environ: Mapping[str, str]
    root: Path
    fresh: Callable[[], str]


def bare_environ() -> dict[str, str]:
    """Give this process's environment without what opens a store."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_STORES)}


@contextmanager
def azurite() -> Iterator[Served]:
    """Azure Blob storage, as Microsoft's emulator has it."""
    words = [_node("azurite-blob"), "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    with _folder() as folder, _started([*words, "--blobHost", "127.0.0.1", "--blobPort", "0"], folder) as told:
        endpoint = f"{_word_after(told, 'listens on ')}/{ACCOUNT}"
        _make_container(endpoint, "state")
        environ = {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY,
            "AZURE_ENDPOINT": endpoint,
        }
        yield Served(bare_environ() | environ, folder, lambda: f"az://state/{secrets.token_hex(4)}/of-project")


_MOTO = """
import sys
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
"""
"""One request after another: between looking at a condition and writing, its threads let each other in."""


@contextmanager
def s3() -> Iterator[Served]:
    """S3 as moto has it, with signatures and rights judged: the user may do what docs/stores.md names, and no more."""
    port = free_port()
    open_door = {"INITIAL_NO_AUTH_ACTION_COUNT": "1000000"}
    words = [sys.executable, "-c", _MOTO, str(port)]
    with _folder() as folder, _started(words, folder, open_door):
        _await_port(port)
        endpoint = f"http://127.0.0.1:{port}"
        key, secret = _s3_user(endpoint, "state")
        environ = {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": endpoint,
        }
        yield Served(bare_environ() | environ, folder, lambda: f"s3://state/{secrets.token_hex(4)}/of-project")


@contextmanager
def s3_without_conditions() -> Iterator[Served]:
    """An S3 server that takes conditional writes and ignores the conditions."""
    port = free_port()
    with _folder() as folder:
        words = [_node("s3rver"), "-d", str(folder), "-a", "127.0.0.1", "-p", str(port), "--configure-bucket", "state"]
        with _started(words, folder) as told:
            _word_after(told, "listening on ")
            environ = {
                "AWS_ACCESS_KEY_ID": "S3RVER",
                "AWS_SECRET_ACCESS_KEY": "S3RVER",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            }
            yield Served(bare_environ() | environ, folder, lambda: f"s3://state/{secrets.token_hex(4)}")


@contextmanager
def postgres() -> Iterator[Served]:
    """PostgreSQL, with passwords judged: the user owns a schema for each place, and nothing else."""
    with _folder() as folder:
        home, port = folder / "data", free_port()
        _hand_to_postgres(folder)
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        _as_postgres("initdb", "-D", str(home), "-A", "scram-sha-256", "-U", "owner", "--pwfile", str(password), "-N")
        settings = ("-c", "fsync=off", "-c", f"unix_socket_directories={folder}", "-c", "listen_addresses=127.0.0.1")
        with _started([*_postgres("postgres"), "-D", str(home), "-p", str(port), *settings], folder):
            _await_port(port)
            yield _postgres_places(port, folder)


@contextmanager
def bare_remote() -> Iterator[Served]:
    """A bare git remote at file://, and a clone of it that holds the project."""
    numbers = itertools.count(1)
    with _folder() as folder:
        remote, clone = folder / "remote.git", folder / "clone"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
        git(folder, "clone", "--quiet", remote.as_uri(), str(clone))
        git(clone, "switch", "--quiet", "--orphan", "main")
        (clone / "exports").mkdir()
        (clone / "exports" / "project.yaml").write_text("# a project\n")
        git(clone, "add", ".")
        git(clone, "commit", "--quiet", "--message", "A project")
        git(clone, "push", "--quiet", "origin", "main")
        yield Served(bare_environ(), clone, lambda: f"git+branch://state/{next(numbers)}")


def git(folder: Path, *words: str) -> str:
    """Run git as some user would, and give what it says."""
    who = {
        f"GIT_{role}_{what}": "someone@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["git", *words], cwd=folder, env=os.environ | who, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def free_port() -> int:
    """Give a port of loopback on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="reconciler-server-") as folder:
        yield Path(folder)


@contextmanager
def _started(words: list[str], folder: Path, more: Mapping[str, str] | None = None) -> Iterator[IO[str]]:
    """Run a server, and give what it says; it is ended with the block."""
    said = folder / "said"
    with said.open("w") as out, said.open() as told:
        process = subprocess.Popen(
            words, cwd=folder, env={**bare_environ(), **(more or {})}, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        try:
            yield told
        finally:
            process.terminate()
            process.wait()


def _word_after(told: IO[str], words: str) -> str:
    """Wait until a server says these words, and give the one after them."""
    end, said = time.monotonic() + PATIENCE, ""
    while time.monotonic() < end:
        said += told.read()
        _, found, rest = said.partition(words)
        if found and "\n" in rest:
            return rest.split()[0]
        time.sleep(0.02)
    raise AssertionError(f"the server did not start: {said}")


def _await_port(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the server did not start")


def _node(program: str) -> str:
    """Give a program of the locked npm packages, which the first to ask installs."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not on PATH: the servers of tests/node cannot be installed")
    found = NODE / "node_modules" / ".bin" / program
    with (NODE / "package-lock.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # one of the test processes installs, the others wait
        made = NODE / "node_modules" / ".package-lock.json"
        if not made.exists() or made.stat().st_mtime < (NODE / "package-lock.json").stat().st_mtime:
            words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(words, cwd=NODE, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip("npm ci failed in tests/node: is the registry within reach?")
    return str(found)


def _make_container(endpoint: str, name: str) -> None:
    now = formatdate(usegmt=True)
    signed = (
        f"PUT{chr(10) * 12}x-ms-date:{now}\nx-ms-version:2021-08-06\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    )
    mac = base64.b64encode(hmac.digest(base64.b64decode(ACCOUNT_KEY), signed.encode(), hashlib.sha256)).decode()
    headers = {"x-ms-date": now, "x-ms-version": "2021-08-06", "Authorization": f"SharedKey {ACCOUNT}:{mac}"}
    server = urlsplit(endpoint)
    connection = HTTPConnection(
        server.hostname or "", server.port
    )  # urllib would change the case of the signed headers
    with closing(connection):
        connection.request("PUT", f"{server.path}/{name}?restype=container", headers=headers)
        answer = connection.getresponse()
        assert answer.status == HTTPStatus.CREATED, answer.read()


def azure_pass(container: str, until: str) -> str:
    """Sign a pass that lets its holder read and list a container of the emulator until a moment."""
    version = "2020-12-06"
    words = ["rl", "", until, f"/blob/{ACCOUNT}/{container}", "", "", "", version, "c", *[""] * 7]
    mac = hmac.digest(base64.b64decode(ACCOUNT_KEY), "\n".join(words).encode(), hashlib.sha256)
    said = {"sv": version, "sr": "c", "sp": "rl", "se": until, "sig": base64.b64encode(mac).decode()}
    return urlencode(said)


def _s3_user(endpoint: str, bucket: str) -> tuple[str, str]:
    """Make a bucket, and a user who may do in it what a store needs; then have every request judged."""
    program = """
import json, sys, urllib.request, boto3
endpoint, bucket = sys.argv[1:]
words = dict(endpoint_url=endpoint, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
where = {"LocationConstraint": "eu-central-1"}
boto3.client("s3", **words).create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
iam = boto3.client("iam", **words)
iam.create_user(UserName="runner")
whole = f"arn:aws:s3:::{bucket}"
allowed = [
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": f"{whole}/*"},
    {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": whole},
    {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": whole},  # what moto asks for when several go at once
]
policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
iam.put_user_policy(UserName="runner", PolicyName="state", PolicyDocument=policy)
key = iam.create_access_key(UserName="runner")["AccessKey"]
door = f"{endpoint}/moto-api/reset-auth"
urllib.request.urlopen(urllib.request.Request(door, b"0", {"Content-Type": "text/plain"}, method="POST")).read()
print(json.dumps([key["AccessKeyId"], key["SecretAccessKey"]]))
"""
    words = [sys.executable, "-W", "ignore", "-c", program, endpoint, bucket]  # its library warns, and is heavy
    done = subprocess.run(words, env=bare_environ(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    key, secret = json.loads(done.stdout)
    return key, secret


def _postgres(program: str) -> list[str]:
    """Give the words that run a program of PostgreSQL, which refuses to run as root."""
    known = [*Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), *filter(None, [shutil.which(program)])]
    if not known:
        pytest.skip(f"PostgreSQL is not installed: no {program}")
    return [*(["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []), str(known[0])]


def _hand_to_postgres(folder: Path) -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres") if _postgres("initdb") else None
        assert user is not None
        os.chown(folder, user.pw_uid, user.pw_gid)


def _as_postgres(program: str, *words: str) -> None:
    done = subprocess.run([*_postgres(program), *words], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _postgres_places(port: int, folder: Path) -> Served:
    def owner() -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=port, user="owner", password=PASSWORD, dbname="postgres", autocommit=True
        )

    def fresh() -> str:
        schema = f"s{secrets.token_hex(4)}"
        with owner() as db:
            db.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION runner").format(sql.Identifier(schema)))
        return f"postgresql://runner@127.0.0.1:{port}/postgres?schema={schema}"

    end = time.monotonic() + PATIENCE
    while True:
        try:
            with owner() as db:
                db.execute(sql.SQL("CREATE ROLE runner LOGIN PASSWORD {}").format(sql.Literal(PASSWORD)))
            break
        except psycopg.OperationalError:  # it listens before it is ready
            assert time.monotonic() < end
            time.sleep(0.02)
    return Served(bare_environ() | {"RECONCILER_STATE_PASSWORD": PASSWORD}, folder, fresh)
