"""Transactions: what a reader of committed records sees, offsets within them, fencing, time-outs."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tests.kafka.checks.cluster import PATIENCE, Cluster, numbered, produce, read, unique, values


def test_a_committed_transaction_is_seen(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    producer = cluster.transactional_producer()
    producer.begin_transaction()
    produce(producer, topic, numbered(5))
    cluster.end(producer.commit_transaction, topic)
    assert values(cluster.read_all(topic)) == [b"0", b"1", b"2", b"3", b"4"]


def test_an_aborted_transaction_is_hidden_and_the_next_one_is_seen(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    producer = cluster.transactional_producer()
    producer.begin_transaction()
    produce(producer, topic, [{"value": b"aborted"}] * 5)
    producer.abort_transaction(PATIENCE)
    producer.begin_transaction()
    produce(producer, topic, [{"value": b"committed"}] * 3)
    cluster.end(producer.commit_transaction, topic)
    assert values(cluster.read_all(topic)) == [b"committed"] * 3
    assert values(cluster.read_all(topic, isolation_level="read_uncommitted")) == [b"aborted"] * 5 + [b"committed"] * 3
    # The two markers have an offset each.
    assert cluster.end_offsets(topic) == (0, 10)


def test_an_open_transaction_is_hidden_and_so_is_all_behind_it(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, [{"value": b"before"}])
    producer = cluster.transactional_producer()
    producer.begin_transaction()
    produce(producer, topic, [{"value": b"open"}] * 5)
    cluster.write(topic, [{"value": b"behind"}])
    assert values(cluster.read_all(topic)) == [b"before"]
    uncommitted = values(cluster.read_all(topic, isolation_level="read_uncommitted"))
    assert uncommitted == [b"before"] + [b"open"] * 5 + [b"behind"]
    cluster.end(producer.commit_transaction, topic)
    assert values(cluster.read_all(topic)) == uncommitted


def test_the_end_for_a_reader_of_committed_records_is_before_an_open_transaction(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, numbered(2))
    producer = cluster.transactional_producer()
    producer.begin_transaction()
    produce(producer, topic, numbered(3))
    assert cluster.end_offsets(topic, isolation="read_committed") == (0, 2)
    assert cluster.end_offsets(topic) == (0, 5)
    cluster.end(producer.abort_transaction, topic)
    assert cluster.end_offsets(topic, isolation="read_committed") == (0, 6)


def test_many_transactions_of_several_producers_are_told_apart(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    producers = [cluster.transactional_producer() for _ in range(3)]
    kept: list[bytes] = []
    for turn in range(12):
        for name, producer in enumerate(producers):
            producer.begin_transaction()
            produce(producer, topic, [{"value": b"%d-%d" % (name, turn)}] * 2)
        # They end in another order than they began, and every third of them is aborted.
        for name, producer in reversed(list(enumerate(producers))):
            if (turn + name) % 3 == 0:
                producer.abort_transaction(PATIENCE)
            else:
                producer.commit_transaction(PATIENCE)
        kept += [b"%d-%d" % (name, turn) for name in range(3) if (turn + name) % 3 for _ in range(2)]
    assert values(cluster.read_all(topic)) == kept
    assert (
        values(cluster.read_all(topic, message_max_bytes=1000, fetch_max_bytes=1000, max_partition_fetch_bytes=200))
        == kept
    )


def test_a_reader_that_begins_within_an_aborted_transaction_does_not_see_its_rest(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    producer = cluster.transactional_producer()
    producer.begin_transaction()
    for _ in range(4):
        produce(producer, topic, [{"value": b"aborted"}])
    cluster.end(producer.abort_transaction, topic)
    cluster.write(topic, [{"value": b"after"}])
    reader = cluster.assigned(topic, offset=2, isolation_level="read_committed")
    assert [(m.offset(), m.value()) for m in read(reader, 1)] == [(5, b"after")]


def test_a_transaction_is_over_all_its_topics_and_partitions(cluster: Cluster) -> None:
    topics = [cluster.new_topic(2), cluster.new_topic(2)]
    producer = cluster.transactional_producer()
    for end, seen in ((producer.abort_transaction, 0), (producer.commit_transaction, 5)):
        producer.begin_transaction()
        for topic in topics:
            for partition in (0, 1):
                produce(producer, topic, numbered(5, partition))
        end(PATIENCE)
        for topic in topics:
            cluster.wait_until_settled(topic, [0, 1])
            counted = [message.partition() for message in cluster.read_all(topic, [0, 1])]
            assert [counted.count(partition) for partition in (0, 1)] == [seen, seen]


def test_offsets_are_committed_with_their_transaction_or_not_at_all(cluster: Cluster) -> None:
    source, target, group = cluster.new_topic(), cluster.new_topic(), unique("group")
    cluster.write(source, numbered(10))
    consumer = cluster.subscribed(source, group)
    messages = read(consumer, 10)
    producer = cluster.transactional_producer()

    producer.begin_transaction()
    produce(producer, target, [{"value": message.value()} for message in messages])
    offsets = [TopicPartition(source, 0, 10, metadata="epoch=1")]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), PATIENCE)
    cluster.end(producer.commit_transaction, target)
    (found,) = consumer.committed([TopicPartition(source, 0)], timeout=PATIENCE)
    assert (found.offset, found.metadata) == (10, "epoch=1")

    producer.begin_transaction()
    produce(producer, target, [{"value": b"aborted"}])
    offsets = [TopicPartition(source, 0, 3, metadata="epoch=2")]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), PATIENCE)
    cluster.end(producer.abort_transaction, target)
    (found,) = consumer.committed([TopicPartition(source, 0)], timeout=PATIENCE)
    assert (found.offset, found.metadata) == (10, "epoch=1")
    assert values(cluster.read_all(target)) == values(messages)


def test_a_successor_fences_its_predecessor_and_aborts_its_transaction(cluster: Cluster) -> None:
    topic, transactional_id = cluster.new_topic(), unique("txn")
    zombie = cluster.transactional_producer(transactional_id)
    zombie.begin_transaction()
    produce(zombie, topic, [{"value": b"zombie"}])
    successor = cluster.transactional_producer(transactional_id)
    successor.begin_transaction()
    produce(successor, topic, [{"value": b"successor"}])
    cluster.end(successor.commit_transaction, topic)
    with pytest.raises(KafkaException) as refusal:
        zombie.commit_transaction(PATIENCE)
    assert refusal.value.args[0].code() == KafkaError._FENCED
    assert refusal.value.args[0].fatal()
    assert values(cluster.read_all(topic)) == [b"successor"]


def test_a_fenced_producer_cannot_write(cluster: Cluster) -> None:
    topic, transactional_id = cluster.new_topic(), unique("txn")
    zombie = cluster.transactional_producer(transactional_id)
    zombie.begin_transaction()
    produce(zombie, topic, [{"value": b"zombie"}])
    cluster.transactional_producer(transactional_id)
    with pytest.raises(KafkaException):
        produce(zombie, topic, [{"value": b"late"}])
    assert cluster.read_all(topic) == []


def test_a_transaction_that_takes_too_long_is_aborted(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    producer = cluster.transactional_producer(transaction_timeout_ms=1500, message_timeout_ms=1500)
    producer.begin_transaction()
    produce(producer, topic, [{"value": b"abandoned"}])
    cluster.write(topic, [{"value": b"behind"}])
    reader = cluster.assigned(topic, offset=0, isolation_level="read_committed")
    assert values(read(reader, 1)) == [b"behind"]
    with pytest.raises(KafkaException):
        producer.commit_transaction(PATIENCE)
