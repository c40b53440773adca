"""Topics: made, described, grown, deleted; the cluster's metadata."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.kafka.checks.cluster import PATIENCE, Cluster, eventually, unique, values


def test_metadata_names_the_broker_that_was_asked(cluster: Cluster, kafka_bootstrap: str) -> None:
    metadata = cluster.admin.list_topics(timeout=PATIENCE)
    (broker,) = metadata.brokers.values()
    assert f"{broker.host}:{broker.port}" == kafka_bootstrap
    assert metadata.controller_id == broker.id
    assert metadata.cluster_id


def test_the_cluster_is_one_node(cluster: Cluster) -> None:
    described = cluster.admin.describe_cluster(request_timeout=PATIENCE).result()
    (node,) = described.nodes
    assert described.controller.id == node.id
    assert described.cluster_id == cluster.admin.list_topics(timeout=PATIENCE).cluster_id


def test_a_topic_has_the_partitions_it_was_made_with(cluster: Cluster) -> None:
    topic = cluster.new_topic(partitions=5)
    assert cluster.partitions(topic) == [0, 1, 2, 3, 4]


def test_a_topic_made_without_a_number_of_partitions_has_the_default(cluster: Cluster) -> None:
    topic = unique("topic")
    cluster.admin.create_topics([NewTopic(topic)])[topic].result(PATIENCE)
    eventually(lambda: cluster.partitions(topic) == [0], "one partition")


def test_a_topic_cannot_be_made_twice(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    with pytest.raises(KafkaException) as refusal:
        cluster.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(PATIENCE)
    assert refusal.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS


def test_writing_to_a_topic_that_is_not_there_makes_it(cluster: Cluster) -> None:
    topic = unique("topic")
    assert cluster.write(topic, [{"value": b"x"}]) == [(0, 0)]
    assert cluster.partitions(topic) == [0]


def test_a_reader_may_ask_for_a_topic_without_making_it(cluster: Cluster) -> None:
    topic = unique("topic")
    reader = cluster.consumer(allow_auto_create_topics=False)
    described = reader.list_topics(topic, timeout=PATIENCE).topics[topic]
    assert described.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    assert not described.partitions
    assert topic not in cluster.admin.list_topics(timeout=PATIENCE).topics


def test_a_deleted_topic_is_no_longer_listed(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, [{"value": b"x"}])
    cluster.admin.delete_topics([topic])[topic].result(PATIENCE)
    eventually(lambda: topic not in cluster.admin.list_topics(timeout=PATIENCE).topics, f"{topic} is gone")


def test_a_topic_that_is_not_there_cannot_be_deleted(cluster: Cluster) -> None:
    topic = unique("topic")
    with pytest.raises(KafkaException) as refusal:
        cluster.admin.delete_topics([topic])[topic].result(PATIENCE)
    assert refusal.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_a_topic_made_again_is_empty(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, [{"value": b"old"}] * 3)
    cluster.admin.delete_topics([topic])[topic].result(PATIENCE)
    eventually(lambda: topic not in cluster.admin.list_topics(timeout=PATIENCE).topics, f"{topic} is gone")
    cluster.new_topic(2, topic)
    assert cluster.write(topic, [{"value": b"new", "partition": 0}]) == [(0, 0)]
    assert values(cluster.read_all(topic, [0, 1])) == [b"new"]


def test_a_topic_can_be_given_more_partitions(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, [{"value": b"kept"}])
    cluster.admin.create_partitions([NewPartitions(topic, 3)])[topic].result(PATIENCE)
    eventually(lambda: cluster.partitions(topic) == [0, 1, 2], "three partitions")
    assert cluster.write(topic, [{"value": b"new", "partition": 2}]) == [(2, 0)]
    assert sorted(values(cluster.read_all(topic, [0, 1, 2]))) == [b"kept", b"new"]


def test_a_topic_cannot_be_given_fewer_partitions(cluster: Cluster) -> None:
    topic = cluster.new_topic(3)
    with pytest.raises(KafkaException) as refusal:
        cluster.admin.create_partitions([NewPartitions(topic, 2)])[topic].result(PATIENCE)
    assert refusal.value.args[0].code() == KafkaError.INVALID_PARTITIONS


def test_a_described_topic_has_its_partitions_and_their_leader(cluster: Cluster) -> None:
    topic = cluster.new_topic(2)
    described = cluster.admin.describe_topics(TopicCollection([topic]))[topic].result(PATIENCE)
    (node,) = cluster.admin.describe_cluster().result(PATIENCE).nodes
    assert [(p.id, p.leader.id, [r.id for r in p.isr]) for p in described.partitions] == [
        (0, node.id, [node.id]),
        (1, node.id, [node.id]),
    ]
    assert not described.is_internal


def test_two_hundred_topics_are_made_in_one_request(cluster: Cluster) -> None:
    topics = [unique("many") for _ in range(200)]
    for made in cluster.admin.create_topics([NewTopic(topic, 2, 1) for topic in topics]).values():
        made.result(PATIENCE)
    eventually(lambda: set(topics) <= set(cluster.admin.list_topics(timeout=PATIENCE).topics), "200 topics")
    # Topics stay for the session, and each makes every list of topics longer.
    for gone in cluster.admin.delete_topics(topics).values():
        gone.result(PATIENCE)
