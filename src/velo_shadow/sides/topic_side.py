"""A topic as one side: its columns as they are declared, as the registry has them, or as its first records show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

import msgspec
import pyarrow as pa

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.start import Boundary, Place
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import FORMAT_NAMES
from velo_engine.formats.framing import FRAME_SIZE, framed_registry, subject_of
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType
from velo_harness.typed_values import parse_timestamp
from velo_shadow.config import TopicStream
from velo_shadow.folding import Changelog
from velo_shadow.planning import with_room
from velo_shadow.sides.address import shown_address
from velo_shadow.sides.decoding import AVRO_CONFLUENT, DEBEZIUM_JSON, JSON, RecordForm, schema_columns
from velo_shadow.sides.exact_json import uncut
from velo_shadow.sides.kafka_reader import KafkaReader
from velo_shadow.sides.sampling import Sample, first_records, json_columns, not_decoded

_FORMAT_OPTIONS = (
    *(f"{name}." for name in FORMAT_NAMES),
    "schema.registry.",
    "key.",
    "value.",
    "timestamp.format.",
    "debezium-json.",
)
"""How properties begin that are about formats; the others are of the Kafka client."""


class RememberedTopic(msgspec.Struct, forbid_unknown_fields=True):
    """What the first records of a topic showed."""

    address: str
    types: dict[str, SqlType | None]
    """None: a column that is not read."""
    changelog: Changelog
    quoted: dict[str, bool]
    only_in_key: tuple[str, ...]
    key_format: str


CSV = "csv"
_WRITTEN_AS_TEXT = (JSON, DEBEZIUM_JSON, CSV)
_FETCHED_AHEAD = {"queued.max.messages.kbytes": "16384", "queued.min.messages": "30000"}
"""A client of its own fetches ahead for four times the memory; a comparison has two of them for each sink."""


@dataclass(frozen=True, slots=True)
class TopicSide:
    """A topic whose columns are known."""

    stream: TopicStream
    types: Mapping[str, SqlType | None]
    """None: nobody states the type, `table` shows it."""
    form: RecordForm
    table: pa.Table | None = None
    is_sample: bool = True
    """A topic may get further records."""
    is_empty: bool = False
    """Whether it has no records and nobody states its columns."""

    @property
    def label(self) -> str:
        """What messages call it."""
        return shown_address(self.stream)

    @property
    def are_texts(self) -> Mapping[str, bool]:
        """Of JSON: whether a column's values stand in quotes."""
        return self.form.quoted

    @property
    def changelog(self) -> Changelog:
        """How its records say what they say."""
        return self.form.changelog

    @property
    def may_have_more(self) -> bool:
        """Whether later records may have columns that the first ones had not."""
        return self.form.name in (JSON, DEBEZIUM_JSON)

    def remembered(self, types: Mapping[str, SqlType]) -> RememberedTopic:
        """What a comparison that goes on is to know; `types` are those that it reads by."""
        form = self.form
        known = {name: types.get(name) for name in dict.fromkeys((*self.types, *types))}
        return RememberedTopic(
            identity_of(self.stream), known, form.changelog, dict(form.quoted), form.only_in_key, form.key_format
        )

    def as_other(self, types: Mapping[str, SqlType | None], table: pa.Table | None) -> TopicSide:
        """An empty topic that is taken to have the columns of the other side."""
        none = None if table is None else table.slice(0, 0)
        return replace(self, types=types, table=none, is_empty=False)

    def reader(self, types: Mapping[str, SqlType], *, ignored: Sequence[str], once: bool) -> KafkaReader:
        """Reads the topic, from its start; `once`: to the ends that it has when it is first read.

        `types` are those of the columns to read, in order. Raises VeloError: no broker, no such topic.
        """
        if self.form.name in _WRITTEN_AS_TEXT:
            types = {name: uncut(kind) for name, kind in types.items()}
        schema = RowSchema.of(*((name, kind.as_nullable()) for name, kind in types.items()))
        form = replace(self.form, ignored=tuple(ignored), key=tuple(n for n in self.form.key if n in types))
        return KafkaReader(
            self.label,
            self.stream.topic,
            cluster_of(self.stream),
            schema,
            form.open(self.label, schema),
            settings=client_settings(self.stream),
            start=boundary_of(self.stream),
            once=once,
        )


