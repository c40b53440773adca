"""One run on a broker: inputs written to topics, sinks redirected to topics of the run, and what they hold read back.

What a spec sees is the same as with topics in memory: each source has a topic of its own, with the partitions, keys,
headers and timestamps of the spec, and a header by which the engine reads all of them in the order of the spec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from velo_engine import TopicInput
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.merge import SEQUENCE_HEADER
from velo_engine.connectors.records import Records
from velo_engine.connectors.source import NO_TIMESTAMP
from velo_engine.connectors.topics import Partition, Topic
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram, PlannedStatement
from velo_engine.runtime.inputs import Input, KafkaInput
from velo_engine.runtime.open_connector import TOPIC_TYPES
from velo_harness.kafka.session import KafkaSession, RunTopics
from velo_harness.kafka.topics import NewTopic
from velo_harness.topic_naming import TopicNaming

PUBLISHED_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class BrokerRun:
    """A run whose topics are on a broker."""

    cluster: KafkaCluster
    inputs: Mapping[str, Input]
    """What the engine reads: the topics of the broker in place of those in memory."""
    program: PlannedProgram
    """The program with its sources and sinks at the topics of this run."""
    sinks: Mapping[str, str] = field(default_factory=dict)
    """Statement → the topic that it writes."""


_NOT_IN_TESTS = ("bootstrap.servers", "topic-pattern", "group.id")
"""Properties of sources and sinks that would lead to other topics than those of the run."""


@contextmanager
def on_broker(
    session: KafkaSession,
    naming: TopicNaming,
    program: PlannedProgram,
    statements: list[str],
    inputs: Mapping[str, Input],
) -> Iterator[BrokerRun]:
    """Topics for the inputs and for the sinks of `statements`, the inputs written, until the context ends.

    Raises VeloError.
    """
    given = {name: one.topic for name, one in inputs.items() if isinstance(one, TopicInput)}
    bases = _Bases()
    sources = {name: bases.take(topic.name, name) for name, topic in given.items()}
    written = [program.statements[name] for name in statements if sink_topic(program.statements[name]) is not None]
    sinks = {statement.name: bases.take(sink_topic(statement) or "", statement.name) for statement in written}
    wanted = [_of_input(base, given[name]) for name, base in sources.items()]
    oldest = min((topic.oldest_ms for topic in wanted if topic.oldest_ms is not None), default=None)
    wanted += [_of_sink(sinks[statement.name], statement, oldest) for statement in written]
    if not wanted:
        yield BrokerRun(session.start(), inputs, program)
        return
    with session.topics(wanted, naming) as topics:
        for name, topic in given.items():
            _publish(topic, topics.names[sources[name]], topics)
        topics.writer.flush()
        named = {statement: topics.names[base] for statement, base in sinks.items()}
        read = {name: _read_from(one, sources.get(name), topics) for name, one in inputs.items()}
        yield BrokerRun(topics.cluster, read, _redirected(program, list(given), named), named)


class _Bases:
    """Names of topics within a run, each given once: in memory, too, every input has its own log."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, base: str, owner: str) -> str:
        """`base`, or when another has it, `base` and `owner`."""
        number, name = 1, base
        while name in self._taken:
            name = f"{base}-{owner}" if number == 1 else f"{base}-{owner}-{number}"
            number += 1
        self._taken.add(name)
        return name


def sink_topic(statement: PlannedStatement) -> str | None:
    """What the SQL calls the topic that a statement writes; None when it writes none."""
    sink = statement.sink
    if sink is None:
        return None
    without_type = "topic" if "topic" in sink.properties and "path" not in sink.properties else ""
    if sink.properties.get("type", without_type) not in TOPIC_TYPES:
        return None
    return sink.properties.get("topic", sink.name)


def _of_input(base: str, topic: Topic) -> NewTopic:
    times = [t for log in topic.logs for t in log.timestamps_ms if t != NO_TIMESTAMP]
    largest = max((_size(log) for log in topic.logs), default=0)
    return NewTopic(base, topic.partitions, min(times, default=None), largest)


def _size(log: Partition) -> int:
    """The bytes of the largest record."""
    values = max(map(len, filter(None, log.values)), default=0)
    return values + max(map(len, filter(None, log.keys)), default=0)


def _of_sink(base: str, statement: PlannedStatement, oldest_ms: int | None) -> NewTopic:
    """`oldest_ms` is the timestamp of the oldest input: results that have one of their own are about as old."""
    partitions, replication = (_count(statement, key) for key in ("partitions", "replication.factor"))
    return NewTopic(base, partitions or 1, oldest_ms, replication=replication)


def _count(statement: PlannedStatement, key: str) -> int | None:
    """A property of a sink that is a number of something. Raises VeloError."""
    assert statement.sink is not None
    text = statement.sink.properties.get(key)
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        place = statement.sink.locations.get(key)
        raise VeloError(ErrorCode.BAD_PROPERTY, f'{key} is a number from 1, not "{text}"', location=place)
    return int(text)


def _publish(topic: Topic, name: str, topics: RunTopics) -> None:
    """Write what a topic in memory holds to one of the broker, partition by partition."""
    for number, log in enumerate(topic.logs):
        for start in range(0, len(log), PUBLISHED_AT_ONCE):
            part = slice(start, start + PUBLISHED_AT_ONCE)
            values = log.values[part]
            sequences = np.array(log.sequences[part], ">i8").tobytes()
            headers = [
                (*own, (SEQUENCE_HEADER, sequences[8 * i : 8 * i + 8])) for i, own in enumerate(log.headers[part])
            ]
            topics.writer.write(
                Records(
                    name,
                    values,
                    log.keys[part],
                    np.array(log.timestamps_ms[part], np.int64),
                    headers,
                    np.full(len(values), number, np.int32),
                )
            )


def _read_from(one: Input, base: str | None, topics: RunTopics) -> Input:
    if base is None or not isinstance(one, TopicInput):
        return one
    return KafkaInput({**one.options, "format": one.format, "topic": topics.names[base]})


def _redirected(program: PlannedProgram, given: list[str], topics: Mapping[str, str]) -> PlannedProgram:
    """The program with the sinks of the statements in `topics` writing there, and the `given` sources free to move."""
    sources = dict(program.sources)
    for name in given:
        sources[name] = replace(sources[name], properties=_movable(sources[name].properties))
    statements = dict(program.statements)
    for name, topic in topics.items():
        sink = statements[name].sink
        assert sink is not None
        properties = {**_movable(sink.properties), "topic": topic}
        statements[name] = replace(statements[name], sink=replace(sink, properties=properties))
    return replace(program, sources=sources, statements=statements)


def _movable(properties: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in properties.items() if key not in _NOT_IN_TESTS}
