"""The log of a partition: where records are found, what readers of committed records see."""

from __future__ import annotations

import struct

import pytest

from tests.kafka.embedded.clock import START_MS
from tests.kafka.embedded.made_batches import GZIP, batch_bytes, bitwise_crc32c, made
from velo_harness.kafka.embedded.log import PartitionLog
from velo_harness.kafka.embedded.protocol import ErrorNumber, KafkaError
from velo_harness.kafka.embedded.record_batches import record_heads, split_batches
from velo_harness.kafka.embedded.topic_configs import RecordRules

RULES = RecordRules.of({})
EVERYTHING = 2**40


def log_of(*batches: list[int]) -> PartitionLog:
    """A log with batches of these timestamps."""
    log = PartitionLog()
    for timestamps in batches:
        log.append(made(timestamps), RULES, START_MS)
    return log


def base_offsets(batches: list[bytearray]) -> list[int]:
    return [struct.unpack_from(">q", data)[0] for data in batches]


def times(data: bytearray) -> list[tuple[int, int]]:
    return [(record.offset, record.timestamp) for record in record_heads(data)]


def in_transaction(log: PartitionLog, producer_id: int, records: int, sequence: int = 0) -> None:
    batch = made([5] * records, producer_id=producer_id, epoch=0, sequence=sequence, transactional=True)
    log.append(batch, RULES, START_MS)


def test_batches_get_the_next_offsets_and_keep_all_else() -> None:
    log = PartitionLog()
    sent = batch_bytes([1, 2, 3])
    assert log.append(split_batches(memoryview(sent + sent)), RULES, START_MS).base_offset == 0
    assert log.append(split_batches(memoryview(sent)), RULES, START_MS).base_offset == 6
    kept = log.read(0, log.end_offset, EVERYTHING, at_least=1)
    assert base_offsets(kept) == [0, 3, 6]
    assert all(data[16:] == sent[16:] for data in kept)
    assert (log.end_offset, log.record_count, log.byte_count) == (9, 9, 3 * len(sent))


def test_reading_starts_with_the_batch_that_holds_the_offset() -> None:
    log = log_of([1, 1], [1, 1], [1, 1])
    assert base_offsets(log.read(3, 6, EVERYTHING, at_least=1)) == [2, 4]
    assert base_offsets(log.read(3, 4, EVERYTHING, at_least=1)) == [2]
    assert log.read(6, 6, EVERYTHING, at_least=1) == []


def test_reading_gives_what_fits_but_at_least_so_many_batches() -> None:
    log = log_of([1], [1], [1])
    size = len(batch_bytes([1]))
    assert base_offsets(log.read(0, 3, 2 * size, at_least=0)) == [0, 1]
    assert base_offsets(log.read(0, 3, 2 * size - 1, at_least=0)) == [0]
    assert base_offsets(log.read(1, 3, 0, at_least=1)) == [1]
    assert log.read(1, 3, 0, at_least=0) == []
    assert [log.bytes_between(offset, 3) for offset in range(4)] == [3 * size, 2 * size, size, 0]
    assert log.bytes_between(2, 1) == 0


@pytest.mark.parametrize("compression", [0, GZIP])
def test_a_time_is_found_within_a_batch(compression: int) -> None:
    log = PartitionLog()
    log.append(made([10, 30, 20, 40], compression=compression), RULES, START_MS)
    log.append(made([5, 50, 45]), RULES, START_MS)
    found = {time: log.offset_at_time(time, log.end_offset)[0] for time in (0, 11, 30, 31, 41, 50, 51)}
    assert found == {0: 0, 11: 1, 30: 1, 31: 3, 41: 5, 50: 5, 51: -1}
    assert log.offset_at_time(41, 5) == (-1, -1)
    assert log.offset_of_highest_time() == (5, 50)


def test_the_highest_time_is_that_of_its_first_record() -> None:
    assert log_of([7, 9], [9, 3]).offset_of_highest_time() == (1, 9)
    assert PartitionLog().offset_of_highest_time() == (-1, -1)


