"""What the sinks of a run wrote, read back from their topics: that is what the spec's assertions look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from velo_engine import types as t
from velo_engine.batch import Bools, RowKind, numpy_column
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.source import KafkaSource
from velo_engine.connectors.record_formats import KeyedFormat, key_layout, open_decoder, open_encoders, value_options
from velo_engine.connectors.record_headers import headers_column, headers_of
from velo_engine.connectors.record_sink import value_rows
from velo_engine.connectors.source import Headers
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import open_format
from velo_engine.plan.nodes import PlannedStatement, Sink
from velo_engine.runtime.open_connector import with_schema_files
from velo_engine.schema import Column, RowSchema
from velo_harness.relation import Relation

if TYPE_CHECKING:
    from velo_engine.runtime.result import JobResult, StatementResult

_VALUES = RowSchema((Column("value", t.BYTES),))
_READ_AT_ONCE = 50_000


def read_back(
    result: JobResult,
    statements: Mapping[str, PlannedStatement],
    topics: Mapping[str, str],
    cluster: KafkaCluster,
    folder: Path,
) -> tuple[JobResult, dict[str, Relation]]:
    """The result with the rows that are in the `topics` of its statements, and per statement the records there.

    Relative paths of the program start at `folder`.
    Raises VeloError JOB_FAILED when a topic does not hold all that was written to it, or what does not decode.
    """
    results = dict(result.statements)
    records: dict[str, Relation] = {}
    for name, topic in topics.items():
        one = results[name]
        contents = _contents(topic, cluster)
        written = one.accounting.written
        if len(contents.values) != written:
            message = f"{name} wrote {written:,} records to {topic}, and {len(contents.values):,} are there"
            hint = "does somebody else write to, or delete from, this topic?"
            raise VeloError(ErrorCode.JOB_FAILED, message, hint=hint)
        table = _records_in(contents, statements[name], one, folder)
        if not _same_records(one):
            # The sink keeps less than the changelog has (a primary key, NOT NULL); what is checked is the changelog.
            continue
        records[name] = Relation(name, one.schema, pa.table(table.columns, schema=one.schema.arrow()), one.aliases)
        if not numpy_column(one.rows, "kind").any():
            results[name] = replace(one, rows=_with_columns(one.rows, table))
    return replace(result, statements=results), records


@dataclass(frozen=True, slots=True)
class _Contents:
    """The committed records of a topic, in order."""

    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers]
    timestamps_ms: list[int]
    partitions: int


def _records_in(contents: _Contents, statement: PlannedStatement, result: StatementResult, folder: Path) -> pa.Table:
    """The rows that the topic's records are, tombstones left out: physical columns of the statement."""
    assert statement.sink is not None
    name, columns = statement.sink.name, statement.sink.value_columns(result.schema)
    schema, key = result.schema.select(columns), statement.sink.value_key(result.schema)
    written = _given_out_rows(result.sink_rows)
    options = with_schema_files(statement.sink.properties, folder, None)
    form, encoders = options.get("format", "json"), open_encoders(name, schema, options, key)
    kept = [i for i, value in enumerate(contents.values) if value is not None]
    if contents.partitions > 1:
        wanted = encoders.values.encode(value_rows(written, columns))
        kept = _in_order_of(wanted, contents.values, kept)
    keys, values = [contents.keys[i] for i in kept], [contents.values[i] for i in kept]
    if len(key_layout(name, schema, options, key).value) == len(schema):
        decoded = open_format(form, schema, value_options(options)).decode(values)
    else:
        keyed = open_decoder(name, schema, options, None, key)
        assert isinstance(keyed, KeyedFormat)
        decoded = keyed.decode_records(values, keys)
    if decoded.failures:
        message = f"{statement.name} wrote a record that its own format does not read: {decoded.failures[0].reason}"
        raise VeloError(ErrorCode.JOB_FAILED, message)
    table = decoded.table
    if statement.sink.metadata:
        table = _with_metadata(table, contents, [kept[i] for i in decoded.positions], statement.sink, result.schema)
    table = table if decoded.kinds is None else table.filter(pa.array(_given_out(decoded.kinds)))
    return _as_written(table, written, statement.sink) if statement.sink.metadata else table


