"""Decides how a cluster is reached: Spark Connect by its client alone, a master by a driver of our own."""

from __future__ import annotations

import importlib
import logging
import socket
import subprocess
import threading
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from reconciler.core.errors import ReconcilerError, SourceDown, SourceError
from reconciler.sources import spark_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.core.model import SecretRef
    from reconciler.core.reads import Spark

_PORT = 15_002  # of Spark Connect
_REACHED = 10.0  # seconds to open a line
_TRIES = 4  # of one request, within some 5 seconds: the client's own 15 take ten minutes
_LET_GO = 2.0  # seconds for the cluster to hear that nobody waits; a run that is interrupted ends within five
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SETTINGS = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}
"""What predicates are written for, whatever the cluster is set to."""


def connect(reads: Spark, secret: Callable[[SecretRef], str]) -> Any:
    """Open a session. Raises SourceError, and what `secret` raises."""
    session = None
    try:
        _hush()
        session = _remote(reads, secret) if reads.url.startswith("sc://") else _driven(reads.url)
        with limited(session, reads.timeout, reads.url):
            for name, value in _SETTINGS.items():
                session.conf.set(name, value)
    except ImportError:
        raise SourceError(_lacking(reads.url)) from None
    except BaseException as error:
        end(session)
        if isinstance(error, ReconcilerError) or not isinstance(error, Exception):
            raise
        raise spark_faults.unopened(error, reads.url) from None
    return session


def _hush() -> None:
    """Keep the client from writing to the terminal: it quotes queries and data, and we say one line ourselves."""
    for chatter in ("pyspark", "py4j", "grpc"):
        logging.getLogger(chatter).setLevel(logging.CRITICAL)
    loggers = importlib.import_module("pyspark.logger").PySparkLogger
    for chatter in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):  # every fault of a query, with its values
        loggers.getLogger(chatter).disabled = True
    warnings.filterwarnings("ignore", module=r"pyspark\.")


def _lacking(url: str) -> str:
    if url.startswith("sc://"):
        return "Spark Connect needs the client: pip install 'reconciler[spark]'"
    return "a master's address needs a driver: pip install pyspark in the place of pyspark-client, or use sc://"


def _remote(reads: Spark, secret: Callable[[SecretRef], str]) -> Any:
    sent = {name: value if isinstance(value, str) else secret(value) for name, value in reads.headers.items()}
    token = None if reads.token is None else secret(reads.token)
    at = urlsplit(reads.url)
    host, port = at.hostname or "", at.port or _PORT
    try:
        socket.create_connection((host, port), _REACHED).close()
    except OSError as error:
        why = error.strerror or "no answer"
        raise SourceError(f"the cluster at {host}:{port} cannot be reached: {why}; is it running?") from None
    near = host in _LOOPBACK
    sent["use_ssl"] = "false" if near else "true"
    if token is not None:
        sent["token"] = token
        host = "localhost" if near else host  # the name by which the client knows that no TLS is needed
    parameters = ";".join(f"{name}={quote(value, safe='')}" for name, value in sent.items())
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
    running = context.SparkContext._active_spark_context  # noqa: SLF001  # there can be one in a process
    if running is not None:
        if running.master != master:
            raise SourceError(f"{master}: a driver for {running.master} runs already, and no second one can; use sc://")
        return sessions.SparkSession(context.SparkContext.getOrCreate()).newSession()
    try:
        held = context.SparkContext._gateway  # noqa: SLF001  # its Java outlives it
        started = gateway.launch_gateway(popen_kwargs=quiet) if held is None else held
        return sessions.SparkSession(context.SparkContext(conf=settings, gateway=started))
    except ImportError:
        raise
    except Exception:  # noqa: BLE001  # foreign code, and whatever it says would be about this machine
        raise SourceError(f"no driver could be started for {master}; is there a Java of version 17 or newer?") from None


@contextmanager
def limited(session: Any, seconds: int, label: str) -> Iterator[None]:
    """End what the session runs when the block is left early, by Ctrl-C too, or takes longer than `seconds`.

    Raises SourceDown when it took longer.
    """
    late = threading.Event()

    def expire() -> None:
        late.set()
        interrupt(session)
        if not done.wait(_LET_GO):  # a cluster that does not even hear that
            hang_up(session)

    done = threading.Event()
    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    except BaseException as error:
        if late.is_set() and isinstance(error, Exception):
            told = f"the cluster was not done after {seconds:,} s (timeoutSeconds); has it workers that are free?"
            raise SourceDown(f"{label}: {told}") from None
        if isinstance(error, ReconcilerError) or not isinstance(error, Exception):  # else it has ended of itself
            interrupt(session)
        raise
    finally:
        done.set()
        timer.cancel()


def interrupt(session: Any) -> None:
    """Tell the cluster that nobody waits any more; one that is gone, or does not listen, need not be told."""
    _briefly(getattr(session, "interruptAll", None))


def hang_up(session: Any) -> None:
    """Close the line, which ends every call on it."""
    with suppress(Exception):
        session.client._channel.close()  # noqa: SLF001  # there is no other way to end a call that nobody answers


def end(session: Any) -> None:
    """Let a session go, if there is one."""
    if hasattr(session, "_jsparkSession"):  # a driver of our own, in which another session may be opened after this
        with suppress(Exception):
            session.stop()
    else:
        _briefly(getattr(session, "stop", None))


def _briefly(call: Callable[[], object] | None) -> None:
    """Make a call that may fail, and wait no longer for it than a moment."""
    if call is None:
        return

    def made() -> None:
        with suppress(Exception):
            call()

    thread = threading.Thread(target=made, daemon=True)
    thread.start()
    thread.join(_LET_GO)
