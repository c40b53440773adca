"""What the check at the start lets pass, and the brokers that it refuses."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer, TopicPartition

from tests.kafka.checks.cluster import Cluster
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.errors import ErrorCode, VeloError
from velo_harness.kafka.self_check import check_broker


@pytest.fixture
def clients(kafka_bootstrap: str) -> Iterator[Cluster]:
    opened = Cluster(kafka_bootstrap)
    yield opened
    opened.close()


@pytest.fixture
def mock_cluster() -> Iterator[str]:
    """The mock cluster in librdkafka, which does not hide aborted records."""
    owner = Producer({"test.mock.num.brokers": 1, "log_level": 2})
    broker = next(iter(owner.list_topics(timeout=10).brokers.values()))
    yield f"{broker.host}:{broker.port}"
    owner.flush(1)  # it lives as long as its owner


def refusal(cluster: KafkaCluster, topic: str, *, hinted: bool = True) -> str:
    with pytest.raises(VeloError) as refused:
        check_broker(cluster, topic, f"check-{uuid.uuid4().hex}")
    assert refused.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert bool(refused.value.hint) is hinted
    return refused.value.message


def test_a_correct_broker_passes(cluster: KafkaCluster, clients: Cluster) -> None:
    check_broker(cluster, clients.new_topic(), f"check-{uuid.uuid4().hex}")


def test_a_broker_that_shows_aborted_records_is_refused(mock_cluster: str) -> None:
    message = refusal(KafkaCluster(mock_cluster), "made-by-itself")
    assert (
        message
        == f"the broker at {mock_cluster} shows a record of an aborted transaction to readers of committed records"
    )


def test_a_broker_that_changes_timestamps_is_refused(cluster: KafkaCluster, clients: Cluster) -> None:
    topic = clients.new_topic(config={"message.timestamp.type": "LogAppendTime"})
    assert "changes timestamps: the first record was written with 1577836800000 and has" in refusal(cluster, topic)


def test_a_broker_whose_end_is_not_the_number_of_records_is_refused(cluster: KafkaCluster, clients: Cluster) -> None:
    topic = clients.new_topic()
    _produce(clients, topic)
    assert refusal(cluster, topic).endswith("says after a batch of 10 records that offsets go from 0 to 11")


def test_a_broker_that_loses_the_start_is_refused(cluster: KafkaCluster, clients: Cluster) -> None:
    topic = clients.new_topic()
    _produce(clients, topic)
    clients.admin.delete_records([TopicPartition(topic, 0, 1)])[TopicPartition(topic, 0, 1)].result(30)
    assert refusal(cluster, topic).endswith("says after a batch of 10 records that offsets go from 1 to 11")


def test_a_broker_that_refuses_records_of_years_ago_is_refused(cluster: KafkaCluster, clients: Cluster) -> None:
    topic = clients.new_topic(config={"message.timestamp.before.max.ms": "3600000"})
    assert "checking the broker: " in refusal(cluster, topic, hinted=False)


def _produce(clients: Cluster, topic: str) -> None:
    producer = clients.producer()
    producer.produce(topic, b"x", partition=0)
    assert producer.flush(30) == 0
