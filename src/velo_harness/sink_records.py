"""The records of a sink's topic as the rows that they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, RowKind, numpy_column
from velo_engine.connectors.record_formats import KeyedFormat, key_layout, open_decoder, open_encoders, value_options
from velo_engine.connectors.record_headers import headers_column, headers_of
from velo_engine.connectors.record_sink import value_rows
from velo_engine.connectors.source import Headers
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import open_format
from velo_engine.plan.nodes import PlannedStatement, Sink
from velo_engine.runtime.open_connector import with_schema_files
from velo_engine.schema import RowSchema

if TYPE_CHECKING:
    from velo_engine.runtime.result import StatementResult


@dataclass(frozen=True, slots=True)
class Contents:
    """The committed records of a topic, in order."""

    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers]
    timestamps_ms: list[int]
    partitions: int


def records_in(contents: Contents, statement: PlannedStatement, result: StatementResult, folder: Path) -> pa.Table:
    """The rows that the topic's records are, tombstones left out: physical columns of the statement."""
    assert statement.sink is not None
    name, columns = statement.sink.name, statement.sink.value_columns(result.schema)
    schema, key = result.schema.select(columns), statement.sink.value_key(result.schema)
    written = given_out_rows(result.sink_rows)
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
    table: pa.Table, contents: Contents, records: Sequence[int], sink: Sink, schema: RowSchema
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


def _in_order_of(wanted: list[bytes], values: list[bytes | None], kept: list[int]) -> list[int]:
    """The positions `kept` in the order in which their values were written: partitions have no order among each other.

    Values that were not written as `wanted` says come last.
    """
    places: dict[bytes | None, deque[int]] = {}
    for place, value in enumerate(wanted):
        places.setdefault(value, deque()).append(place)
    found = [queue.popleft() if (queue := places.get(values[i])) else len(wanted) for i in kept]
    return [kept[at] for at in np.argsort(np.array(found, np.int64), kind="stable").tolist()]


def given_out_rows(rows: pa.Table) -> pa.Table:
    """The +I and +U rows of a changelog."""
    return rows.filter(pa.array(_given_out(numpy_column(rows, "kind"))))


def _given_out(kinds: np.ndarray[tuple[int], np.dtype[np.int8]]) -> Bools:
    found: Bools = (kinds == RowKind.INSERT) | (kinds == RowKind.UPDATE_AFTER)
    return found


def with_columns(rows: pa.Table, values: pa.Table) -> pa.Table:
    """The changelog with its columns replaced by those of `values`."""
    for i in range(values.num_columns):
        rows = rows.set_column(i, rows.schema.field(i), values.column(i))
    return rows
