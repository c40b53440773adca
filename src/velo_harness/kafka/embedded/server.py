"""Connections: frames in, answers out in the order of the requests."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from velo_harness.kafka.embedded import (
    api_cluster,
    api_configs,
    api_groups,
    api_offsets,
    api_records,
    api_topics,
    api_transactions,
    fetching,
)
from velo_harness.kafka.embedded.cluster import Cluster
from velo_harness.kafka.embedded.protocol import Api
from velo_harness.kafka.embedded.requests import Address, HangUpError, Request
from velo_harness.kafka.embedded.wire import MalformedMessageError

log = logging.getLogger(__name__)

MAX_FRAME_BYTES = 104_857_600
"""Kafka's default for `socket.request.max.bytes`. Bytes of another protocol (HTTP, TLS) give lengths beyond it."""

_LENGTH_BYTES = 4

HANDLERS: dict[Api, Callable[[Cluster, Request], None]] = {
    **api_cluster.HANDLERS,
    **api_configs.HANDLERS,
    **api_groups.HANDLERS,
    **api_offsets.HANDLERS,
    **api_records.HANDLERS,
    **api_topics.HANDLERS,
    **api_transactions.HANDLERS,
    **fetching.HANDLERS,
}


class Connection(asyncio.Protocol):
    """One client. `advertised_host` is told to it as the broker's; None: the address by which it came."""

    def __init__(self, cluster: Cluster, connections: set[Connection], advertised_host: str | None) -> None:
        self._cluster = cluster
        self._connections = connections
        self._advertised_host = advertised_host
        self._incoming = bytearray()
        self._requests: deque[Request] = deque()
        self._transport: asyncio.Transport
        self._broker: Address
        self._client_host = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._client_host = "/" + transport.get_extra_info("peername")[0]
        host, port, *_ = transport.get_extra_info("sockname")
        self._broker = Address(self._advertised_host or host, port)
        self._connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Forgets what is unanswered."""
        self._connections.discard(self)
        self._requests.clear()

    def data_received(self, data: bytes) -> None:
        """Handles every whole request that has come."""
        incoming = self._incoming
        incoming += data
        start = 0
        while len(incoming) - start >= _LENGTH_BYTES and not self._transport.is_closing():
            length = int.from_bytes(incoming[start : start + _LENGTH_BYTES], "big")
            if length > MAX_FRAME_BYTES:
                self._hang_up(f"a request of {length} bytes")
                return
            end = start + _LENGTH_BYTES + length
            if len(incoming) < end:
                break
            self._handle(memoryview(bytes(memoryview(incoming)[start + _LENGTH_BYTES : end])))
            start = end
        if start:
            del incoming[:start]

    def pause_writing(self) -> None:
        """A client that does not read its answers may not ask for more."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Ends the connection."""
        self._transport.abort()

    def _handle(self, frame: memoryview) -> None:
        try:
            request = Request(
                frame,
                client_host=self._client_host,
                broker=self._broker,
                schedule=_call_later,
                answered=self._send_answers,
            )
            self._requests.append(request)
            HANDLERS[request.api](self._cluster, request)
        except (HangUpError, MalformedMessageError) as error:
            self._hang_up(str(error))
        except Exception:
            log.exception("a request failed")
            self._hang_up("a defect")

    def _hang_up(self, why: str) -> None:
        log.warning("closed the connection of %s: %s", self._client_host, why)
        self._transport.close()

    def _send_answers(self) -> None:
        """Sends what is ready, up to the first request that is not answered yet."""
        ready: list[bytes | bytearray] = []
        while self._requests and self._requests[0].answer is not None:
            ready += self._requests.popleft().answer or []
        if ready and not self._transport.is_closing():
            self._transport.writelines(ready)


def _call_later(seconds: float, action: Callable[[], None]) -> Callable[[], None]:
    return asyncio.get_running_loop().call_later(seconds, action).cancel
