"""Requests that make, delete and widen topics."""

from __future__ import annotations

from dataclasses import dataclass

from velo_harness.kafka.embedded.cluster import Cluster
from velo_harness.kafka.embedded.protocol import NODE_ID, Api, ErrorNumber, KafkaError, refusal_of
from velo_harness.kafka.embedded.requests import Request
from velo_harness.kafka.embedded.topics import DEFAULT_PARTITIONS
from velo_harness.kafka.embedded.wire import Reader

_DEFAULT_NUMBER = -1  # of partitions or replicas


@dataclass(frozen=True, slots=True)
class _NewTopic:
    name: str
    partitions: int
    replicas: int
    assignment: dict[int, list[int]]
    """Nodes of each partition; empty when the broker is to choose."""
    configs: dict[str, str | None]


def create_topics(cluster: Cluster, request: Request) -> None:
    """CreateTopics."""
    body = request.body
    topics = body.array(lambda: _read_new_topic(body))
    body.int32()
    validate_only = body.boolean()
    answer = request.writer().int32(0).array_length(len(topics))
    for topic in topics:
        error = refusal_of(_create, cluster, topic, validate_only=validate_only)
        answer.string(topic.name).int16(error.number).string(error.message)
    request.reply(answer)


def _read_new_topic(body: Reader) -> _NewTopic:
    name, partitions, replicas = body.string(), body.int32(), body.int16()
    assignment = dict(body.array(lambda: (body.int32(), body.array(body.int32))))
    configs = dict(body.array(lambda: (body.string(), body.nullable_string())))
    return _NewTopic(name, partitions, replicas, assignment, configs)


def _create(cluster: Cluster, new: _NewTopic, *, validate_only: bool) -> None:
    partitions = DEFAULT_PARTITIONS if new.partitions == _DEFAULT_NUMBER else new.partitions
    if new.assignment:
        partitions = len(new.assignment)
        if sorted(new.assignment) != list(range(partitions)) or any(n != [NODE_ID] for n in new.assignment.values()):
            message = f"partitions are numbered from 0, and each has one replica, on node {NODE_ID}"
            raise KafkaError(ErrorNumber.INVALID_REPLICA_ASSIGNMENT, message)
    elif new.replicas not in (1, _DEFAULT_NUMBER):
        message = f"Replication factor: {new.replicas}. There is one node."
        raise KafkaError(ErrorNumber.INVALID_REPLICATION_FACTOR, message)
    if validate_only:
        cluster.topics.check_new(new.name, partitions, new.configs)
    else:
        cluster.topics.create(new.name, partitions, new.configs)


def delete_topics(cluster: Cluster, request: Request) -> None:
    """DeleteTopics: also forgets what groups committed in them."""
    body = request.body
    names = body.array(body.string)
    answer = request.writer().int32(0).array_length(len(names))
    for name in names:
        answer.string(name).int16(refusal_of(cluster.delete_topic, name).number)
    request.reply(answer)


def create_partitions(cluster: Cluster, request: Request) -> None:
    """CreatePartitions: more of them, empty."""
    body = request.body
    wanted = body.array(lambda: (body.string(), body.int32(), body.array(lambda: body.array(body.int32))))
    body.int32()
    change = cluster.topics.check_more_partitions if body.boolean() else cluster.topics.add_partitions
    answer = request.writer().int32(0).array_length(len(wanted))
    for name, count, _ in wanted:
        error = refusal_of(change, name, count)
        answer.string(name).int16(error.number).string(error.message)
    request.reply(answer)


HANDLERS = {
    Api.CREATE_TOPICS: create_topics,
    Api.DELETE_TOPICS: delete_topics,
    Api.CREATE_PARTITIONS: create_partitions,
}
