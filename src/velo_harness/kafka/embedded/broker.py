"""The broker as others use it: started, asked for its address and size, stopped."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.kafka.embedded.cluster import Cluster
from velo_harness.kafka.embedded.server import Connection

_TICK_SECONDS = 0.02
"""How often it looks whether a session or a transaction has expired."""
_WAITING_CONNECTIONS = 128


@dataclass(frozen=True, slots=True)
class BrokerSize:
    """What the broker holds."""

    topics: int
    records: int
    bytes: int


class EmbeddedBroker:
    """A Kafka broker in a thread of this process. A context manager: starts on entry, stops at the end.

    Started again after `stop` it has the same address and everything it held: a broker that was away for a while.
    `port` 0 takes a free one. `clock_ms` is the broker's time in milliseconds since 1970: it decides when sessions,
    rebalances and transactions expire, and stamps records of topics with LogAppendTime. By default it follows the
    clock, and never goes back.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, clock_ms: Callable[[], int] | None = None) -> None:
        self._host = host
        self._port = port
        self._cluster = Cluster(clock_ms or _steady_clock())
        self._connections: set[Connection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._bound_port: int | None = None

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        """The address, as clients want it: `host:port`. Raises RuntimeError before `start`."""
        if self._bound_port is None:
            raise RuntimeError("the broker has not been started")
        return f"[{self._host}]:{self._bound_port}" if ":" in self._host else f"{self._host}:{self._bound_port}"

    def start(self) -> None:
        """Listens, and serves from then on.

        Raises:
            VeloError: the host or port cannot be listened on (INFRASTRUCTURE_MISSING).
        """
        if self._thread is not None:
            raise RuntimeError("the broker has been started already")
        listener = _listening_socket(self._host, self._bound_port or self._port)
        self._bound_port = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        serving = threading.Event()
        self._thread = threading.Thread(
            target=self._serve, args=(self._loop, listener, serving), name="velo-embedded-kafka", daemon=True
        )
        self._thread.start()
        serving.wait()

    def stop(self) -> None:
        """Closes every connection and the port. Nothing happens when it is not running."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        self._loop = self._thread = None

    def drop_connections(self) -> None:
        """Cuts every connection. Nothing happens when it is not running."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._drop)

    def _drop(self) -> None:
        for connection in list(self._connections):
            connection.close()

    def size(self) -> BrokerSize:
        """What it holds now."""
        topics = self._cluster.topics.all()
        logs = [log for topic in topics for log in topic.partitions]
        return BrokerSize(len(topics), sum(log.record_count for log in logs), sum(log.byte_count for log in logs))

    def _serve(self, loop: asyncio.AbstractEventLoop, listener: socket.socket, serving: threading.Event) -> None:
        advertised = None if _is_wildcard(self._host) else self._host
        try:
            server = loop.run_until_complete(
                loop.create_server(lambda: Connection(self._cluster, self._connections, advertised), sock=listener)
            )
            self._tick(loop)
            loop.call_soon(serving.set)
            loop.run_forever()
            loop.run_until_complete(self._end(server))
        finally:
            serving.set()
            listener.close()
            loop.close()

    async def _end(self, server: asyncio.Server) -> None:
        """Closes the port and all connections, also those that are just being accepted."""
        server.close()
        accepting = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*accepting, return_exceptions=True)
        self._drop()
        while self._connections:  # a transport closes its socket in a later round of the loop
            await asyncio.sleep(0)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._cluster.deadlines.run_due()
        loop.call_later(_TICK_SECONDS, self._tick, loop)


def _listening_socket(host: str, port: int) -> socket.socket:
    """Bound and listening, so that clients may connect at once; their connections wait for the loop."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_WAITING_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from error
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> VeloError:
    return VeloError(
        ErrorCode.INFRASTRUCTURE_MISSING,
        f"the embedded broker cannot listen on {host}:{port}: {error.strerror or error}",
        hint="another port, or 0 for a free one",
    )


def _is_wildcard(host: str) -> bool:
    """Whether it stands for every address of the machine, which no client could connect to."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _steady_clock() -> Callable[[], int]:
    """Milliseconds since 1970; unlike the system's clock it is never set back."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: (offset + time.monotonic_ns()) // 1_000_000
