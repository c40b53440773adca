"""From a planned program to a job that goes on: its sources, its guarantee, and where it resumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.connection import ConnectionState
from velo_engine.connectors.kafka.producer import TransactionalWriter
from velo_engine.connectors.kafka.source import KafkaSource
from velo_engine.connectors.records import MemoryWriter, RecordWriter
from velo_engine.connectors.retry import retried, retry_policy
from velo_engine.connectors.source import LiveSource, Sink, Source
from velo_engine.connectors.topics import TopicStore
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.kernel import Kernel
from velo_engine.plan.nodes import PlannedProgram, PlannedStatement, SourceKind, SourceTable
from velo_engine.runtime.checkpoint_file import Positions
from velo_engine.runtime.checkpoints import CheckpointFolder
from velo_engine.runtime.delivery import AtLeastOnce, Delivery, ExactlyOnce
from velo_engine.runtime.job import Job
from velo_engine.runtime.live_input import BoundedInput
from velo_engine.runtime.live_job import LiveJob, LiveOptions
from velo_engine.runtime.live_settings import Guarantee, live_settings
from velo_engine.runtime.open_kafka import open_kafka_writer, open_letters, sinks_cluster, sinks_settings
from velo_engine.runtime.options import JobOptions
from velo_engine.runtime.timeline import SystemClock

OUTPUT = "output"
"""Among the connections of a job that of its sinks."""


def open_live_job(
    program: PlannedProgram,
    targets: tuple[str, ...],
    options: JobOptions,
    live: LiveOptions | None,
    kernel: Kernel,
    *,
    name: str,
    kafka: KafkaCluster | None,
    topics: TopicStore,
    folder: CheckpointFolder | None,
    open_source: Callable[[SourceTable], Source],
    open_sink: Callable[[PlannedStatement, RecordWriter], Sink | None],
) -> LiveJob:
    """The job, not started. `name` is what its transactions are called by; `kafka` the cluster that replaces any other.

    Raises VeloError: a guarantee that cannot be given, a broker that is not there.
    """
    settings = live_settings(program.properties)
    if settings.guarantee is Guarantee.EXACTLY_ONCE:
        _check_exactly_once(program, folder)
    sources: dict[str, LiveSource] = {}
    connections: dict[str, ConnectionState] = {}
    retry = retry_policy(program.properties)
    delivery = retried(lambda: _delivery(settings.guarantee, name, program, kafka, topics, sources, connections), retry)

    def opened(table: SourceTable) -> LiveSource:
        source = retried(lambda: open_source(table), retry)
        if isinstance(source, KafkaSource):
            connections[table.name] = source.connection
        live = source if isinstance(source, KafkaSource) else BoundedInput(source)
        sources[table.name] = live
        return live

    def opened_sink(statement: PlannedStatement) -> Sink | None:
        return retried(lambda: open_sink(statement, delivery.writer), retry)

    try:
        letters = open_letters(program, delivery.writer, sinks_cluster(program, kafka))
        job = Job(program, targets, options, kernel, opened, opened_sink, _clock(options), letters)
    except BaseException:
        for source in sources.values():
            source.close()
        delivery.close()
        raise
    streams = [sources[stream] for stream in job.source_records]
    chosen = live or LiveOptions(settings.interval_ms / 1000)
    return LiveJob(job, streams, delivery, folder, chosen, batch_size=options.batch_size, connections=connections)


def _delivery(
    guarantee: Guarantee,
    name: str,
    program: PlannedProgram,
    kafka: KafkaCluster | None,
    topics: TopicStore,
    sources: Mapping[str, LiveSource],
    connections: dict[str, ConnectionState],
) -> Delivery:
    """How the output is delivered; its connection becomes one of `connections`."""
    cluster = sinks_cluster(program, kafka)
    if guarantee is Guarantee.EXACTLY_ONCE:
        if cluster is None:
            message = "exactly-once needs a broker, whose transactions it is made of"
            raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint="give one with --brokers HOST:PORT")
        called = f"{cluster.topic_prefix}velo.{name}"
        writer = TransactionalWriter(cluster, called, called, sinks_settings(program, given=kafka is not None))
        connections[OUTPUT] = writer.connection
        return ExactlyOnce(writer)

    def acknowledge(positions: Mapping[str, Positions]) -> None:
        for source, held in positions.items():
            sources[source].acknowledge(held)

    if cluster is None:
        return AtLeastOnce(MemoryWriter(topics), acknowledge)
    output = open_kafka_writer(program, cluster, given=kafka is not None)
    connections[OUTPUT] = output.connection
    return AtLeastOnce(output, acknowledge)


def _check_exactly_once(program: PlannedProgram, folder: CheckpointFolder | None) -> None:
    """Raises VeloError for what a transaction cannot hold together."""
    if folder is None:
        raise VeloError(
            ErrorCode.BAD_PROPERTY,
            "delivery.guarantee = exactly-once needs a place for checkpoints",
            hint="give one with --checkpoint-dir DIR, or 'checkpoint.dir' = 'DIR'",
        )
    for statement in program.statements.values():
        if statement.sink is not None and "path" in statement.sink.properties:
            raise VeloError(
                ErrorCode.SQL_UNSUPPORTED,
                f'the sink "{statement.sink.name}" is a file, which no transaction of the broker can hold: '
                "exactly-once is for topics",
                hint="write to a topic, or leave delivery.guarantee at at-least-once",
            )
    for source in program.sources.values():
        if "path" in source.properties and source.kind is SourceKind.STREAM:
            raise VeloError(
                ErrorCode.SQL_UNSUPPORTED,
                f'the source "{source.name}" is a file, whose position no transaction of the broker can hold',
                hint="read a topic, or leave delivery.guarantee at at-least-once",
            )


def _clock(options: JobOptions) -> SystemClock | None:
    """Time goes on with the machine's, unless the options say what it is."""
    return SystemClock() if options.now_ms is None and not options.timeline else None
