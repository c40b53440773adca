"""Bytes that are no request, or one that no client would send: the connection may be closed, the broker goes on."""

from __future__ import annotations

import asyncio
import logging
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kafka.embedded.clock import ManualClock
from tests.kafka.embedded.made_batches import batch_bytes
from velo_harness.kafka.embedded.cluster import Cluster
from velo_harness.kafka.embedded.protocol import SUPPORTED
from velo_harness.kafka.embedded.server import HANDLERS, Connection


class Line(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.sent = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def connected() -> tuple[Connection, Line, Cluster]:
    clock = ManualClock()
    cluster = Cluster(lambda: clock.now)
    cluster.topics.create("t", 1, {})
    connection, line = Connection(cluster, set(), None), Line()
    connection.connection_made(line)
    return connection, line, cluster


def framed(api: int, version: int, body: bytes) -> bytes:
    header = struct.pack(">hhih", api, version, 1, -1)
    if version >= SUPPORTED[api].first_compact:  # type: ignore[index]
        header += b"\0"
    return struct.pack(">i", len(header + body)) + header + body


# Bytes that often are plausible lengths and names
PIECES = st.one_of(
    st.integers(-2, 3).map(lambda number: struct.pack(">i", number)),
    st.integers(-2, 3).map(lambda number: struct.pack(">q", number)),
    st.sampled_from([struct.pack(">iiiib", -1, 0, 1, 9999, 1), struct.pack(">ihi", 1, 1, 0)]),  # a fetch begins so
    st.binary(max_size=8),
    st.integers(-2, 3).map(lambda number: struct.pack(">h", number)),
    st.just(b"\x00\x01t"),
    st.just(b"\x02t"),
    st.just(struct.pack(">i", len(batch_bytes([1]))) + batch_bytes([1])),
)
REQUESTS = st.sampled_from(
    [(api, v) for api, known in SUPPORTED.items() for v in range(known.lowest, known.highest + 1)]
)


@settings(max_examples=250)
@given(st.lists(st.tuples(REQUESTS, st.lists(PIECES, max_size=20).map(b"".join)), min_size=1, max_size=5))
def test_no_request_is_a_defect(requests: list[tuple[tuple[int, int], bytes]]) -> None:
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    server_log = logging.getLogger("velo_harness.kafka.embedded.server")
    server_log.addHandler(handler)

    async def send() -> None:
        connection, line, _ = connected()
        for (api, version), body in requests:
            connection.data_received(framed(api, version, body))
            if line.closed:
                connection, line, _ = connected()

    try:
        asyncio.run(send())
    finally:
        server_log.removeHandler(handler)
    assert not [message for message in logged if "defect" in message], logged


@given(st.binary(max_size=200), st.lists(st.integers(1, 50), max_size=10))
def test_any_bytes_in_any_pieces_are_survived(data: bytes, sizes: list[int]) -> None:
    connection, line, _ = connected()
    for size in [*sizes, len(data)]:
        if line.closed:
            break
        connection.data_received(data[:size])
        data = data[size:]


def test_nothing_behind_a_malformed_request_is_done() -> None:
    connection, line, cluster = connected()
    create = struct.pack(">ih", 1, 3) + b"new"
    connection.data_received(framed(3, 1, b"") + framed(3, 1, create))
    assert line.closed
    assert cluster.topics.find("new") is None
    connection, line, cluster = connected()
    connection.data_received(framed(3, 1, create))
    assert cluster.topics.find("new") is not None


def test_every_request_that_is_offered_has_a_handler() -> None:
    assert HANDLERS.keys() == SUPPORTED.keys()


@pytest.mark.parametrize("damaged_at", range(17, 75))
def test_a_time_in_a_damaged_batch_is_looked_for_without_a_defect(damaged_at: int) -> None:
    batch = bytearray(batch_bytes([1, 2], compression=1))
    batch[damaged_at] ^= 0xFF
    connection, line, _ = connected()
    body = struct.pack(">hhiih", -1, -1, 0, 1, 1) + b"t" + struct.pack(">iii", 1, 0, len(batch)) + batch
    connection.data_received(framed(0, 3, body))
    body = struct.pack(">iih", -1, 1, 1) + b"t" + struct.pack(">iiq", 1, 0, 2)
    line.sent = b""
    connection.data_received(framed(2, 1, body))
    assert not line.closed
    assert line.sent
