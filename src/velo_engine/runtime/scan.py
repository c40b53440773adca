"""From a source's records to the rows of a scan: the system columns that the program asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from velo_engine.batch import StepFunction, make_rows
from velo_engine.connectors.record_headers import headers_column
from velo_engine.connectors.source import NO_TIMESTAMP, SourceBatch
from velo_engine.functions.record_headers import HEADERS
from velo_engine.plan.nodes import Scan
from velo_engine.runtime.ingest import SourceSlice


def scan_rows(scan: Scan, taken: SourceSlice, processing_time: StepFunction) -> pa.Table:
    """The records of `taken` as rows: the source's columns, then the scan's system columns."""
    table = taken.rows
    n = table.num_rows
    columns = [*table.columns, *(_system_column(name, scan, taken, processing_time) for name in scan.system_columns)]
    kinds = np.zeros(n, np.int8) if taken.batch.kinds is None else taken.batch.kinds[taken.start : taken.stop]
    sub = np.zeros(n, np.int32)
    # The new row of an update follows the old one, in the same event.
    sub[1:] = taken.seq[1:] == taken.seq[:-1]
    return make_rows(scan.schema, columns, kinds, taken.seq, sub)


def _system_column(name: str, scan: Scan, taken: SourceSlice, processing_time: StepFunction) -> pa.Array:
    batch, part = taken.batch, slice(taken.start, taken.stop)
    n = taken.stop - taken.start
    match name:
        case "_timestamp":
            ms = batch.timestamp_ms[part]
            return pa.array(ms * 1000, pa.timestamp("us"), mask=ms == NO_TIMESTAMP)
        case "_processing_time":
            return pa.array(processing_time.before(taken.seq) * 1000, pa.timestamp("us"))
        case "_offset":
            return pa.array(batch.offset[part], pa.int64())
        case "_partition":
            return pa.array(batch.partition[part], pa.int32())
        case "_key":
            return pa.array(_texts(batch.keys()[part]), pa.string())
        case "_topic":
            return pa.array([scan.source.properties.get("topic", scan.source.name)] * n, pa.string())
        case "$timestamp_type":
            return _timestamp_types(batch, part)
        case _ if name == HEADERS:
            return headers_column(batch.headers()[part])
    raise AssertionError(f"{name} is not a system column")


def _timestamp_types(batch: SourceBatch, part: slice) -> pa.Array:
    """What Kafka's TimestampType calls the timestamps."""
    there = batch.timestamp_ms[part] != NO_TIMESTAMP
    appended = np.zeros(len(there), np.bool_) if batch.appended is None else batch.appended()[part]
    names = np.where(appended, "LogAppendTime", "CreateTime")
    return pa.array(np.where(there, names, "NoTimestampType"), pa.string())


def _texts(keys: Sequence[bytes | None]) -> list[str | None]:
    """Record keys as text; bytes that are not UTF-8 show as U+FFFD."""
    return [None if key is None else key.decode("utf-8", "replace") for key in keys]
