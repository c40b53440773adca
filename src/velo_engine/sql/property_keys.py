"""The properties of WITH (…), SET and configuration files: every accepted spelling and its one canonical key.

Spellings are compared without case, with `_`, `-` and `.` equal; a wrapping group such as `datasource.` or
`kafka_source.` is left out. Canonical: `type`, `topic`, `format`, `bootstrap.servers`, …; the tables below have all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class PropertyKind(Enum):
    """Who reads a property."""

    RELATION = "relation"
    """The connector or format of one source or sink."""
    CLIENT = "client"
    """The Kafka client, under its own name."""
    EVENT_TIME = "event time"
    """Event time and watermark of a source."""
    JOB = "job"
    """The job as a whole."""
    WITHOUT_MEANING = "without meaning"
    """Known from Velostream or Flink, read by nobody here."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PropertyKey:
    """What a written key is."""

    kind: PropertyKind
    name: str
    """The canonical key; the written one for UNKNOWN and WITHOUT_MEANING."""
    reason: str | None = None
    """Why it has no meaning."""


_RELATION = {
    "type": ("source.type", "sink.type", "connector", "connector.type"),
    "config_file": (),
    "topic": ("topic.name", "connector.topic"),
    "format": (
        "value.format",
        "value.serializer",
        "value.deserializer",
        "schema.format",
        "schema.value.format",
        "schema.value.serializer",
        "schema.value.deserializer",
        "format.type",
    ),
    "key.format": ("key.serializer", "key.deserializer", "schema.key.format", "schema.key.serializer"),
    "key.field": ("key.fields", "message.key.field", "schema.key.field"),
    "bootstrap.servers": ("brokers", "broker", "bootstrap.server"),
    "group.id": ("consumer.group", "consumer.group.id", "group"),
    "auto.offset.reset": ("offset.reset",),
    "topic-pattern": (),
    "scan.startup.mode": ("startup.mode",),
    "scan.startup.timestamp-millis": (),
    "scan.startup.specific-offsets": (),
    "scan.bounded.mode": (),
    "scan.bounded.timestamp-millis": (),
    "scan.bounded.specific-offsets": (),
    "schema.registry.url": ("schema.registry", "avro.confluent.url", "value.avro.confluent.url", "registry.url"),
    "avro.schema": ("schema.avro.schema", "value.avro.schema"),
    "avro.schema.file": ("schema.avro.schema.file", "avro.schema.path", "schema.value.schema.file"),
    "protobuf.schema": ("schema.protobuf.schema", "proto.schema"),
    "protobuf.schema.file": ("schema.protobuf.schema.file", "protobuf.schema.path", "proto.schema.file"),
    "protobuf.message": ("protobuf.message.name", "protobuf.message.class.name"),
    "key.fields-prefix": (),
    "value.fields-include": (),
    "json.schema": ("schema.json.schema",),
    "json.schema.file": ("schema.json.schema.file", "json.schema.path"),
    "path": ("connector.path",),
    "delimiter": ("csv.delimiter", "csv.field.delimiter", "field.delimiter"),
    "header": ("has.header", "has.headers", "headers", "csv.header", "csv.has.header"),
    "watch": (),
    "append": (),
    "compression": (),
    "max-decompressed-bytes": (),
    "mode": ("write.mode", "sink.mode"),
    "partitions": ("num.partitions",),
    "replication.factor": ("replication",),
    "timestamp.field": ("timestamp.column",),
}
_EVENT_TIME = {
    "event.time.field": ("event.time.column", "timestamp.event.time.field"),
    "event.time.format": (),
    "watermark.strategy": (),
    "watermark.max_out_of_orderness": ("watermark.delay", "watermark.max.out.of.orderness.ms"),
    "watermark.idle_timeout": ("scan.watermark.idle.timeout", "watermark.idle.timeout.ms"),
    "allowed.lateness": ("watermark.allowed.lateness", "late.data.allowed.lateness"),
    "late.data.strategy": ("late.data", "watermark.late.data.strategy"),
}
EMIT_KEYS = (
    "table.exec.emit.allow-lateness",
    "table.exec.emit.early-fire.enabled",
    "table.exec.emit.early-fire.delay",
    "table.exec.emit.late-fire.enabled",
    "table.exec.emit.late-fire.delay",
)
"""Flink's settings of the older group windows: they change results, and are refused."""
_JOB = {
    "job.enable_dlq": ("enable.dlq", "dlq.enabled"),
    "job.dlq_max_size": ("dlq.max.size",),
    "job.dlq_topic": ("dlq.topic", "dlq.topic.name"),
    "failure_strategy": ("job.failure.strategy", "error.strategy"),
    "max_retries": ("job.max.retries",),
    "retry_backoff": ("job.retry.backoff",),
    "join.timeout": (),
    "state.ttl": ("table.exec.state.ttl",),
    "delivery.guarantee": ("sink.delivery.guarantee", "execution.checkpointing.mode"),
    "checkpoint.interval": ("execution.checkpointing.interval",),
    "checkpoint.dir": ("execution.checkpointing.dir", "state.checkpoints.dir"),
    "job.name": ("pipeline.name", "app.name"),
    "emit.semantics": (),
    "time.zone": ("table.local.time.zone", "timezone", "time_zone"),
    "source.idle_timeout": ("table.exec.source.idle.timeout",),
    "table.exec.sink.not-null-enforcer": (),
    **dict.fromkeys(EMIT_KEYS, ()),
}
FIXED_SETTINGS = {
    "execution.runtime-mode": "streaming",
    "table.sql-dialect": "default",
    "table.column-expansion-strategy": "",
    "table.exec.legacy-cast-behaviour": "disabled",
    "table.exec.sink.type-length-enforcer": "ignore",
    "table.exec.sink.nested-constraint-enforcer": "ignore",
    "table.exec.sink.upsert-materialize": "auto",
    "table.exec.source.cdc-events-duplicate": "false",
    "table.exec.deduplicate.insert-update-after-sensitive-enabled": "true",
    "table.legacy-nested-row-nullability": "false",
}
"""Flink's settings that change results, and the value that this engine has; any other is refused."""
_PROMOTED = frozenset({"bootstrap.servers", "group.id", "auto.offset.reset", "schema.registry.url"})
"""Client properties that the program itself reads."""