def open_topic(stream: TopicStream, *, key: Sequence[str] = (), declared: RowSchema | None = None) -> TopicSide:
    """A topic as a side, after a look at its first records. `key` is the comparison's; `declared` are its columns,
    where a program says them (a registry says it better).

    Raises VeloError: no broker, no such topic; SCHEMA_MISMATCH for records that are not in the topic's format;
    BAD_PROPERTY for a format whose columns nothing says; BAD_VALUE for upserts without a key.
    """
    label = shown_address(stream)
    options = format_options(stream)
    sample = first_records(label, stream.topic, cluster_of(stream), client_settings(stream))
    form = RecordForm(stream.format.casefold(), options, _changelog(stream, sample, key), {}, key=tuple(key))
    if form.name in (JSON, DEBEZIUM_JSON):
        return _json_side(stream, sample, form, declared)
    if form.is_registered:
        form = replace(form, key_format=_key_format(sample))
        types = _registered(sample, options)
        if not types and declared is not None:
            types = _declared_types(form.name, declared)
        return TopicSide(stream, types, form, is_empty=not types)
    if declared is None:
        message = f'{label}: records in the format "{form.name}" do not say what their columns are'
        hint = "compare by a shadow_config.yaml whose program declares the sink"
        raise VeloError(ErrorCode.BAD_PROPERTY, message, hint=hint)
    types = _declared_types(form.name, declared)
    return TopicSide(stream, types, replace(form, key_format=_key_format(sample)))


def recalled_topic(
    stream: TopicStream, known: RememberedTopic, *, key: Sequence[str] = (), declared: RowSchema | None = None
) -> TopicSide:
    """A topic as a side, by what was learnt of it before: not looked at again. Else as `open_topic`."""
    form = RecordForm(
        stream.format.casefold(),
        format_options(stream),
        known.changelog,
        known.quoted,
        key=tuple(key),
        only_in_key=known.only_in_key,
        key_format=known.key_format,
    )
    if declared is None or form.is_registered:
        return TopicSide(stream, known.types, form)
    return TopicSide(stream, _declared_types(form.name, declared), form)


def identity_of(stream: TopicStream) -> str:
    """What tells topics apart."""
    return f"{shown_address(stream)} of {stream.brokers} as {stream.format} {stream.changelog}"


def cluster_of(stream: TopicStream) -> KafkaCluster:
    """The cluster of a topic."""
    return KafkaCluster(stream.brokers)


def client_settings(stream: TopicStream) -> dict[str, str]:
    """The properties of the Kafka client."""
    own = {name: text for name, text in stream.properties.items() if not name.startswith(_FORMAT_OPTIONS)}
    return {**_FETCHED_AHEAD, **own}


def format_options(stream: TopicStream) -> dict[str, str]:
    """The properties of the format, the topic's name among them: it names the subject of a schema."""
    own = {name: text for name, text in stream.properties.items() if name.startswith(_FORMAT_OPTIONS)}
    return {"topic": stream.topic, **own}


def boundary_of(stream: TopicStream) -> Boundary:
    """Where a topic is read from. Errors: BAD_VALUE."""
    match stream.start:
        case "earliest":
            return Boundary(Place.EARLIEST)
        case "latest":
            return Boundary(Place.LATEST)
        case "committed":
            if "group.id" not in stream.properties:
                message = f"{shown_address(stream)}: to start at what a group has committed needs a group"
                raise VeloError(ErrorCode.BAD_VALUE, message, hint="give group.id among its properties")
            return Boundary(Place.GROUP)
        case text:
            moment = parse_timestamp(text)
            if moment is None:
                message = f'{shown_address(stream)}: "{text}" says nowhere to begin'
                hint = "earliest, latest, committed, or a time such as 2026-01-01T00:00:00Z"
                raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint)
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            return Boundary(Place.TIMESTAMP, timestamp_ms=round(moment.timestamp() * 1000))


