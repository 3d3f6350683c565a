"""A gRPC server on loopback in front of a cluster, as a workspace has one: it wants a token, and can fail half-way.

It hands on what the real cluster says, byte by byte, and notes the headers of every call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from pyspark.sql.connect.proto import ExecutePlanResponse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


When = Callable[[Any], bool]


@dataclass
class Front(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Hands calls on to the cluster at `behind`; None: there is none, and nobody gets past the token.

    `token` is the one that is taken; None: any. `silent`: it takes calls and never answers. `half_way`: when an answer
    of that kind is about to be handed on, this happens, once.
    """

    behind: str | None = None
    token: str | None = None
    half_way: tuple[When, Callable[[], object]] | None = None
    happened: bool = False
    silent: bool = False
    seen: list[Mapping[str, str]] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    _once: threading.Lock = field(default_factory=threading.Lock)
    _channel: Any = None

    def service(self, details: Any) -> Any:
        """Answer any method of any service."""

        def answer(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            headers = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
            self.seen.append(headers)
            self.methods.append(details.method.rpartition("/")[2])
            while self.silent and context.is_active():
                time.sleep(0.05)
            self._let_in(headers, context)
            yield from self._handed(details.method, requests, context)

        return grpc.stream_stream_rpc_method_handler(answer)

    def _let_in(self, headers: Mapping[str, str], context: Any) -> None:
        if self.behind is None or (self.token is not None and headers.get("authorization") != f"Bearer {self.token}"):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, f"Invalid access token {headers.get('authorization')}")

    def _handed(self, method: str, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        with self._once:
            if self._channel is None:
                at = str(self.behind).removeprefix("sc://")
                self._channel = grpc.insecure_channel(at, options=_OPTIONS)
        call = self._channel.stream_stream(method)(requests)
        context.add_callback(call.cancel)
        try:
            for message in call:
                if self._is_half_way(method, message):
                    self._let_in(dict(context.invocation_metadata()), context)
                yield message
        except grpc.RpcError as error:
            told: Any = error
            context.set_trailing_metadata(told.trailing_metadata() or ())
            context.abort(told.code(), told.details())

    def _is_half_way(self, method: str, message: bytes) -> bool:
        """Let happen what is to happen half-way."""
        if self.half_way is None or method.rpartition("/")[2] not in {"ExecutePlan", "ReattachExecute"}:
            return False
        when, event = self.half_way
        if not when(ExecutePlanResponse.FromString(message)):
            return False
        self.half_way, self.happened = None, True
        event()
        return True


def people(told: Any) -> bool:
    """Tell whether an answer has the first people of a scan."""
    return bool(told.HasField("arrow_batch") and told.arrow_batch.row_count > 1)


def working(told: Any) -> bool:
    """Tell whether an answer says that the workers are at it, and have done a part."""
    stages = told.execution_progress.stages
    return told.execution_progress.num_inflight_tasks > 0 and any(each.num_completed_tasks for each in stages)


@contextmanager
def served(front: Front, tls: tuple[bytes, bytes] | None = None) -> Iterator[str]:
    """Serve while the block runs, and give the address. `tls`: a certificate for 127.0.0.2 and its key."""
    pool = ThreadPoolExecutor(32)
    server = grpc.server(pool, handlers=[front], options=_OPTIONS)
    if tls is None:
        at = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    else:
        certificate, key = tls
        keys = grpc.ssl_server_credentials([(key, certificate)])
        at = f"127.0.0.2:{server.add_secure_port('127.0.0.2:0', keys)}"  # not by its address this machine: TLS
    server.start()
    try:
        yield f"sc://{at}"
    finally:
        server.stop(None).wait()
        pool.shutdown(wait=False)
