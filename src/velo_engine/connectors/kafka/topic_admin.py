"""Topics of a cluster, for those who write them: whether one is there, making it, and which cluster it is."""

from __future__ import annotations

from velo_engine.connectors.kafka.client import KafkaCluster, kafka_error
from velo_engine.connectors.kafka.connection import ConnectionState, metadata
from velo_engine.connectors.kafka.open_client import open_admin, open_consumer
from velo_engine.errors import ErrorCode, VeloError


def require_topic(cluster: KafkaCluster, topic: str) -> None:
    """See that `topic` is there; a broker that makes topics by itself (`auto.create.topics.enable`) is let to.

    Raises VeloError: it is not there, this user may not see it, no broker answers.
    """
    state = ConnectionState()
    consumer = open_consumer(cluster, state, {"allow.auto.create.topics": True})
    try:
        metadata(consumer, state, cluster, f"looking for the topic {topic}", topic=topic)
    finally:
        consumer.close()


def make_topic(cluster: KafkaCluster, topic: str, partitions: int, replication_factor: int | None = None) -> None:
    """Make `topic` unless it is there; without a replication factor the broker's default holds.

    Raises VeloError: the broker refuses, none answers.
    """
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.cimpl import NewTopic

    if partitions < 1:
        raise VeloError(ErrorCode.BAD_PROPERTY, f"the topic {topic} needs at least one partition, not {partitions}")
    new = NewTopic(topic, partitions, -1 if replication_factor is None else replication_factor)
    admin = open_admin(cluster)
    made = admin.create_topics([new], request_timeout=cluster.connect_timeout_s)
    try:
        made[topic].result()
    except KafkaException as problem:
        if problem.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise kafka_error(problem, cluster, f"making the topic {topic}") from None


def cluster_name(cluster: KafkaCluster) -> str:
    """What tells the cluster from others, whatever address it was reached by: its id, which brokers since 0.10 have.

    Raises VeloError: no broker answers.
    """
    from confluent_kafka import KafkaException

    admin = open_admin(cluster)  # which goes on until it is let go of
    described = admin.describe_cluster(request_timeout=cluster.connect_timeout_s)
    try:
        found = described.result()
    except KafkaException as problem:
        raise kafka_error(problem, cluster, "asking which cluster it is") from None
    if found.cluster_id:
        return str(found.cluster_id)
    return ",".join(sorted(f"{node.host}:{node.port}" for node in found.nodes))