def test_deleting_moves_the_start_and_frees_whole_batches() -> None:
    log = log_of([90, 80], [10, 20], [30, 5])
    log.delete_before(3)
    assert (log.start_offset, log.end_offset, log.record_count) == (3, 6, 4)
    assert base_offsets(log.read(3, 6, EVERYTHING, at_least=1)) == [2, 4]
    assert log.byte_count == 2 * len(batch_bytes([1, 2]))
    assert log.offset_at_time(0, 6) == (3, 20)
    assert log.offset_at_time(40, 6) == (-1, -1)
    assert log.offset_of_highest_time() == (4, 30)
    log.delete_before(6)
    assert (log.record_count, log.byte_count, log.end_offset) == (0, 0, 6)
    log.append(made([1]), RULES, START_MS)
    assert base_offsets(log.read(6, 7, EVERYTHING, at_least=1)) == [6]


@pytest.mark.parametrize("offset", [-2, 0, 7])
def test_deleting_outside_of_the_log_is_refused(offset: int) -> None:
    log = log_of([1, 1], [1, 1, 1, 1])
    log.delete_before(1)
    with pytest.raises(KafkaError) as refused:
        log.delete_before(offset)
    assert refused.value.number is ErrorNumber.OFFSET_OUT_OF_RANGE


def test_the_stable_offset_is_the_first_record_of_the_oldest_open_transaction() -> None:
    log = log_of([1])
    in_transaction(log, 7, 2)
    in_transaction(log, 8, 1)
    in_transaction(log, 7, 1, sequence=2)
    assert (log.stable_offset, log.end_offset) == (1, 5)
    log.end_transaction(7, 0, START_MS, committed=True)
    assert (log.stable_offset, log.end_offset) == (3, 6)
    log.end_transaction(8, 0, START_MS, committed=False)
    assert (log.stable_offset, log.end_offset) == (7, 7)
    assert log.record_count == 5


def test_the_stable_offset_does_not_stay_behind_a_start_that_moved() -> None:
    log = PartitionLog()
    in_transaction(log, 7, 2)
    log.append(made([1]), RULES, START_MS)
    log.delete_before(2)
    assert log.stable_offset == 2
    log.end_transaction(7, 0, START_MS, committed=True)
    assert log.stable_offset == 4


def test_aborted_transactions_are_told_to_those_who_read_them() -> None:
    log = PartitionLog()
    in_transaction(log, 7, 2)  # 0, 1
    in_transaction(log, 8, 1)  # 2
    log.end_transaction(8, 0, START_MS, committed=False)  # 3
    log.append(made([1]), RULES, START_MS)  # 4
    log.end_transaction(7, 0, START_MS, committed=False)  # 5
    in_transaction(log, 9, 1)  # 6
    log.end_transaction(9, 0, START_MS, committed=True)  # 7

    def told(offset: int, up_to: int) -> list[tuple[int, int]]:
        batches = log.read(offset, up_to, EVERYTHING, at_least=1)
        return [(aborted.producer_id, aborted.first_offset) for aborted in log.aborted_in(offset, batches)]

    assert told(0, 8) == [(7, 0), (8, 2)]
    assert told(0, 1) == [(7, 0)]
    assert told(4, 8) == [(7, 0)]
    assert told(6, 8) == []


def test_a_marker_is_a_control_batch_with_a_right_checksum() -> None:
    log = PartitionLog()
    in_transaction(log, 7, 1)
    log.end_transaction(7, 3, START_MS, committed=True)
    (marker,) = log.read(1, 2, EVERYTHING, at_least=1)
    offset, length, _, magic, checksum, attributes = struct.unpack_from(">qiibIh", marker)
    assert (offset, length, magic, attributes) == (1, len(marker) - 12, 2, 0x30)
    assert checksum == bitwise_crc32c(bytes(marker[21:]))
    assert struct.unpack_from(">qh", marker, 43) == (7, 3)
    assert times(marker) == [(1, START_MS)]
    # length 16, attributes, time and offset 0, key of 4 bytes (version 0, type 1 = commit), value of 6, no headers
    assert marker[61:] == bytes.fromhex("20 00 00 00 08 00000001 0c 000000000000 00")


def test_append_time_replaces_the_records_times_and_the_checksum_stays_right() -> None:
    log = PartitionLog()
    appended = log.append(made([1, 2, 3]), RecordRules.of({"message.timestamp.type": "LogAppendTime"}), START_MS)
    assert appended.append_time_ms == START_MS
    (data,) = log.read(0, 3, EVERYTHING, at_least=1)
    assert times(data) == [(0, START_MS), (1, START_MS), (2, START_MS)]
    assert struct.unpack_from(">I", data, 17)[0] == bitwise_crc32c(bytes(data[21:]))


