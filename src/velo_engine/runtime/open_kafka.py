"""From the properties of a source or sink to a topic of a cluster.

The cluster is the one given to the engine; without one it is the one that `bootstrap.servers` of the source or sink
names; without either topics are those in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from velo_engine.connectors.dead_letters import DeadLetter, letters_to_writer
from velo_engine.connectors.kafka.client import KafkaCluster, settings_of
from velo_engine.connectors.kafka.start import end_of, start_of
from velo_engine.connectors.record_formats import KeyedFormat
from velo_engine.connectors.records import RecordWriter
from velo_engine.connectors.source import Source
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import Format
from velo_engine.plan.nodes import PlannedProgram, SourceTable

if TYPE_CHECKING:
    from velo_engine.connectors.kafka.producer import KafkaWriter


def cluster_of(properties: Mapping[str, str], given: KafkaCluster | None) -> KafkaCluster | None:
    """The cluster of a source or sink with these properties; None: its topic is in memory."""
    address = properties.get("bootstrap.servers")
    return given if given is not None or not address else KafkaCluster(address)


def topic_name(name: str, properties: Mapping[str, str], cluster: KafkaCluster) -> str:
    """The topic of the source or sink `name` on `cluster`. Raises VeloError for more than one."""
    topic = properties.get("topic", name)
    if ";" in topic or "topic-pattern" in properties:
        raise VeloError(
            ErrorCode.SQL_UNSUPPORTED,
            f'"{name}" reads several topics, which is not supported',
            hint="read each as a source of its own, and UNION ALL them",
        )
    return cluster.topic_prefix + topic


def open_kafka_source(
    source: SourceTable,
    properties: Mapping[str, str],
    decoder: Format | KeyedFormat,
    upsert_key: tuple[int, ...],
    cluster: KafkaCluster,
    given: KafkaCluster | None,
) -> Source:
    """The topic that `source` reads. Raises VeloError: no broker, no such topic, a property that means nothing."""
    from velo_engine.connectors.kafka.source import KafkaSource

    group = properties.get("group.id")
    return KafkaSource(
        topic_name(source.name, properties, cluster),
        decoder,
        source.schema,
        cluster,
        name=source.name,
        upsert_key=upsert_key,
        settings=settings_of(properties, given=given is not None),
        start=start_of(properties),
        end=end_of(properties),
        group=None if group is None else cluster.topic_prefix + group,
    )


def sinks_cluster(program: PlannedProgram, given: KafkaCluster | None) -> KafkaCluster | None:
    """The cluster that the sinks of `program` write to; None: they write in memory. Raises VeloError for two."""
    if given is not None:
        return given
    sinks = [s.sink for s in program.statements.values() if s.sink is not None]
    addresses = {s.properties["bootstrap.servers"]: s for s in sinks if "bootstrap.servers" in s.properties}
    if len(addresses) > 1:
        names = " and ".join(f'"{sink.name}" ({address})' for address, sink in addresses.items())
        raise VeloError(
            ErrorCode.SQL_UNSUPPORTED,
            f"a job writes to one cluster, but these sinks are on several: {names}",
            hint="write them in two programs, or give the cluster with --brokers",
        )
    return next((KafkaCluster(address) for address in addresses), None)


def sinks_settings(program: PlannedProgram, *, given: bool) -> dict[str, str]:
    """The producer's properties that the sinks of `program` ask for. Raises VeloError where two want different ones."""
    found: dict[str, tuple[str, str]] = {}
    for statement in program.statements.values():
        if statement.sink is None:
            continue
        for key, value in settings_of(statement.sink.properties, given=given).items():
            known = found.setdefault(key, (value, statement.sink.name))
            if known[0] != value:
                raise VeloError(
                    ErrorCode.BAD_PROPERTY,
                    f'the sink "{statement.sink.name}" wants {key} = {value}, but "{known[1]}" wants {known[0]}',
                    hint="the sinks of a job share a producer: give them the same client properties",
                )
    return {key: value for key, (value, _) in found.items()}


def open_kafka_writer(program: PlannedProgram, cluster: KafkaCluster, *, given: bool) -> KafkaWriter:
    """What the sinks of `program` on `cluster` write to. Raises VeloError when no broker answers."""
    from velo_engine.connectors.kafka.producer import KafkaWriter

    return KafkaWriter(cluster, sinks_settings(program, given=given))


def open_letters(
    program: PlannedProgram, writer: RecordWriter, cluster: KafkaCluster | None
) -> Callable[[DeadLetter], None] | None:
    """Where the dead letters of `program` go, besides the job's own queue: to the topic `job.dlq_topic`, by `writer`.

    None when it names none. Raises VeloError: the topic is not there.
    """
    topic = program.properties.get("job.dlq_topic")
    if topic is None:
        return None
    if cluster is not None:
        topic = cluster.topic_prefix + topic
        see_to_topic("job.dlq_topic", topic, {}, cluster)
    topics = {
        name: source.properties["topic"] for name, source in program.sources.items() if "topic" in source.properties
    }
    return letters_to_writer(writer, topic, topics)


def see_to_topic(name: str, topic: str, properties: Mapping[str, str], cluster: KafkaCluster) -> None:
    """See that the topic of the sink `name` is there: with the property `partitions` it is made when it is not.

    Raises VeloError: it is not there and nobody makes it, or this user may not see it.
    """
    from velo_engine.connectors.kafka.topic_admin import make_topic, require_topic

    if "partitions" not in properties:
        require_topic(cluster, topic)
        return
    partitions = _number(name, "partitions", properties["partitions"])
    replicas = properties.get("replication.factor")
    make_topic(cluster, topic, partitions, None if replicas is None else _number(name, "replication.factor", replicas))


def _number(name: str, key: str, written: str) -> int:
    if not written.strip().isdecimal():
        raise VeloError(ErrorCode.BAD_PROPERTY, f'{key} of "{name}" is a whole number, not "{written}"')
    return int(written)