def _json_side(stream: TopicStream, sample: Sample, form: RecordForm, declared: RowSchema | None) -> TopicSide:
    written = json_columns(sample, are_events=form.name == DEBEZIUM_JSON, key=form.key)
    form = replace(form, quoted=written.are_texts, only_in_key=written.only_in_key)
    if declared is not None:
        return TopicSide(stream, _declared_types(form.name, declared), form)
    types: dict[str, SqlType | None] = dict.fromkeys(written.table.column_names)
    return TopicSide(stream, types, form, written.table, is_empty=not types)


def _declared_types(form: str, declared: RowSchema) -> dict[str, SqlType | None]:
    """The types to read declared columns by: digits that were written beyond those declared must not be cut."""
    kinds = {column.name: column.type.as_nullable() for column in declared.columns}
    if form == CSV:
        return {name: with_room(kind) for name, kind in kinds.items()}
    if form in _WRITTEN_AS_TEXT:
        return {name: uncut(kind) for name, kind in kinds.items()}
    return dict(kinds)


def _changelog(stream: TopicStream, sample: Sample, key: Sequence[str]) -> Changelog:
    """As stated; records that speak for themselves, and tombstones beside a key, need nobody to state it."""
    if stream.format.casefold() == DEBEZIUM_JSON:
        return Changelog.DEBEZIUM
    found = stream.changelog
    if found is Changelog.APPEND and key and sample.has_tombstones:
        found = Changelog.UPSERT
    if found is Changelog.UPSERT and not key:
        message = f"{sample.label} is a topic of upserts: they need the key of a row"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="give the columns of the key (--key, key:)")
    if found in (Changelog.RETRACT, Changelog.DEBEZIUM):
        message = f'{sample.label}: records in the format "{stream.format}" do not say what they take back'
        hint = f"Flink writes such a stream as {DEBEZIUM_JSON}, or as upserts"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint)
    return found


def _key_format(sample: Sample) -> str:
    """Of record keys: what the first one looks like."""
    key = next((key for key in sample.keys if key), b"")
    if key[:1] == b"\x00" and len(key) >= FRAME_SIZE:
        return AVRO_CONFLUENT
    return JSON if key[:1] == b"{" else "raw"


def _registered(sample: Sample, options: Mapping[str, str]) -> dict[str, SqlType | None]:
    """The columns by the registry: of the schema of the first record, else of the topic's newest schema.

    Errors: SCHEMA_MISMATCH for a record without schema.
    """
    registry = framed_registry(AVRO_CONFLUENT, options)
    for value, place in zip(sample.values, sample.places, strict=True):
        if value is None:
            continue
        if value[:1] != b"\x00" or len(value) < FRAME_SIZE:
            reason = "the record does not begin with a zero byte and the id of a schema, as avro-confluent does"
            raise not_decoded(sample.label, place, reason, value, "say how the records are written (format)")
        number = int.from_bytes(value[1:FRAME_SIZE])
        schema = registry.schema_by_id(number)
        if schema is None:
            raise VeloError(
                ErrorCode.SCHEMA_MISMATCH,
                f"{sample.label}: schema {number} of its records is not in the registry {registry.url}",
                hint="is schema.registry.url the registry that the topic's writer used?",
            )
        return dict(schema_columns(schema.text, f"schema {number} of {sample.label}"))
    subject = subject_of(registry, options, is_key=False)
    latest = None if subject is None else registry.latest(subject.name)
    return {} if latest is None else dict(schema_columns(latest[1].text, f"the schema of {sample.label}"))
