"""What the sinks of a run wrote, read back from their topics: that is what the spec's assertions look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from velo_engine import types as t
from velo_engine.batch import Bools, RowKind, numpy_column
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.source import KafkaSource
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import open_format
from velo_engine.plan.nodes import PlannedStatement
from velo_engine.schema import Column, RowSchema
from velo_harness.relation import Relation

if TYPE_CHECKING:
    from velo_engine.runtime.result import JobResult, StatementResult

_VALUES = RowSchema((Column("value", t.BYTES),))
_READ_AT_ONCE = 50_000


def read_back(
    result: JobResult, statements: Mapping[str, PlannedStatement], topics: Mapping[str, str], cluster: KafkaCluster
) -> tuple[JobResult, dict[str, Relation]]:
    """The result with the rows that are in the `topics` of its statements, and per statement the records there.

    Raises VeloError JOB_FAILED when a topic does not hold all that was written to it, or what does not decode.
    """
    results = dict(result.statements)
    records: dict[str, Relation] = {}
    for name, topic in topics.items():
        one = results[name]
        table = _records_in(topic, cluster, statements[name], one)
        if not _same_records(one):
            # The sink keeps less than the changelog has (a primary key, NOT NULL); what is checked is the changelog.
            continue
        records[name] = Relation(name, one.schema, pa.table(table.columns, schema=one.schema.arrow()), one.aliases)
        if not numpy_column(one.rows, "kind").any():
            results[name] = replace(one, rows=_with_columns(one.rows, table))
    return replace(result, statements=results), records


def _records_in(topic: str, cluster: KafkaCluster, statement: PlannedStatement, result: StatementResult) -> pa.Table:
    """The rows that the topic's records are, tombstones left out: physical columns of the statement."""
    assert statement.sink is not None
    values = _values_in(topic, cluster)
    written = result.accounting.written
    if len(values) != written:
        message = f"{statement.name} wrote {written:,} records to {topic}, and {len(values):,} are there"
        raise VeloError(ErrorCode.JOB_FAILED, message, hint="does somebody else write to, or delete from, this topic?")
    properties = statement.sink.properties
    form = open_format(properties.get("format", "json"), result.schema, properties)
    decoded = form.decode([value for value in values if value is not None])
    if decoded.failures:
        first = decoded.failures[0]
        message = f"{statement.name} wrote a record to {topic} that its own format does not read: {first.reason}"
        raise VeloError(ErrorCode.JOB_FAILED, message)
    table = decoded.table
    if decoded.kinds is not None:
        table = table.filter(pa.array(_given_out(decoded.kinds)))
    return table


def _values_in(topic: str, cluster: KafkaCluster) -> list[bytes | None]:
    """The values of all committed records, in order; None for tombstones."""
    source = KafkaSource(topic, open_format("raw", _VALUES, {}), _VALUES, cluster)
    values: list[bytes | None] = []
    try:
        while (batch := source.read(_READ_AT_ONCE)) is not None:
            values += batch.table.column(0).to_pylist()
    finally:
        source.close()
    return values


def _same_records(result: StatementResult) -> bool:
    """Whether the sink got the very rows that the statement gave out as +I and +U."""
    if result.sink_rows is result.rows:
        return True
    own, sunk = (_only_given_out(rows, len(result.schema)) for rows in (result.rows, result.sink_rows))
    return bool(own.equals(sunk))


def _only_given_out(rows: pa.Table, columns: int) -> pa.Table:
    kept = _given_out(numpy_column(rows, "kind"))
    return rows.select(range(columns)).filter(pa.array(kept))


def _given_out(kinds: np.ndarray[tuple[int], np.dtype[np.int8]]) -> Bools:
    found: Bools = (kinds == RowKind.INSERT) | (kinds == RowKind.UPDATE_AFTER)
    return found


def _with_columns(rows: pa.Table, values: pa.Table) -> pa.Table:
    """The changelog with its columns replaced by those of `values`."""
    for i in range(values.num_columns):
        rows = rows.set_column(i, rows.schema.field(i), values.column(i))
    return rows
