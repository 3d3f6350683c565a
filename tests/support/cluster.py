"""A real Spark on loopback: a master, two workers and a Connect server, one for all test processes of a run.

Whoever uses it holds a shared lock on a file, which the system takes back from a process that dies. A keeper starts the
cluster and ends it when nobody holds that lock any more. Run as a program, this is the keeper.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.clock import SystemClock
from reconciler.sources.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

_START = 300.0  # seconds that a part of the cluster may take on a machine that is busy
_IDLE = 1.0  # seconds between two looks for somebody who still uses the cluster


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the cluster is: `connect` for Spark Connect, `master` for a driver of one's own, `page` for its jobs."""

    connect: str
    master: str
    page: str

    def jobs(self) -> list[dict[str, Any]]:
        """Give what the cluster says of its jobs, the newest first."""
        (application,) = self._asked("")
        return self._asked(f"/{application['id']}/jobs")

    def _asked(self, path: str) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.page}/api/v1/applications{path}") as answer:
            told: list[dict[str, Any]] = json.load(answer)
            return told


def missing() -> str | None:
    """Say why there can be no cluster here; None: there can."""
    if shutil.which("java") is None:
        return "there is no Java"
    if importlib.util.find_spec("py4j") is None:
        return "pyspark is not installed in full"
    return None


@contextmanager
def shared(folder: Path) -> Iterator[Cluster]:
    """Use the cluster of all processes that share this folder, which is started where there is none."""
    folder.mkdir(exist_ok=True)
    with (folder / "users").open("w") as users, (folder / "starting").open("w") as starting:
        fcntl.flock(users, fcntl.LOCK_SH)  # waits for a keeper that is about to end
        fcntl.flock(starting, fcntl.LOCK_EX)
        where = folder / "cluster.json"
        keeper = None if where.exists() else _started(folder, where)
        fcntl.flock(starting, fcntl.LOCK_UN)
        yield Cluster(**json.loads(where.read_text()))
    if keeper is not None:
        keeper.wait(4 * _START)  # until the other processes are done too: nothing outlives the tests


def around(root: Path) -> Surroundings:
    """Give what a source is handed, where it needs nothing but the folder and the clock."""
    return Surroundings(root, (), {}, SystemClock(), lambda _: "a token of no cluster", lambda: False)


def _started(folder: Path, where: Path) -> subprocess.Popen[bytes]:
    with (folder / "keeper.log").open("w") as log:
        keeper = subprocess.Popen(
            [sys.executable, __file__, str(folder)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    ends = time.monotonic() + 3 * _START
    while not where.exists():
        assert keeper.poll() is None, f"the cluster did not start: {(folder / 'keeper.log').read_text()[-4000:]}"
        assert time.monotonic() < ends, "the cluster did not start in time"
        time.sleep(0.1)
    return keeper


class Daemon:
    """One process of the cluster, with its log. Ends with `stop`, or as `killed`."""

    def __init__(self, folder: Path, name: str, *command: str, megabytes: int = 512) -> None:
        self._log = folder / f"{name}.log"
        environ = {**os.environ, **_environment(folder), "SPARK_DAEMON_MEMORY": f"{megabytes}m"}
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                command, env=environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )

    def says(self, pattern: str) -> re.Match[str]:
        """Wait for a line of its log."""
        ends = time.monotonic() + _START
        while (found := re.search(pattern, self._log.read_text(errors="replace"))) is None:
            assert self.process.poll() is None, f"it ended: {self._log.read_text(errors='replace')[-4000:]}"
            assert time.monotonic() < ends, (
                f"it does not say {pattern}: {self._log.read_text(errors='replace')[-4000:]}"
            )
            time.sleep(0.1)
        return found

    def killed(self) -> None:
        """End it and all that it started at once, as a machine that fails."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it, and wait for it."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.killed()


def connect_server(folder: Path, master: str, name: str = "connect", *settings: str) -> tuple[Daemon, str]:
    """Start a Connect server over a master, or over `local[1]`; give it and its address."""
    port = _free()
    options = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.executor.memory": "512m",
        "spark.cores.max": "2",
        "spark.sql.shuffle.partitions": "2",
        "spark.connect.progress.reportInterval": "100ms",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        **dict(setting.split("=", 1) for setting in settings),
    }
    flags = [part for key, value in options.items() for part in ("--conf", f"{key}={value}")]
    main = "org.apache.spark.sql.connect.service.SparkConnectServer"
    daemon = Daemon(
        folder,
        name,
        *(_program("spark-submit"), "--master", master, "--driver-memory", "768m"),
        *(*flags, "--class", main, "spark-internal"),
    )
    try:
        daemon.says(r"Spark Connect server started at")
    except BaseException:
        daemon.killed()
        raise
    return daemon, f"sc://127.0.0.1:{port}"


def _master(folder: Path, port: int) -> Daemon:
    web = ("--webui-port", "0")
    main = "org.apache.spark.deploy.master.Master"
    return Daemon(folder, "master", _program("spark-class"), main, "--host", "127.0.0.1", "--port", str(port), *web)


def _worker(folder: Path, name: str, master: str) -> Daemon:
    size = (
        "--cores",
        "2",
        "--memory",
        "2g",  # room for a driver of a test's own beside the Connect server
        "--work-dir",
        str(folder / name),
    )
    main = "org.apache.spark.deploy.worker.Worker"
    options = ("--host", "127.0.0.1", "--webui-port", "0", *size)
    return Daemon(folder, name, _program("spark-class"), main, *options, master)


@dataclass(frozen=True, slots=True)
class Standalone:
    """A cluster of one's own: a master, two workers, and a Connect server over them."""

    master: str
    workers: tuple[Daemon, ...]
    server: Daemon
    connect: str
    page: str


@contextmanager
def standalone(folder: Path, *settings: str) -> Iterator[Standalone]:
    """Run a cluster while the block runs."""
    with ExitStack() as undo:
        port = _free()
        at = f"spark://127.0.0.1:{port}"
        master = _master(folder, port)
        undo.callback(master.stop)
        master.says("I have been elected leader")
        workers = tuple(_worker(folder, name, at) for name in ("worker-1", "worker-2"))
        for worker in workers:
            undo.callback(worker.stop)
        web = _free()
        page = ("spark.ui.enabled=true", f"spark.ui.port={web}")
        server, connect = connect_server(folder, at, "connect", *page, *settings)
        undo.callback(server.stop)
        for worker in workers:
            worker.says("Successfully registered with master")
        yield Standalone(at, workers, server, connect, f"http://127.0.0.1:{web}")


def _keep(folder: Path) -> None:
    with standalone(folder) as started:
        made = folder / "cluster.json.new"
        made.write_text(json.dumps(asdict(Cluster(started.connect, started.master, started.page))))
        made.rename(folder / "cluster.json")
        _unused(folder)


def _unused(folder: Path) -> None:
    """Wait until nobody uses the cluster, and take its address away before anybody can come again."""
    users = (folder / "users").open("w")  # open, and locked, until this process has ended
    while True:
        time.sleep(_IDLE)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        (folder / "cluster.json").unlink()
        return


def _home() -> Path:
    found = importlib.util.find_spec("pyspark")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _program(name: str) -> str:
    return str(_home() / "bin" / name)


def _environment(folder: Path) -> dict[str, str]:
    return {
        "SPARK_HOME": str(_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        "SPARK_NO_DAEMONIZE": "1",
        "PYSPARK_PYTHON": sys.executable,
    }


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
