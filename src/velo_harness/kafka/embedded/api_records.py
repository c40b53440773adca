"""Requests that write, find and delete records. Reading them is in fetching.py."""

from __future__ import annotations

from velo_harness.kafka.embedded.cluster import Cluster
from velo_harness.kafka.embedded.log import Appended, PartitionLog
from velo_harness.kafka.embedded.protocol import (
    LEADER_EPOCH,
    NO_LEADER_EPOCH,
    NO_OFFSET,
    NO_REFUSAL,
    NO_TIMESTAMP,
    Api,
    ErrorNumber,
    KafkaError,
)
from velo_harness.kafka.embedded.record_batches import split_batches
from velo_harness.kafka.embedded.requests import HangUpError, Request

READ_COMMITTED = 1
_LATEST, _EARLIEST, _HIGHEST_TIMESTAMP = -1, -2, -3
_HIGH_WATERMARK = -1


def produce(cluster: Cluster, request: Request) -> None:
    """Produce: appends to partitions, each on its own."""
    body, version = request.body, request.version
    body.nullable_string()
    acks = body.int16()
    body.int32()
    topics = body.array(lambda: (body.string(), body.array(lambda: (body.int32(), body.records()))))
    answer = request.writer().array_length(len(topics))
    failed = False
    for topic, partitions in topics:
        answer.string(topic).array_length(len(partitions))
        for partition, records in partitions:
            error, appended = NO_REFUSAL, Appended(NO_OFFSET, NO_TIMESTAMP)
            try:
                appended = _append(cluster, topic, partition, records, acks)
            except KafkaError as refused:
                error, failed = refused, True
            answer.int32(partition).int16(error.number).int64(appended.base_offset).int64(appended.append_time_ms)
            if version >= 5:
                answer.int64(NO_OFFSET if error.number else cluster.topics.partition(topic, partition).start_offset)
            if version >= 8:
                answer.array_length(0).string(error.message)
    if acks:
        request.reply(answer.int32(0))
    elif failed:
        raise HangUpError("a produce request that wants no answer failed")
    else:
        request.drop()


def _append(cluster: Cluster, topic: str, partition: int, records: memoryview, acks: int) -> Appended:
    if acks not in (-1, 0, 1):
        raise KafkaError(ErrorNumber.INVALID_REQUIRED_ACKS, f"acks={acks}")
    return cluster.append(topic, partition, split_batches(records))


def list_offsets(cluster: Cluster, request: Request) -> None:
    """ListOffsets: the first, the next, that of a time, that of the highest time."""
    body, version = request.body, request.version
    body.int32()
    read_committed = version >= 2 and body.int8() == READ_COMMITTED

    def partition() -> tuple[int, int]:
        index = body.int32()
        if version >= 4:
            body.int32()
        timestamp = body.int64()
        body.tags()
        return index, timestamp

    def topic() -> tuple[str, list[tuple[int, int]]]:
        name, partitions = body.string(), body.array(partition)
        body.tags()
        return name, partitions

    topics = body.array(topic)
    answer = request.writer()
    if version >= 2:
        answer.int32(0)
    answer.array_length(len(topics))
    for name, partitions in topics:
        answer.string(name).array_length(len(partitions))
        for index, timestamp in partitions:
            error, found = NO_REFUSAL, (NO_OFFSET, NO_TIMESTAMP)
            try:
                found = _find_offset(cluster.topics.partition(name, index), timestamp, read_committed=read_committed)
            except KafkaError as refused:
                error = refused
            offset, time = found
            answer.int32(index).int16(error.number).int64(time).int64(offset)
            if version >= 4:
                answer.int32(NO_LEADER_EPOCH if offset == NO_OFFSET else LEADER_EPOCH)
            answer.tags()
        answer.tags()
    request.reply(answer.tags())


def _find_offset(log: PartitionLog, timestamp: int, *, read_committed: bool) -> tuple[int, int]:
    """Offset and time; NO_OFFSET where no record is meant."""
    end = log.stable_offset if read_committed else log.end_offset
    if timestamp == _LATEST:
        return end, NO_TIMESTAMP
    if timestamp == _EARLIEST:
        return log.start_offset, NO_TIMESTAMP
    if timestamp == _HIGHEST_TIMESTAMP:
        return log.offset_of_highest_time()
    if timestamp < 0:
        raise KafkaError(ErrorNumber.UNSUPPORTED_VERSION, f"timestamp {timestamp} has no meaning here")
    return log.offset_at_time(timestamp, end)


def delete_records(cluster: Cluster, request: Request) -> None:
    """DeleteRecords: moves the start of partitions."""
    body = request.body
    topics = body.array(lambda: (body.string(), body.array(lambda: (body.int32(), body.int64()))))
    answer = request.writer().int32(0).array_length(len(topics))
    for name, partitions in topics:
        answer.string(name).array_length(len(partitions))
        for index, offset in partitions:
            start, error = NO_OFFSET, NO_REFUSAL
            try:
                log = cluster.topics.partition(name, index)
                log.delete_before(log.end_offset if offset == _HIGH_WATERMARK else offset)
                start = log.start_offset
            except KafkaError as refused:
                error = refused
            answer.int32(index).int64(start).int16(error.number)
    request.reply(answer)


HANDLERS = {
    Api.PRODUCE: produce,
    Api.LIST_OFFSETS: list_offsets,
    Api.DELETE_RECORDS: delete_records,
}