@pytest.mark.parametrize(
    ("configs", "timestamp", "error"),
    [
        ({"max.message.bytes": "50"}, START_MS, ErrorNumber.MESSAGE_TOO_LARGE),
        ({"message.timestamp.after.max.ms": "10"}, START_MS + 11, ErrorNumber.INVALID_TIMESTAMP),
        ({"message.timestamp.before.max.ms": "10"}, START_MS - 11, ErrorNumber.INVALID_TIMESTAMP),
        ({}, START_MS + 3_600_001, ErrorNumber.INVALID_TIMESTAMP),
    ],
)
def test_a_topics_limits_hold_and_nothing_is_appended(
    configs: dict[str, str], timestamp: int, error: ErrorNumber
) -> None:
    log = PartitionLog()
    with pytest.raises(KafkaError) as refused:
        log.append(made([START_MS]) + made([timestamp]), RecordRules.of(configs), START_MS)
    assert refused.value.number is error
    assert log.end_offset == 0


@pytest.mark.parametrize("compression", [0, GZIP])
def test_a_compacted_topic_refuses_records_without_a_key(compression: int) -> None:
    rules = RecordRules.of({"cleanup.policy": "compact,delete"})
    log = PartitionLog()
    log.append(made([1, 2], key=b"", compression=compression), rules, START_MS)
    with pytest.raises(KafkaError) as refused:
        log.append(made([1, 2], compression=compression), rules, START_MS)
    assert refused.value.number is ErrorNumber.INVALID_RECORD
    assert log.end_offset == 2


def test_a_limit_before_now_holds_for_every_record() -> None:
    rules = RecordRules.of({"message.timestamp.before.max.ms": "10"})
    with pytest.raises(KafkaError) as refused:
        PartitionLog().append(made([START_MS, START_MS - 11]), rules, START_MS)
    assert refused.value.number is ErrorNumber.INVALID_TIMESTAMP


@pytest.mark.parametrize("codec", range(1, 8))
def test_records_that_do_not_decompress_are_corrupt(codec: int) -> None:
    batch = bytearray(batch_bytes([1, 2]))
    batch[21:23] = codec.to_bytes(2, "big")
    with pytest.raises(KafkaError) as refused:
        list(record_heads(batch))
    assert refused.value.number is ErrorNumber.CORRUPT_MESSAGE


def test_times_within_the_limits_are_taken() -> None:
    limits = RecordRules.of({"message.timestamp.after.max.ms": "10", "message.timestamp.before.max.ms": "10"})
    log = PartitionLog()
    log.append(made([START_MS - 10]) + made([START_MS + 10]), limits, START_MS)
    assert log.end_offset == 2


def test_watchers_hear_of_records_and_of_ends_of_transactions() -> None:
    log = PartitionLog()
    ends: list[int] = []

    def watcher() -> None:
        ends.append(log.end_offset)

    log.watch(watcher)
    in_transaction(log, 7, 1)
    log.end_transaction(7, 0, START_MS, committed=True)
    log.unwatch(watcher)
    log.append(made([1]), RULES, START_MS)
    assert ends == [1, 2]


def damaged(at: int, replacement: bytes) -> bytes:
    sent = bytearray(batch_bytes([1, 2]))
    sent[at : at + len(replacement)] = replacement
    return bytes(sent)


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", ErrorNumber.CORRUPT_MESSAGE),
        (batch_bytes([1])[:40], ErrorNumber.CORRUPT_MESSAGE),
        (batch_bytes([1])[:-1], ErrorNumber.CORRUPT_MESSAGE),
        (damaged(8, b"\xff\xff\xff\xff"), ErrorNumber.CORRUPT_MESSAGE),
        (damaged(16, b"\x01"), ErrorNumber.UNSUPPORTED_FOR_MESSAGE_FORMAT),
        (damaged(21, b"\x00\x20"), ErrorNumber.INVALID_RECORD),
        (damaged(23, b"\x00\x00\x00\x09"), ErrorNumber.INVALID_RECORD),
    ],
)
def test_what_is_no_batch_of_a_producer_is_refused(sent: bytes, error: ErrorNumber) -> None:
    with pytest.raises(KafkaError) as refused:
        split_batches(memoryview(sent))
    assert refused.value.number is error