_GROUPS = (
    ("kafka_source", "kafka"),
    ("kafka_sink", "kafka"),
    ("file_source", "file"),
    ("file_sink", "file"),
    ("datasource", None),
    ("datasink", None),
    ("file", None),
    ("kafka", None),
)
"""Groups around the properties of a configuration file, and the type that each tells."""

_CLIENT_GROUPS = (
    "consumer_config.",
    "producer_config.",
    "consumer.config.",
    "producer.config.",
    "properties.",
    "producer.",
    "consumer.",
)
_JSON_AND_CSV = (
    "json.timestamp-format.standard",
    "json.decimal",
    "json.fail-on-missing-field",
    "json.ignore-parse-errors",
    "json.encode.ignore-null-fields",
    "csv.quote-character",
    "csv.disable-quote-character",
    "csv.null-literal",
    "csv.ignore-parse-errors",
    "csv.timestamp-format.standard",
)
"""Options of these formats that are read, besides those of _RELATION."""
FIXED_OPTIONS = {"csv.allow-comments": "false", "csv.escape-character": "", "json.map-null-key.mode": "fail"}
"""Options that change results, and the value that the formats have; any other is refused."""
_PASSED = (
    "raw.",
    "avro.",
    "protobuf.",
    "timestamp.format.",
    "fields.",
    "schema.fields.",
    "schema.key.",
    "debezium-json.",
    "canal-json.",
    "avro-confluent.",
    "protobuf-confluent.",
    "schema.registry.",
    "subject",
    "auto.register.schemas",
    "use.latest.version",
    *(
        f"{part}.{own}"
        for part in ("key", "value")
        for own in ("avro.", "avro-confluent.", "protobuf.", "protobuf-confluent.", "debezium-json.", "subject")
    ),
    "key.json.",
    "key.csv.",
)
"""Options of formats and generators keep their names."""
_GENERATOR = ("rows-per-second", "number-of-rows")
_CLIENT = frozenset(
    """acks batch.num.messages batch.size buffer.memory client.id client.rack compression.type connections.max.idle.ms
    debug delivery.timeout.ms enable.auto.commit enable.idempotence enable.partition.eof fetch.max.bytes
    fetch.max.wait.ms fetch.message.max.bytes fetch.min.bytes fetch.wait.max.ms group.instance.id
    heartbeat.interval.ms isolation.level linger.ms max.in.flight.requests.per.connection max.partition.fetch.bytes
    max.poll.interval.ms max.poll.records message.max.bytes metadata.max.age.ms partition.assignment.strategy
    queue.buffering.max.kbytes queue.buffering.max.messages queue.buffering.max.ms receive.buffer.bytes
    reconnect.backoff.ms request.timeout.ms retries retry.backoff.ms security.protocol send.buffer.bytes
    session.timeout.ms socket.timeout.ms statistics.interval.ms transaction.timeout.ms transactional.id
    auto.commit.interval.ms""".split()  # noqa: SIM905 - one word a line
)
_CLIENT_PREFIXES = ("sasl.", "ssl.", "socket.", "topic.metadata.", "broker.address.")
_TUNING = "it tunes throughput, on which no result depends"
_CLUSTER = "it configures Velostream's or Flink's own runtime"
_DESCRIPTION = "it describes and changes nothing"
_WITHOUT_MEANING = {
    "performance": _TUNING,
    "performance.profile": _TUNING,
    "performance.profiles": _TUNING,
    "delivery.profile": "say delivery.guarantee",
    "stream.config": "it configures a topic that this program does not create",
    "topic.config": "it configures a topic that this program does not create",
    "table": "tables are declared with CREATE TABLE",
    "cache": _TUNING,
    "loading": "a table is read whole before the first record of a stream",
    "metadata": _DESCRIPTION,
    "description": _DESCRIPTION,
    "name": _DESCRIPTION,
    "version": _DESCRIPTION,
    "schema.version": _DESCRIPTION,
    "polling": _TUNING,
    "batch.config": _TUNING,
    "io": _TUNING,
    "json.encode.decimal.as.plain.number": "decimals are always written plain",
    "csv.write.bigdecimal.in.scientific.notation": "decimals are always written plain",
    "json.map.null.key.literal": "maps have no NULL keys",
    "json.decode.json.parser": _TUNING,
    "csv.array.element.delimiter": "the csv format has no arrays",
    "scan.watermark.alignment": "a job reads its inputs in one order, so none gets ahead",
    "scan.watermark.emit": "the watermark follows every row",
    "scan.parallelism": _CLUSTER,
    "sink.parallelism": _CLUSTER,
    "sink.partitioner": "records are partitioned by their key",
    "sink.buffer.flush": _TUNING,
    "sink.transactional.id.prefix": _CLUSTER,
    "sink.rolling.policy": _CLUSTER,
    "scan.topic.partition.discovery": "new partitions are read from the next start of the job on",
    "lookup": _TUNING,
    "source.monitor.interval": _CLUSTER,
    "changelog.mode": "the changelog follows from the query",
    "pipeline": _CLUSTER,
    "parallelism": _CLUSTER,
    "execution": _CLUSTER,
    "state.backend": _CLUSTER,
    "state.checkpoints": _CLUSTER,
    "table.exec": _CLUSTER,
    "table.optimizer": _CLUSTER,
    "table.dynamic.table.options": _CLUSTER,
    "table.planner": _CLUSTER,
    "restart.strategy": _CLUSTER,
    "sql.client": _CLUSTER,
}


