"""What the sinks of a run wrote, read back from their topics: that is what the spec's assertions look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from velo_engine import types as t
from velo_engine.batch import numpy_column
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.source import KafkaSource
from velo_engine.connectors.source import Headers
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import open_format
from velo_engine.plan.nodes import PlannedStatement
from velo_engine.schema import Column, RowSchema
from velo_harness.relation import Relation
from velo_harness.sink_records import Contents, given_out_rows, records_in, with_columns

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
        table = records_in(contents, statements[name], one, folder)
        if not _same_records(one):
            # The sink keeps less than the changelog has (a primary key, NOT NULL); what is checked is the changelog.
            continue
        records[name] = Relation(name, one.schema, pa.table(table.columns, schema=one.schema.arrow()), one.aliases)
        if not numpy_column(one.rows, "kind").any():
            results[name] = replace(one, rows=with_columns(one.rows, table))
    return replace(result, statements=results), records


def _contents(topic: str, cluster: KafkaCluster) -> Contents:
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
    return Contents(keys, values, headers, timestamps, source.partitions)


def _same_records(result: StatementResult) -> bool:
    """Whether the sink got the very rows that the statement gave out as +I and +U."""
    if result.sink_rows is result.rows:
        return True
    own, sunk = (given_out_rows(rows).select(range(len(result.schema))) for rows in (result.rows, result.sink_rows))
    return bool(own.equals(sunk))
