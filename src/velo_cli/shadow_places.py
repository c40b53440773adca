"""Where the topics of a comparison are: none is compared with itself, and our job writes into nothing of others.

A cluster has many addresses, so its own name for itself tells clusters apart, never the text of an address. It is asked
for only where topics of one name have several addresses.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.topic_admin import cluster_name
from velo_engine.errors import ErrorCode, VeloError
from velo_shadow.config import ShadowConfig, TopicStream
from velo_shadow.sides.topic_side import client_settings

Place: TypeAlias = tuple[str, str]
"""A topic: its cluster and its name."""


class Places:
    """The topics of a config. Errors of asking: no broker answers."""

    def __init__(self, config: ShadowConfig) -> None:
        streams = [stream for sink in config.sinks for stream in (sink.left, sink.right, sink.control)]
        streams += [*(one.stream for one in config.inputs), *config.references]
        self._addresses: dict[str, set[str]] = {}
        for stream in streams:
            if isinstance(stream, TopicStream):
                self._addresses.setdefault(stream.topic, set()).add(stream.brokers)
        self._names: dict[str, str] = {}

    def of(self, stream: object) -> Place | None:
        """Where a stream is; None for a file."""
        if not isinstance(stream, TopicStream):
            return None
        if len(self._addresses[stream.topic]) == 1:
            return stream.brokers, stream.topic
        if stream.brokers not in self._names:
            settings = {key: value for key, value in client_settings(stream).items() if key != "group.id"}
            self._names[stream.brokers] = cluster_name(KafkaCluster(stream.brokers, settings))
        return self._names[stream.brokers], stream.topic


def refuse_one_topic_twice(config: ShadowConfig) -> None:
    """A topic that is compared with itself, or with a control that is what is judged: nothing could differ.

    Raises VeloError: BAD_VALUE; no broker answers.
    """
    places = Places(config)
    for sink in config.sinks:
        right = places.of(sink.right)
        if right is None:
            continue
        for stream, what in ((sink.left, "the left side"), (sink.control, "the control")):
            if places.of(stream) == right:
                message = f'{what} of "{sink.name}" and the right are the same topic, {right[1]}: nothing could differ'
                raise VeloError(ErrorCode.BAD_VALUE, message, location=sink.location)


def refuse_topics_of_others(config: ShadowConfig, written: Collection[str]) -> None:
    """Our job may write what no one else writes or reads, and each of its topics once.

    `written`: the topics that the program itself says it writes. They are Flink's, whatever their address here.

    Raises VeloError: BAD_VALUE; no broker answers.
    """
    places = Places(config)
    taken = {at: f'an input, "{one.source}"' for one in config.inputs if (at := places.of(one.stream))}
    taken |= {at: "what Flink writes" for stream in config.references if (at := places.of(stream))}
    for sink in config.sinks:
        flinks = (sink.left, sink.control)
        taken |= {at: f'what Flink writes for "{sink.name}"' for stream in flinks if (at := places.of(stream))}
    for sink in config.sinks:
        if not isinstance(sink.right, TopicStream):
            message = f'the program runs on topics, and the right side of "{sink.name}" is none'
            hint = "name the topic that our job is to write: right: { topic: … }"
            raise VeloError(ErrorCode.BAD_VALUE, message, location=sink.location, hint=hint)
        place = places.of(sink.right)
        assert place is not None
        if place in taken:
            message = f'our job would write "{sink.name}" into {taken[place]}: the topic {sink.right.topic}'
            raise VeloError(ErrorCode.BAD_VALUE, message, location=sink.location, hint=_own_topic(sink.right))
        if sink.right.topic in written:
            message = f'our job would write "{sink.name}" into {sink.right.topic}, which the program writes for Flink'
            raise VeloError(ErrorCode.BAD_VALUE, message, location=sink.location, hint=_own_topic(sink.right))
        taken[place] = f'what it writes for "{sink.name}"'


def _own_topic(stream: TopicStream) -> str:
    return f"give it one of its own: right: {{ topic: {stream.topic}-velo }}"
