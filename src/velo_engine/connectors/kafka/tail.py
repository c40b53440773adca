"""Reading records of a topic as they are, for people: the last ones, all, or on and on."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from velo_engine.connectors.kafka.client import KafkaCluster, kafka_error
from velo_engine.connectors.kafka.cluster_view import TopicView
from velo_engine.connectors.kafka.connection import ConnectionState, raise_if_fatal
from velo_engine.connectors.kafka.merge import KafkaMessage, PartitionMerge
from velo_engine.connectors.kafka.open_client import open_consumer

_AT_ONCE = 1000
_PATIENCE_S = 0.2


def records_of(
    cluster: KafkaCluster, topic: TopicView, *, last: int | None, follow: bool, stop: threading.Event | None = None
) -> Iterator[list[KafkaMessage]]:
    """The records of `topic`: the `last` ones (None: all there are) in the order of their timestamps, and with `follow`
    then those that come, until the caller stops asking or sets `stop`. Aborted records are left out.

    Raises VeloError: the topic is gone, nobody lets us read.
    """
    ends = {p.number: p.next_offset for p in topic.partitions}
    firsts = {p.number: p.first_offset for p in topic.partitions}
    starts = {p: first if last is None else max(first, ends[p] - last) for p, first in firsts.items()}
    state = ConnectionState()
    stop = stop or threading.Event()
    consumer = open_consumer(cluster, state)
    try:
        yield from _there(cluster, consumer, state, topic.name, starts, ends, last, stop)
        if follow:
            yield from _coming(cluster, consumer, state, topic.name, ends, stop)
    finally:
        consumer.close()


def _there(
    cluster: KafkaCluster,
    consumer: Any,
    state: ConnectionState,
    topic: str,
    starts: Mapping[int, int],
    ends: Mapping[int, int],
    last: int | None,
    stop: threading.Event,
) -> Iterator[list[KafkaMessage]]:
    from confluent_kafka import KafkaError, TopicPartition

    merge = PartitionMerge(sorted(ends))
    for p in ends:
        if starts[p] >= ends[p]:
            merge.finish(p)
    consumer.assign([TopicPartition(topic, p, starts[p]) for p in merge.unfinished])
    held: list[KafkaMessage] = []
    while merge.unfinished and not stop.is_set():
        for message in _consumed(cluster, consumer, state, topic):
            p, offset, error = message.partition(), message.offset(), message.error()
            if error is None and offset < ends[p]:
                merge.add(p, [message])
            if offset >= ends[p] - 1 or (error is not None and error.code() == KafkaError._PARTITION_EOF):
                merge.finish(p)
        found, _ = merge.take(_AT_ONCE)
        while found:
            if last is None:
                yield found
            else:
                held = [*held, *found][-last:] if last else []
            found, _ = merge.take(_AT_ONCE)
    if held:
        yield held


def _coming(
    cluster: KafkaCluster,
    consumer: Any,
    state: ConnectionState,
    topic: str,
    ends: Mapping[int, int],
    stop: threading.Event,
) -> Iterator[list[KafkaMessage]]:
    from confluent_kafka import TopicPartition

    consumer.assign([TopicPartition(topic, p, offset) for p, offset in ends.items()])
    while not stop.is_set():
        found = [m for m in _consumed(cluster, consumer, state, topic) if m.error() is None]
        if found:
            yield found


def _consumed(cluster: KafkaCluster, consumer: Any, state: ConnectionState, topic: str) -> list[KafkaMessage]:
    """What the client has; events and errors that may pass are among it."""
    from confluent_kafka import KafkaError, KafkaException

    try:
        messages: list[KafkaMessage] = consumer.consume(1, _PATIENCE_S)
        messages += consumer.consume(_AT_ONCE, 0)
    except KafkaException as problem:
        raise kafka_error(problem, cluster, f"reading {topic}") from None
    raise_if_fatal(state, cluster, f"reading {topic}")
    for message in messages:
        error = message.error()
        if error is not None and error.code() in (
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError._UNKNOWN_TOPIC,
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError._AUTO_OFFSET_RESET,
        ):
            raise kafka_error(error, cluster, f"reading {topic}")
    return messages