def _with_metadata(
    table: pa.Table, contents: _Contents, records: Sequence[int], sink: Sink, schema: RowSchema
) -> pa.Table:
    """`table` with the columns that are in the records' headers and timestamps, at their places."""
    columns = dict(zip(sink.value_columns(schema), table.columns, strict=True))
    for key, position in sink.metadata.items():
        kind = schema.physical().field(position).type
        if key == "headers":
            columns[position] = headers_column([contents.headers[i] for i in records]).cast(kind)
        else:
            millis = np.array([contents.timestamps_ms[i] for i in records], np.int64)
            columns[position] = pa.array(millis * 1000, pa.timestamp("us")).cast(kind)
    return pa.table([columns[i] for i in range(len(schema))], schema=schema.physical())


def _as_written(read: pa.Table, written: pa.Table, sink: Sink) -> pa.Table:
    """`read` with the metadata as they were written, where the records say the same: no headers are NULL or no entries,
    a timestamp is cut to milliseconds, and a broker gives its own to a record without."""
    if read.num_rows != written.num_rows:
        return read
    for key, position in sink.metadata.items():
        own, found = (rows.column(position).combine_chunks() for rows in (written, read))
        if key == "headers":
            same = headers_of(own) == headers_of(found)
        else:
            millis, there = (column.cast(pa.int64()).fill_null(0).to_numpy() // 1000 for column in (own, found))
            same = bool((own.is_null().to_numpy(zero_copy_only=False) | (millis == there)).all())
        if same:
            read = read.set_column(position, read.schema.field(position), own)
    return read


def _contents(topic: str, cluster: KafkaCluster) -> _Contents:
    source = KafkaSource(topic, open_format("raw", _VALUES, {}), _VALUES, cluster)
    keys: list[bytes | None] = []
    values: list[bytes | None] = []
    headers: list[Headers] = []
    timestamps: list[int] = []
    try:
        while (batch := source.read(_READ_AT_ONCE)) is not None:
            keys += batch.keys()
            values += batch.table.column(0).to_pylist()
            headers += batch.headers()
            timestamps += batch.timestamp_ms.tolist()
    finally:
        source.close()
    return _Contents(keys, values, headers, timestamps, source.partitions)


def _in_order_of(wanted: list[bytes], values: list[bytes | None], kept: list[int]) -> list[int]:
    """The positions `kept` in the order in which their values were written: partitions have no order among each other.

    Values that were not written as `wanted` says come last.
    """
    places: dict[bytes | None, deque[int]] = {}
    for place, value in enumerate(wanted):
        places.setdefault(value, deque()).append(place)
    found = [queue.popleft() if (queue := places.get(values[i])) else len(wanted) for i in kept]
    return [kept[at] for at in np.argsort(np.array(found, np.int64), kind="stable").tolist()]


def _same_records(result: StatementResult) -> bool:
    """Whether the sink got the very rows that the statement gave out as +I and +U."""
    if result.sink_rows is result.rows:
        return True
    own, sunk = (_given_out_rows(rows).select(range(len(result.schema))) for rows in (result.rows, result.sink_rows))
    return bool(own.equals(sunk))


def _given_out_rows(rows: pa.Table) -> pa.Table:
    return rows.filter(pa.array(_given_out(numpy_column(rows, "kind"))))


def _given_out(kinds: np.ndarray[tuple[int], np.dtype[np.int8]]) -> Bools:
    found: Bools = (kinds == RowKind.INSERT) | (kinds == RowKind.UPDATE_AFTER)
    return found


def _with_columns(rows: pa.Table, values: pa.Table) -> pa.Table:
    """The changelog with its columns replaced by those of `values`."""
    for i in range(values.num_columns):
        rows = rows.set_column(i, rows.schema.field(i), values.column(i))
    return rows
