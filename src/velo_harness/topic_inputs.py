"""Rows of an input as records of an in-memory topic, the way a broker takes them: formats and keys are tested too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from velo_engine import TopicInput
from velo_engine.batch import Int32s, Int64s
from velo_engine.connectors.keys import KeyEncoder
from velo_engine.connectors.murmur2 import partitions_of
from velo_engine.connectors.source import NO_TIMESTAMP, Headers
from velo_engine.connectors.topics import Topic
from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.formats import open_format
from velo_engine.formats.event_times import OPTION_PREFIX
from velo_engine.plan.nodes import SourceTable
from velo_engine.schema import RowSchema

DEFAULT_FORMAT = "json"
STANDARD_TIMES = "sql"
_FORMAT_PROPERTIES = ("format", "value.format", "value.serializer", "schema.value.serializer")


def record_format(properties: Mapping[str, str]) -> str:
    """The name of the format of a source's records."""
    return next((properties[key] for key in _FORMAT_PROPERTIES if key in properties), DEFAULT_FORMAT)


def properties_in_format(source: SourceTable, wanted: str | None, location: Location | None) -> Mapping[str, str]:
    """The properties of a source whose records are written in the format `wanted` (None: as the SQL says).

    Errors: BAD_VALUE when the SQL reads them in another.
    """
    if wanted is None:
        return source.properties
    named = any(key in source.properties for key in _FORMAT_PROPERTIES)
    family = record_format(source.properties).casefold().removesuffix("-confluent").removeprefix("debezium-")
    if not named:
        return {**source.properties, "format": wanted}
    if family != wanted:
        message = f'the SQL reads "{source.name}" as {record_format(source.properties)}, not as {wanted}'
        raise VeloError(ErrorCode.BAD_VALUE, message, location=location, hint="leave format out, or change the SQL")
    return source.properties


def written_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties of a source as its records are written here: typed times in the standard form.

    The engine reads times in epochs and patterns of all kinds, but writes the standard form only.
    """
    return {key: STANDARD_TIMES if key.startswith(OPTION_PREFIX) else text for key, text in properties.items()}


@dataclass(frozen=True, slots=True)
class RecordLayout:
    """How the rows of one input are written to its topic."""

    topic: str
    partitions: int
    key_field: str | None
    key_location: Location | None
    """Of the key field's name in the spec."""
    properties: Mapping[str, str]
    """Of the source in the SQL: format and its options."""
    timestamp_ms: int
    """Of every record."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header → the name of a column, whose value each record carries, else the text that all carry."""

    @property
    def format(self) -> str:
        """The name of the record format."""
        return record_format(self.properties)


def encoded(table: pa.Table, schema: RowSchema, layout: RecordLayout) -> list[bytes]:
    """One record value a row."""
    return open_format(layout.format, schema, layout.properties).encode(_physical(table, schema))


@dataclass(frozen=True, slots=True)
class Placing:
    """Where the records of one input stand."""

    sequences: Int64s
    """Their places in the run's global order."""
    timestamps_ms: Int64s | None = None
    """None: the layout's, for all."""
    partitions: Int32s | None = None
    """-1 for a record that goes by its key, or takes its turn; None: all do."""


def topic_of(
    values: Sequence[bytes], rows: pa.Table, schema: RowSchema, layout: RecordLayout, placing: Placing
) -> TopicInput:
    """A topic with these values, keyed by the rows.

    Values without rows (records that do not decode stay in the input) have no key. Where no key is asked for, records
    take turns in the partitions.
    """
    count = len(values)
    topic = Topic(layout.topic, layout.partitions)
    keys = record_keys(rows, schema, layout) if rows.num_rows == count else None
    stamp = layout.timestamp_ms if layout.timestamp_ms >= 0 else NO_TIMESTAMP
    topic.append_batch(
        values,
        keys=keys,
        partitions=_partitions(keys, layout, placing, count),
        timestamps_ms=np.full(count, stamp, np.int64) if placing.timestamps_ms is None else placing.timestamps_ms,
        sequences=placing.sequences,
        headers=_headers(rows, schema, layout, count) if layout.headers else None,
    )
    return TopicInput(topic, layout.format, layout.properties)


def _partitions(
    keys: Sequence[bytes | None] | None, layout: RecordLayout, placing: Placing, count: int
) -> Int32s | None:
    """The partition of each record; None: each goes by its key."""
    own = np.arange(count, dtype=np.int32) % layout.partitions if layout.key_field is None else None
    if placing.partitions is None:
        return own
    if own is None:
        keyed = [i for i, key in enumerate(keys or ()) if key is not None]
        own = np.zeros(count, np.int32)
        own[keyed] = partitions_of([key for key in keys or () if key is not None], layout.partitions)
    return np.where(placing.partitions >= 0, placing.partitions, own)


def record_keys(rows: pa.Table, schema: RowSchema, layout: RecordLayout) -> list[bytes | None] | None:
    """One record key a row; None where no key is asked for. Errors: UNKNOWN_COLUMN."""
    if layout.key_field is None:
        return None
    position = schema.index(layout.key_field)
    if position is None:
        raise VeloError(
            ErrorCode.UNKNOWN_COLUMN,
            f'{layout.topic} has no column "{layout.key_field}" for its key',
            location=layout.key_location,
            hint=did_you_mean(layout.key_field, schema.names, noun="column"),
        )
    return KeyEncoder(schema, (position,)).encode(_physical(rows, schema))


def _headers(rows: pa.Table, schema: RowSchema, layout: RecordLayout, count: int) -> list[Headers]:
    """The headers of each record: columns as keys have them. Values without rows have the fixed ones only."""
    columns: list[list[tuple[str, bytes | None]]] = []
    for name, given in layout.headers.items():
        position = schema.index(given)
        if position is None:
            columns.append([(name, given.encode())] * count)
        elif rows.num_rows == count:
            columns.append([(name, value) for value in KeyEncoder(schema, (position,)).encode(_physical(rows, schema))])
    return list(zip(*columns, strict=True)) if columns else [()] * count


def _physical(table: pa.Table, schema: RowSchema) -> pa.Table:
    return pa.table(table.columns, schema=schema.physical())
