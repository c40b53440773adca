"""Offsets: first, last, by time; reading from a given one; records deleted before one."""

from __future__ import annotations

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec

from tests.kafka.checks.cluster import PATIENCE, Cluster, numbered, produce, read, values

START = 1_600_000_000_000
"""Epoch milliseconds, years ago: topics of tests keep records of any age."""


def _listed(cluster: Cluster, topic: str, which: OffsetSpec) -> tuple[int, int]:
    (listed,) = cluster.admin.list_offsets({TopicPartition(topic, 0): which}).values()
    result = listed.result(PATIENCE)
    return result.offset, result.timestamp


def test_the_first_and_the_last_offset_are_exact_after_one_batch(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, numbered(7), linger_ms=100)
    assert _listed(cluster, topic, OffsetSpec.earliest())[0] == 0
    assert _listed(cluster, topic, OffsetSpec.latest())[0] == 7


def test_an_empty_partition_begins_and_ends_at_zero(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    assert cluster.end_offsets(topic) == (0, 0)
    assert cluster.read_all(topic) == []


def test_a_consumer_is_told_the_first_and_the_last_offset(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, numbered(7))
    assert cluster.end_offsets(topic) == (0, 7)


def test_the_record_with_the_highest_timestamp_is_found(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, [{"value": b"x", "timestamp": START + late} for late in (5, 9, 2)], linger_ms=100)
    assert _listed(cluster, topic, OffsetSpec.max_timestamp()) == (1, START + 9)


@pytest.mark.parametrize("in_batches_of", [1, 5])
def test_offsets_are_found_by_time_to_the_record(cluster: Cluster, in_batches_of: int) -> None:
    topic = cluster.new_topic()
    producer = cluster.producer(linger_ms=100)
    records = [{"value": b"x", "timestamp": START + 1000 * number} for number in range(5)]
    for begin in range(0, 5, in_batches_of):
        produce(producer, topic, records[begin : begin + in_batches_of])
    asked = [START - 1, START, START + 1500, START + 4000, START + 4001]
    assert [cluster.offset_for_time(topic, at) for at in asked] == [0, 0, 2, 4, -1]


def test_offsets_by_time_are_of_the_first_record_late_enough_though_times_go_back(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, [{"value": b"x", "timestamp": START + late} for late in (3, 1, 8, 2)], linger_ms=100)
    assert [cluster.offset_for_time(topic, START + late) for late in (0, 2, 4, 9)] == [0, 0, 2, -1]


def test_a_consumer_can_go_back_and_forth(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, numbered(10))
    consumer = cluster.assigned(topic, offset=0)
    read(consumer, 10)
    consumer.seek(TopicPartition(topic, 0, 7))
    assert values(read(consumer, 3)) == [b"7", b"8", b"9"]


def test_reading_in_the_middle_of_a_batch_begins_there(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, numbered(10), linger_ms=100)
    consumer = cluster.assigned(topic, offset=6)
    assert [message.offset() for message in read(consumer, 4)] == [6, 7, 8, 9]


def test_an_offset_beyond_the_end_is_out_of_range_and_reset(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, numbered(10))
    consumer = cluster.assigned(topic, offset=500)
    assert read(consumer, 1)[0].offset() == 0


def test_records_before_an_offset_can_be_deleted(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, numbered(10))
    (deleted,) = cluster.admin.delete_records([TopicPartition(topic, 0, 4)]).values()
    assert deleted.result(PATIENCE).low_watermark == 4
    assert cluster.end_offsets(topic) == (4, 10)
    assert [message.offset() for message in cluster.read_all(topic)] == [4, 5, 6, 7, 8, 9]


def test_a_reader_at_the_end_gets_what_is_written_then(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, numbered(3))
    # A fetch may wait for ten seconds, and must be answered when there is something.
    consumer = cluster.assigned(topic, offset=3, fetch_wait_max_ms=10_000, socket_timeout_ms=20_000)
    assert consumer.poll(0.3) is None
    cluster.write(topic, [{"value": b"new"}])
    assert values(read(consumer, 1)) == [b"new"]
