"""Record batches: their headers read and rewritten, their records left as they are.

The layout is https://kafka.apache.org/documentation/#recordbatch (magic 2). The checksum covers everything from the
attributes on, so that the broker's part, base offset and leader epoch, is written without touching it. It is the
producer's and is handed on unchecked: readers check it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from velo_harness.kafka.embedded.crc32c import crc32c, crc32c_after_change
from velo_harness.kafka.embedded.protocol import LEADER_EPOCH, ErrorNumber, KafkaError

NO_PRODUCER = -1

_HEADER = struct.Struct(">qiibIhiqqqhii")  # up to the number of records
_BEFORE_LENGTH_ENDS = 12
_LEADER_EPOCH_AT = 12
_CRC_AT = 17
_ATTRIBUTES_AT = 21
_LAST_OFFSET_DELTA_AT = 23
_MAX_TIMESTAMP_AT = 35
_MAX_TIMESTAMP_END = 43
_MAGIC = 2
_COMPRESSION = 0x07
_LOG_APPEND_TIME = 0x08
_TRANSACTIONAL = 0x10
_CONTROL = 0x20


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """One batch as a producer sent it: its bytes and what its header says."""

    data: memoryview
    last_offset_delta: int
    max_timestamp: int
    attributes: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def transactional(self) -> bool:
        """Whether it belongs to a transaction."""
        return bool(self.attributes & _TRANSACTIONAL)

    @property
    def last_sequence(self) -> int:
        """Sequence number of its last record; they wrap at 2^31."""
        return (self.base_sequence + self.last_offset_delta) & 0x7FFFFFFF


def split_batches(records: memoryview) -> list[RecordBatch]:
    """The batches of a produce request for one partition.

    Raises:
        KafkaError: the bytes are not whole batches (CORRUPT_MESSAGE), of an old message format, or not what a producer
            may send (INVALID_RECORD).
    """
    batches = []
    while len(records):
        if len(records) < _HEADER.size:
            raise KafkaError(ErrorNumber.CORRUPT_MESSAGE, "a record batch ends too early")
        _, length, _, magic, _, attributes, last, _, latest, producer, epoch, sequence, count = _HEADER.unpack_from(
            records
        )
        if magic != _MAGIC:
            raise KafkaError(ErrorNumber.UNSUPPORTED_FOR_MESSAGE_FORMAT, f"message format {magic} is not supported")
        end = _BEFORE_LENGTH_ENDS + length
        if not _HEADER.size <= end <= len(records):
            raise KafkaError(ErrorNumber.CORRUPT_MESSAGE, "a record batch ends too early")
        if attributes & _CONTROL or count < 1 or last != count - 1:
            raise KafkaError(ErrorNumber.INVALID_RECORD, "a batch that no producer may send")
        batches.append(RecordBatch(records[:end], last, latest, attributes, producer, epoch, sequence, count))
        records = records[end:]
    if not batches:
        raise KafkaError(ErrorNumber.CORRUPT_MESSAGE, "no record batch")
    return batches


def placed(batch: RecordBatch, base_offset: int) -> bytearray:
    """The batch as the log keeps it, with its offset."""
    data = bytearray(batch.data)
    struct.pack_into(">q", data, 0, base_offset)
    struct.pack_into(">i", data, _LEADER_EPOCH_AT, LEADER_EPOCH)
    return data


def stamp(data: bytearray, append_time_ms: int) -> None:
    """Gives all records of a batch the time of the broker (`message.timestamp.type = LogAppendTime`), in place."""
    before = bytes(data[_ATTRIBUTES_AT:_MAX_TIMESTAMP_END])
    (attributes,) = struct.unpack_from(">h", data, _ATTRIBUTES_AT)
    struct.pack_into(">h", data, _ATTRIBUTES_AT, attributes | _LOG_APPEND_TIME)
    struct.pack_into(">q", data, _MAX_TIMESTAMP_AT, append_time_ms)
    change = bytes(a ^ b for a, b in zip(before, data[_ATTRIBUTES_AT:_MAX_TIMESTAMP_END], strict=True))
    (checksum,) = struct.unpack_from(">I", data, _CRC_AT)
    updated = crc32c_after_change(checksum, change, len(data) - _MAX_TIMESTAMP_END)
    struct.pack_into(">I", data, _CRC_AT, updated)


def transaction_marker(base_offset: int, producer_id: int, epoch: int, now_ms: int, *, committed: bool) -> bytearray:
    """The control batch that ends a producer's transaction in one partition (KIP-98)."""
    key = struct.pack(">hh", 0, 1 if committed else 0)
    value = struct.pack(">hi", 0, 0)
    body = b"\x00\x00\x00" + bytes([2 * len(key)]) + key + bytes([2 * len(value)]) + value + b"\x00"
    record = bytes([2 * len(body)]) + body
    length = _HEADER.size - _BEFORE_LENGTH_ENDS + len(record)
    attributes = _TRANSACTIONAL | _CONTROL
    header = (base_offset, length, LEADER_EPOCH, _MAGIC, 0, attributes, 0, now_ms, now_ms, producer_id, epoch, -1, 1)
    data = bytearray(_HEADER.pack(*header)) + record
    struct.pack_into(">I", data, _CRC_AT, crc32c(data[_ATTRIBUTES_AT:]))
    return data


