"""From the properties of a source or sink to the connector that reads or writes it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from velo_engine.connectors.kafka.client import KafkaCluster, settings_of
from velo_engine.connectors.paths import FileLocation, parse_location
from velo_engine.connectors.record_formats import KeyedFormat, open_decoder, open_encoders
from velo_engine.connectors.records import RecordWriter
from velo_engine.connectors.source import Sink, Source
from velo_engine.connectors.topics import TopicStore
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.formats.base import SCHEMA_FILE_OPTIONS, Format
from velo_engine.plan.nodes import PlannedStatement, SourceChanges, SourceTable
from velo_engine.plan.nodes import Sink as PlannedSink
from velo_engine.plan.sources import CHANGELOG_FORMATS
from velo_engine.runtime.inputs import Input, TableInput, TableSource, TopicInput, under_root
from velo_engine.runtime.open_kafka import cluster_of, open_kafka_source, see_to_topic, topic_name
from velo_engine.schema import RowSchema
from velo_engine.types import TypeName

FILE_TYPES = frozenset({"file_source", "file_sink", "file", "filesystem"})
TOPIC_TYPES = frozenset({"kafka_source", "kafka_sink", "kafka", "upsert-kafka", "topic"})

NOWHERE = frozenset({"print", "blackhole"})
"""Sinks whose rows are only in the result of the job, which the command line shows."""


def open_source(
    source: SourceTable,
    given: Input | None,
    topics: TopicStore,
    base_dir: Path,
    root: Path | None,
    kafka: KafkaCluster | None = None,
) -> Source:
    """What `source` reads: `given` by the caller, else a file, else a topic: of the cluster `kafka`, else of the one
    that the source's properties name, else in memory.

    Raises VeloError: no such file or topic, no broker, a connector that this version does not have.
    """
    from velo_engine.connectors.file_source import open_file_source
    from velo_engine.connectors.topic_source import TopicSource

    if isinstance(given, TableInput):
        return TableSource(source.name, source.schema, given)
    if isinstance(given, TopicInput):
        options = {**source.properties, **given.options, "format": given.format}
        decoder = _decoder(source, with_schema_files(options, base_dir, root))
        return TopicSource(given.topic, decoder, source.schema, name=source.name, upsert_key=_upsert_key(source))
    properties = source.properties if given is None else {**source.properties, **given.properties}
    if given is None and _is_file(source.name, properties, properties.get("path")):
        file = file_location(source.name, properties, base_dir, root)
        return open_file_source(
            file.path,
            source.schema,
            format_name=properties.get("format"),
            options={**properties, **file.options},
            name=source.name,
        )
    cluster = cluster_of(properties, kafka)
    topic = None if cluster is not None else topics.get(properties.get("topic", source.name))
    decoder = _decoder(source, with_schema_files(properties, base_dir, root))
    if cluster is not None:
        return open_kafka_source(source, properties, decoder, _upsert_key(source), cluster, kafka)
    assert topic is not None
    return TopicSource(topic, decoder, source.schema, name=source.name, upsert_key=_upsert_key(source))


def _decoder(source: SourceTable, properties: Mapping[str, str]) -> Format | KeyedFormat:
    """What decodes the records of a topic."""
    return open_decoder(source.name, source.schema, properties, source.decoded, _upsert_key(source))


def with_schema_files(properties: Mapping[str, str], base_dir: Path, root: Path | None) -> dict[str, str]:
    """The properties with absolute paths of schemas. Raises VeloError for one that leaves `root`."""
    return {
        key: str(under_root(value, base_dir, root)) if key.endswith(SCHEMA_FILE_OPTIONS) else value
        for key, value in properties.items()
    }


def _upsert_key(source: SourceTable) -> tuple[int, ...]:
    """The primary key of a source of upserts; empty for any other."""
    return source.primary_key if source.changes is SourceChanges.UPSERTS else ()


def open_sink(
    statement: PlannedStatement,
    topics: TopicStore,
    base_dir: Path,
    root: Path | None,
    kafka: KafkaCluster | None = None,
    writer: RecordWriter | None = None,
) -> Sink | None:
    """Where `statement` writes: a file, a topic, or None when its sink names neither, or nowhere.

    A topic is one of `kafka`, else of the cluster that the sink's properties name, else in memory. Sinks
    may share a `writer`.
    """
    from velo_engine.connectors.file_sink import open_file_sink
    from velo_engine.connectors.kafka.producer import KafkaWriter
    from velo_engine.connectors.record_sink import AppendSink, ChangelogSink, RecordSink, UpsertSink
    from velo_engine.connectors.records import MemoryWriter

    sink = statement.sink
    if sink is None:
        return None
    properties = sink.properties
    if properties.get("type") in NOWHERE:
        return None
    schema = statement.plan.schema
    if _is_file(sink.name, properties, properties.get("path")):
        file = file_location(sink.name, properties, base_dir, root)
        options = {**properties, **file.options}
        return open_file_sink(file.path, schema, format_name=properties.get("format"), options=options)
    if "type" not in properties and "topic" not in properties:
        return None
    columns = sink.value_columns(schema)
    options = {"topic": sink.name, **with_schema_files(properties, base_dir, root)}
    encoders = open_encoders(sink.name, schema.select(columns), options, sink.value_key(schema))
    cluster = cluster_of(properties, kafka)
    if cluster is None:
        name = properties.get("topic", sink.name)
        if name not in topics:
            topics.create(name)
        taking = writer or MemoryWriter(topics)
    else:
        name = topic_name(sink.name, properties, cluster)
        see_to_topic(sink.name, name, properties, cluster)
        taking = writer or KafkaWriter(cluster, settings_of(properties, given=kafka is not None))
    stream: type[RecordSink] = UpsertSink if properties.get("mode") == "upsert" else AppendSink
    if properties.get("format", "").lower().startswith(CHANGELOG_FORMATS):
        stream = ChangelogSink
    times = _timestamp_column(sink, schema)
    return stream(
        name,
        encoders.values,
        schema,
        taking,
        key_columns=[columns[i] for i in encoders.key_columns],
        key_format=encoders.keys,
        timestamp_column=times,
        clock_ms=None if times is None or cluster is None else _now_ms,
        headers_column=sink.metadata.get("headers"),
        value_columns=columns if sink.metadata else None,
    )


def _timestamp_column(sink: PlannedSink, schema: RowSchema) -> int | None:
    """The column of the metadata `timestamp`, or that `timestamp.field` names.

    Raises VeloError: the sink has none of that name, it is no timestamp, both are there.
    """
    name, field, declared = sink.name, sink.properties.get("timestamp.field"), sink.metadata.get("timestamp")
    if field is None or declared is not None:
        if field is not None:
            message = f"{name} has a METADATA column for the timestamp, and timestamp.field names another"
            raise VeloError(ErrorCode.BAD_PROPERTY, message, hint="drop one of them")
        return declared
    position = schema.index(field)
    if position is None:
        hint = did_you_mean(field, schema.names, noun="column")
        raise VeloError(ErrorCode.UNKNOWN_COLUMN, f'{name} has no column "{field}" for its timestamp', hint=hint)
    if schema.types[position].name not in (TypeName.TIMESTAMP, TypeName.TIMESTAMP_LTZ):
        message = f'{name}: timestamp.field "{field}" is {schema.types[position]}, not a timestamp'
        raise VeloError(ErrorCode.BAD_PROPERTY, message)
    return position


def _now_ms() -> int:
    """For a record whose timestamp column is NULL: a broker would take its time for that of the record."""
    return time.time_ns() // 1_000_000


def inferred_schema(name: str, properties: Mapping[str, str], base_dir: Path, root: Path | None) -> RowSchema | None:
    """The columns of a source that declares none: looked up in its file; None when it is not a file."""
    from velo_engine.connectors.infer import infer_schema

    if not _is_file(name, properties, properties.get("path")):
        return None
    file = file_location(name, properties, base_dir, root)
    return infer_schema(file.path, properties.get("format"), {**properties, **file.options})


def file_location(name: str, properties: Mapping[str, str], base_dir: Path, root: Path | None) -> FileLocation:
    """Where a file source or sink is: an absolute path, and the options that its URI carries.

    Raises VeloError: no path, or one that leaves `root`.
    """
    written = properties.get("path")
    if not written:
        raise VeloError(
            ErrorCode.BAD_PROPERTY, f"{name} is a file without a path", hint=f"add '{name}.path' = '…' to WITH (…)"
        )
    location = parse_location(written)
    return FileLocation(str(under_root(location.path, base_dir, root)), location.options)


def _is_file(name: str, properties: Mapping[str, str], path: str | None) -> bool:
    kind = properties.get("type", "file" if path else "topic")
    if kind in FILE_TYPES:
        return True
    if kind in TOPIC_TYPES:
        return False
    raise VeloError(
        ErrorCode.BAD_PROPERTY,
        f'{name} has the type "{kind}", for which this version has no connector',
        hint=did_you_mean(kind, FILE_TYPES | TOPIC_TYPES, noun="type"),
    )
