"""Records: what is written is what is read, to the byte; partitions; compression; sizes."""

from __future__ import annotations

import random
from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException

from tests.kafka.checks.cluster import Cluster, numbered, values

IN_2020 = 1_600_000_000_123
IN_2100 = 4_102_444_800_000
HUGE = 200_000_000


def test_keys_values_headers_and_timestamps_come_back_as_they_were(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    headers = [("a", b"1"), ("a", b"2"), ("none", None), ("empty", b""), ("naïve", "é".encode())]
    cluster.write(topic, [{"key": b"k", "value": b"\x00\xff", "headers": headers, "timestamp": IN_2020}])
    (message,) = cluster.read_all(topic)
    assert (message.key(), message.value(), message.headers()) == (b"k", b"\x00\xff", headers)
    assert message.timestamp() == (TIMESTAMP_CREATE_TIME, IN_2020)


@pytest.mark.parametrize(("key", "value"), [(b"gone", None), (None, b""), (b"", b"z"), (b"", b""), (None, None)])
def test_nothing_and_empty_stay_different(cluster: Cluster, key: bytes | None, value: bytes | None) -> None:
    topic = cluster.new_topic()
    record: dict[str, Any] = {"key": key, "value": value}
    cluster.write(topic, [record])
    (message,) = cluster.read_all(topic)
    assert (message.key(), message.value(), message.headers()) == (key, value, None)


def test_very_old_timestamps_are_kept(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, [{"value": b"a", "timestamp": 1}])
    assert [message.timestamp() for message in cluster.read_all(topic)] == [(TIMESTAMP_CREATE_TIME, 1)]


def test_timestamps_far_ahead_are_kept_where_the_topic_says_so(cluster: Cluster) -> None:
    topic = cluster.new_topic(config={"message.timestamp.after.max.ms": str(2**63 - 1)})
    cluster.write(topic, [{"value": b"a", "timestamp": IN_2100}])
    assert [message.timestamp() for message in cluster.read_all(topic)] == [(TIMESTAMP_CREATE_TIME, IN_2100)]


def test_timestamps_far_ahead_are_refused_where_the_topic_does_not_say_so(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    with pytest.raises(KafkaException) as refusal:
        cluster.write(topic, [{"value": b"a", "timestamp": IN_2100}])
    assert refusal.value.args[0].code() == KafkaError.INVALID_TIMESTAMP


def test_a_topic_may_have_the_time_of_arrival(cluster: Cluster) -> None:
    topic = cluster.new_topic(config={"message.timestamp.type": "LogAppendTime"})
    cluster.write(topic, [{"value": b"a", "timestamp": IN_2020}] * 2, linger_ms=100)
    (first, at_first), (second, at_second) = (message.timestamp() for message in cluster.read_all(topic))
    assert first == second == TIMESTAMP_LOG_APPEND_TIME
    assert IN_2020 < at_first <= at_second


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_compressed_batches_come_back_as_they_were(cluster: Cluster, codec: str) -> None:
    topic = cluster.new_topic()
    records = [{"value": b"row-%d " % number * 10, "partition": 0} for number in range(2000)]
    cluster.write(topic, records, compression_type=codec, linger_ms=50)
    messages = cluster.read_all(topic)
    assert values(messages) == [record["value"] for record in records]
    assert [message.offset() for message in messages] == list(range(2000))


def test_records_are_in_the_partition_that_they_were_written_to(cluster: Cluster) -> None:
    topic = cluster.new_topic(3)
    cluster.write(topic, [{"value": b"%d" % partition, "partition": partition} for partition in (0, 1, 2) * 3])
    messages = cluster.read_all(topic, [0, 1, 2])
    assert sorted((m.partition(), m.offset(), m.value()) for m in messages) == [
        (partition, offset, b"%d" % partition) for partition in range(3) for offset in range(3)
    ]


def test_records_of_a_key_share_a_partition(cluster: Cluster) -> None:
    topic = cluster.new_topic(3)
    cluster.write(topic, [{"key": b"key-%d" % (number % 7), "value": b""} for number in range(70)])
    placed = {(message.key(), message.partition()) for message in cluster.read_all(topic, [0, 1, 2])}
    assert len(placed) == 7
    assert len({partition for _, partition in placed}) > 1


def test_an_idempotent_producer_writes_each_record_once(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, numbered(1000), enable_idempotence=True, batch_num_messages=10)
    assert values(cluster.read_all(topic)) == [b"%d" % number for number in range(1000)]


def test_records_of_several_producers_each_stay_in_order(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    producers = [cluster.producer(batch_num_messages=7) for _ in range(3)]
    for number in range(300):
        for name, producer in enumerate(producers):
            producer.produce(topic, b"%d" % number, b"%d" % name, 0)
            producer.poll(0)
    assert [producer.flush(30) for producer in producers] == [0, 0, 0]
    messages = cluster.read_all(topic)
    assert [message.offset() for message in messages] == list(range(900))
    for name in range(3):
        own = [message for message in messages if message.key() == b"%d" % name]
        assert values(own) == [b"%d" % number for number in range(300)]


def test_small_fetches_read_everything(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, [{"value": b"%04d" % number * 25, "partition": 0} for number in range(1000)])
    messages = cluster.read_all(topic, message_max_bytes=1000, fetch_max_bytes=1000, max_partition_fetch_bytes=500)
    assert values(messages) == [b"%04d" % number * 25 for number in range(1000)]


@pytest.mark.parametrize("size", [900_000, 2_000_000, 6_000_000, 20_000_000, 60_000_000])
def test_a_record_may_be_as_large_as_the_topic_says(cluster: Cluster, size: int) -> None:
    topic = cluster.new_topic(config={"max.message.bytes": str(HUGE)})
    value = random.Random(size).randbytes(size)
    cluster.write(topic, [{"value": value, "partition": 0}], message_max_bytes=HUGE)
    (message,) = cluster.read_all(
        topic, message_max_bytes=HUGE, fetch_max_bytes=HUGE, receive_message_max_bytes=2 * HUGE
    )
    assert message.value() == value
    cluster.admin.delete_topics([topic])[topic].result(30)


def test_a_record_larger_than_the_topic_says_is_refused(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    with pytest.raises(KafkaException) as refusal:
        cluster.write(topic, [{"value": b"x" * 2_000_000, "partition": 0}], message_max_bytes=HUGE)
    assert refusal.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert cluster.end_offsets(topic) == (0, 0)
