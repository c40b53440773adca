"""Record batches written out by hand after Kafka's documentation, for tests without a client."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence

from velo_harness.kafka.embedded.record_batches import RecordBatch, split_batches

GZIP = 1


def zigzag(number: int) -> bytes:
    """A signed varint."""
    value = number << 1 if number >= 0 else (-number << 1) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def bitwise_crc32c(data: bytes) -> int:
    """CRC-32C by its definition, a bit at a time."""
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


def batch_bytes(
    timestamps: Sequence[int],
    *,
    key: bytes | None = None,
    value: bytes = b"v",
    producer_id: int = -1,
    epoch: int = -1,
    sequence: int = -1,
    transactional: bool = False,
    compression: int = 0,
) -> bytes:
    """A batch of records, one for each timestamp."""
    records = b""
    for offset, timestamp in enumerate(timestamps):
        body = b"\x00" + zigzag(timestamp - timestamps[0]) + zigzag(offset)
        body += zigzag(-1) if key is None else zigzag(len(key)) + key
        body += zigzag(len(value)) + value + zigzag(0)
        records += zigzag(len(body)) + body
    if compression == GZIP:
        records = gzip.compress(records)
    attributes = compression | (0x10 if transactional else 0)
    count = len(timestamps)
    checked = struct.pack(
        ">hiqqqhii", attributes, count - 1, timestamps[0], max(timestamps), producer_id, epoch, sequence, count
    )
    checked += records
    return struct.pack(">qiibI", 0, 9 + len(checked), -1, 2, bitwise_crc32c(checked)) + checked


def made(timestamps: Sequence[int] = (1,), **options: object) -> list[RecordBatch]:
    """The same as the broker reads it from a request."""
    return split_batches(memoryview(batch_bytes(timestamps, **options)))  # type: ignore[arg-type]
