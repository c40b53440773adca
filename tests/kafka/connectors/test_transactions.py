"""Epochs of a job, each in one transaction."""

from __future__ import annotations

import threading

import pytest

from tests.kafka.checks.cluster import eventually
from tests.kafka.connectors.conftest import NUMBERS, free_port, numbers, read_all
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.open_client import open_admin
from velo_engine.connectors.kafka.producer import TransactionalWriter, _close, _flushed
from velo_engine.connectors.kafka.source import KafkaSource
from velo_engine.connectors.kafka.topic_admin import make_topic
from velo_engine.connectors.records import Records
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import open_format
from velo_harness.kafka.embedded import EmbeddedBroker


def records(topic: str, *values: int) -> Records:
    return Records(topic, [b'{"n":%d}' % n for n in values])


@pytest.fixture
def transactions(cluster, new_topic):
    """Opens transactional writers of one job; gives their topic too."""
    topic = new_topic(2)
    opened = []

    def one() -> TransactionalWriter:
        opened.append(TransactionalWriter(cluster, f"velo.{topic}", f"velo.{topic}"))
        return opened[-1]

    yield topic, one
    for writer in opened:
        writer.close()


def test_an_epoch_is_published_with_the_offsets_it_covers(transactions, cluster, open_source):
    from confluent_kafka import ConsumerGroupTopicPartitions

    topic, one = transactions
    writer = one()
    assert writer.open() is None
    writer.publish(7, [records(topic, 1), records(topic, 2)], {(topic, 0): 11, (topic, 1): 12})

    admin = open_admin(cluster)
    group = f"velo.{topic}"

    def kept():
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group]
        return sorted((t.partition, t.offset, t.metadata) for t in asked.result().topic_partitions)

    assert sorted(numbers(read_all(open_source(topic)))) == [1, 2]
    # The broker shows the offsets a moment after it has acknowledged the commit.
    eventually(lambda: kept() == [(0, 11, "epoch=7"), (1, 12, "epoch=7")], "the offsets and the epoch are kept")


def test_the_last_epoch_is_known_without_fencing(transactions):
    topic, one = transactions
    first = one()
    assert first.committed() is None
    first.open()
    first.publish(1, [records(topic, 1)], {(topic, 0): 1})
    other = one()
    eventually(lambda: other.committed() == 1, "the first epoch is seen")
    first.publish(2, [], {(topic, 0): 2})


def test_a_new_run_knows_the_last_epoch(transactions):
    topic, one = transactions
    first = one()
    first.open()
    first.publish(1, [records(topic, 1)], {(topic, 0): 1})
    first.publish(2, [], {(topic, 0): 2})

    assert one().open() == 2


def test_a_predecessor_may_not_publish_any_more(transactions, open_source):
    topic, one = transactions
    zombie, successor = one(), one()
    zombie.open()
    zombie.publish(1, [records(topic, 1)], {(topic, 0): 1})
    successor.open()

    with pytest.raises(VeloError, match="another job writes as") as caught:
        zombie.publish(2, [records(topic, 99)], {(topic, 0): 9})
    successor.publish(2, [records(topic, 2)], {(topic, 0): 2})

    assert caught.value.code is ErrorCode.JOB_FAILED
    assert sorted(numbers(read_all(open_source(topic)))) == [1, 2]


def test_a_transaction_that_was_not_committed_is_never_seen(transactions, open_source):
    topic, one = transactions
    dead = one()
    dead.open()
    dead._producer.begin_transaction()
    dead._producer.produce(topic, b'{"n":99}', partition=0)
    dead._producer.flush()

    successor = one()
    assert successor.open() is None
    successor.publish(1, [records(topic, 1)], {(topic, 0): 1})

    assert numbers(read_all(open_source(topic))) == [1]


def test_an_epoch_needs_a_place(transactions):
    topic, one = transactions
    writer = one()
    writer.open()

    with pytest.raises(ValueError, match="no"):
        writer.publish(1, [records(topic, 1)], {})


def test_a_broker_that_goes_away_is_waited_for_and_nothing_is_there_twice():
    broker = EmbeddedBroker(port=free_port())
    broker.start()
    try:
        cluster = KafkaCluster(broker.bootstrap_servers)
        make_topic(cluster, "t", 1)
        writer = TransactionalWriter(cluster, "velo.away", "velo.away", {"reconnect.backoff.max.ms": 100})
        writer.open()
        writer.publish(1, [records("t", 1)], {("t", 0): 1})

        broker.stop()
        publishing = threading.Thread(target=writer.publish, args=(2, [records("t", 2, 3)], {("t", 0): 2}))
        publishing.start()
        publishing.join(0.3)
        assert publishing.is_alive()
        broker.start()
        publishing.join(60)

        assert not publishing.is_alive()
        source = KafkaSource("t", open_format("json", NUMBERS, {}), NUMBERS, cluster)
        assert numbers(read_all(source)) == [1, 2, 3]
        source.close()
        writer.close()
    finally:
        broker.stop()


def test_a_record_that_is_refused_ends_the_job_and_is_never_seen(transactions, open_source):
    topic, one = transactions
    writer = one()
    writer.open()

    with pytest.raises(VeloError, match="larger than"):
        writer.publish(1, [records(topic, 1), Records(topic, [b"x" * 2_000_000])], {(topic, 0): 1})
    writer.close()

    assert one().open() is None
    assert numbers(read_all(open_source(topic))) == []


def test_a_client_that_turned_fatal_while_closing_is_given_up():
    class Fatal:
        """As confluent-kafka's producer is when the broker fences it meanwhile."""

        def flush(self, timeout_s: float) -> int:
            raise SystemError("returned NULL without setting an exception")

        def purge(self) -> None:
            pass

        def __len__(self) -> int:
            return 3

    _close(Fatal())
    assert _flushed(Fatal(), 0) == 3
