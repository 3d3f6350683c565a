"""Decides how a cluster is reached: Spark Connect by its client alone, a master by a driver of our own."""

from __future__ import annotations

import importlib
import logging
import socket
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from reconciler.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PORT = 15_002  # of Spark Connect
_REACHED = 10.0  # seconds to open a line
_TRIES = 4  # of one request, within some 5 seconds: the client's own 15 take ten minutes
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SETTINGS = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}
"""What predicates are written for, whatever the cluster is set to."""


def connect(url: str, token: str | None) -> Any:
    """Open a session. Raises SourceError."""
    for chatter in ("pyspark", "py4j", "grpc"):
        logging.getLogger(chatter).setLevel(logging.CRITICAL)  # its warnings quote queries and data
    try:
        session = _remote(url, token) if url.startswith("sc://") else _driven(url)
        for name, value in _SETTINGS.items():
            session.conf.set(name, value)
    except ImportError:
        raise SourceError(_lacking(url)) from None
    return session


def _lacking(url: str) -> str:
    if url.startswith("sc://"):
        return "Spark Connect needs the client: pip install 'reconciler[spark]'"
    return "a master's address needs a driver: pip install pyspark in the place of pyspark-client, or use sc://"


def _remote(url: str, token: str | None) -> Any:
    at = urlsplit(url)
    host, port = at.hostname or "", at.port or _PORT
    try:
        socket.create_connection((host, port), _REACHED).close()
    except OSError as error:
        why = error.strerror or "no answer"
        raise SourceError(f"the cluster at {host}:{port} cannot be reached: {why}; is it running?") from None
    near = host in _LOOPBACK
    parameters = "use_ssl=false" if near else "use_ssl=true"
    if token is not None:
        parameters += f";token={quote(token, safe='')}"
        host = "localhost" if near else host  # the name by which the client knows that no TLS is needed
    sessions = importlib.import_module("pyspark.sql.connect.session")
    retries = importlib.import_module("pyspark.sql.connect.client.retries")
    session = sessions.SparkSession.builder.remote(f"sc://{_bracketed(host)}:{port}/;{parameters}").create()
    session.client.set_retry_policies([retries.DefaultPolicy(max_retries=_TRIES)])
    return session


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _driven(master: str) -> Any:
    """Start a driver here; its Java is kept from writing to the terminal."""
    context = importlib.import_module("pyspark.core.context")
    gateway = importlib.import_module("pyspark.java_gateway")
    sessions = importlib.import_module("pyspark.sql.session")
    settings = importlib.import_module("pyspark.conf").SparkConf().setMaster(master).setAppName("reconciler")
    settings.set("spark.ui.enabled", "false")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if context.SparkContext._active_spark_context is not None:  # noqa: SLF001  # there can be one in a process
        return sessions.SparkSession(context.SparkContext.getOrCreate()).newSession()
    try:
        started = gateway.launch_gateway(popen_kwargs=quiet)
        return sessions.SparkSession(context.SparkContext(conf=settings, gateway=started))
    except ImportError:
        raise
    except Exception:  # noqa: BLE001  # foreign code, and whatever it says would be about this machine
        raise SourceError(f"no driver could be started for {master}; is there a Java of version 17 or newer?") from None


@contextmanager
def limited(session: Any, seconds: float) -> Iterator[None]:
    """End what the session runs when the block is left early, by Ctrl-C too, or takes longer than `seconds`."""
    timer = threading.Timer(seconds, interrupt, [session])
    timer.daemon = True
    timer.start()
    try:
        yield
    except BaseException:
        interrupt(session)
        raise
    finally:
        timer.cancel()


def interrupt(session: Any) -> None:
    """Tell the cluster that nobody waits any more; one that is gone need not be told."""
    with suppress(Exception):
        if hasattr(session, "interruptAll"):
            session.interruptAll()