def _fold(key: str) -> str:
    return key.casefold().replace("_", ".").replace("-", ".")


def _index(table: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {_fold(spelling): name for name, others in table.items() for spelling in (name, *others)}


_BY_SPELLING = {
    PropertyKind.RELATION: _index(_RELATION),
    PropertyKind.EVENT_TIME: _index(_EVENT_TIME),
    PropertyKind.JOB: _index(_JOB),
}
_FORMAT_OPTIONS = {_fold(key): key for key in _JSON_AND_CSV}
RELATION_KEYS = (*_RELATION, *_JSON_AND_CSV)
EVENT_TIME_KEYS = tuple(_EVENT_TIME)
JOB_KEYS = tuple(_JOB)
READ_WHEN_RUN = frozenset({"emit.semantics", "failure_strategy", "job.dlq_max_size", "time.zone"})
"""Properties of the job that are read when it starts, so that a caller may set them too."""
READ_WHEN_LIVE = frozenset(
    {
        "delivery.guarantee",
        "checkpoint.interval",
        "checkpoint.dir",
        "job.name",
        "job.dlq_topic",
        "max_retries",
        "retry_backoff",
    }
)
"""Properties of the job that are read when it goes on without end; they change no result."""
READ_JOB_KEYS = (
    READ_WHEN_RUN | READ_WHEN_LIVE | {"source.idle_timeout", "state.ttl", "table.exec.sink.not-null-enforcer"}
)
"""Properties of the job that this version reads; the other JOB_KEYS have no effect yet."""


def fixed_setting(written: str) -> tuple[str, str] | None:
    """The setting of Flink that `written` is, and the only value that it can have here."""
    return _fixed(written, FIXED_SETTINGS)


def fixed_option(written: str) -> tuple[str, str] | None:
    """The option of a format that `written` is, and the only value that it can have here."""
    return _fixed(_without_groups(written).removeprefix("value."), FIXED_OPTIONS)


def _fixed(written: str, table: dict[str, str]) -> tuple[str, str] | None:
    return next(((key, value) for key, value in table.items() if _fold(key) == _fold(written)), None)


def implied_type(key: str) -> str | None:
    """The type that a wrapping group tells: `kafka` for `kafka_source.topic`."""
    return next((kind for group, kind in _GROUPS if kind is not None and key.startswith(group + ".")), None)


def property_key(written: str) -> PropertyKey:
    """What the key `written` is; without the name of a source or sink before it."""
    key = _without_groups(written)
    folded = _fold(key)
    for kind, spellings in _BY_SPELLING.items():
        if folded in spellings:
            return PropertyKey(kind, spellings[folded])
    client = next((key[len(group) :] for group in _CLIENT_GROUPS if key.startswith(group)), None)
    if client:
        name = _BY_SPELLING[PropertyKind.RELATION].get(_fold(client))
        if name in _PROMOTED:
            return PropertyKey(PropertyKind.RELATION, name)
        return PropertyKey(PropertyKind.CLIENT, client)
    option = _FORMAT_OPTIONS.get(folded.removeprefix("value."))
    if option is not None:
        return PropertyKey(PropertyKind.RELATION, option)
    if key.startswith(_PASSED) or key in _GENERATOR:
        return PropertyKey(PropertyKind.RELATION, key)
    if folded in _CLIENT or folded.startswith(_CLIENT_PREFIXES):
        return PropertyKey(PropertyKind.CLIENT, folded)
    reason = _reason(folded)
    if reason is not None:
        return PropertyKey(PropertyKind.WITHOUT_MEANING, written, reason)
    return PropertyKey(PropertyKind.UNKNOWN, written)


def _without_groups(key: str) -> str:
    stripped = True
    while stripped:
        stripped = False
        for group, _ in _GROUPS:
            if key.startswith(group + ".") and len(key) > len(group) + 1:
                key, stripped = key[len(group) + 1 :], True
    return key


def _reason(folded: str) -> str | None:
    """The reason of the longest known beginning of the key, at a dot."""
    parts = folded.split(".")
    for length in range(len(parts), 0, -1):
        reason = _WITHOUT_MEANING.get(".".join(parts[:length]))
        if reason is not None:
            return reason
    return None