def max_timestamp(data: bytearray) -> int:
    """The highest timestamp (ms) of a batch in the log."""
    (timestamp,) = struct.unpack_from(">q", data, _MAX_TIMESTAMP_AT)
    return int(timestamp)


def end_of(data: bytearray) -> int:
    """The offset behind a batch in the log."""
    (base_offset,) = struct.unpack_from(">q", data, 0)
    (last,) = struct.unpack_from(">i", data, _LAST_OFFSET_DELTA_AT)
    return int(base_offset + last + 1)


@dataclass(frozen=True, slots=True)
class RecordHead:
    """What the broker looks at in a single record."""

    offset: int
    timestamp: int
    keyed: bool
    """Whether it has a key."""


def record_heads(data: bytearray | memoryview) -> Iterator[RecordHead]:
    """Every record of a batch. Looks into compressed batches. Raises KafkaError (CORRUPT_MESSAGE)."""
    header = _HEADER.unpack_from(data)
    base_offset, attributes, first_timestamp, latest, count = (header[i] for i in (0, 5, 7, 8, 12))
    stamped = attributes & _LOG_APPEND_TIME
    try:
        records = _decompressed(memoryview(data)[_HEADER.size :], attributes & _COMPRESSION)
        at = 0
        for _ in range(count):
            length, at = _varint(records, at)
            timestamp_delta, within = _varint(records, at + 1)
            offset_delta, within = _varint(records, within)
            key_length, _ = _varint(records, within)
            yield RecordHead(
                base_offset + offset_delta, latest if stamped else first_timestamp + timestamp_delta, key_length >= 0
            )
            at += length
    except (IndexError, KeyError, OSError, ValueError, struct.error) as error:  # Arrow's errors are among them
        raise KafkaError(ErrorNumber.CORRUPT_MESSAGE, f"a batch that cannot be read: {error}") from error


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A zigzag varint, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value >> 1 ^ -(value & 1), at
        shift += 7


_STREAM_CODECS = {1: "gzip", 3: "lz4", 4: "zstd"}
_SNAPPY = 2
_SNAPPY_JAVA_MAGIC = b"\x82SNAPPY\x00"
_SNAPPY_JAVA_HEADER = 16


def _decompressed(data: memoryview, compression: int) -> memoryview:
    if compression == 0:
        return data
    import pyarrow as pa

    if compression == _SNAPPY:
        return memoryview(b"".join(_snappy_blocks(data)))
    return memoryview(pa.CompressedInputStream(pa.BufferReader(data), _STREAM_CODECS[compression]).read())


def _snappy_blocks(data: memoryview) -> Iterator[bytes]:
    """Blocks of the framing that Java clients write; other clients write one block without it."""
    import pyarrow as pa

    if bytes(data[: len(_SNAPPY_JAVA_MAGIC)]) != _SNAPPY_JAVA_MAGIC:
        yield pa.decompress(data, _snappy_size(data), codec="snappy", asbytes=True)
        return
    at = _SNAPPY_JAVA_HEADER
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        block = data[at + 4 : at + 4 + length]
        yield pa.decompress(block, _snappy_size(block), codec="snappy", asbytes=True)
        at += 4 + length


def _snappy_size(block: memoryview) -> int:
    """The uncompressed size, a plain varint at the start of a snappy block."""
    value = shift = 0
    for byte in block:
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value
