"""Event time: the watermark generator.

On-event generation: the watermark after a row is the maximum of `time - delay` over the rows so far, per partition,
and the minimum over partitions. Source: Flink's BoundedOutOfOrderness in SQL form (WATERMARK FOR ts AS ts - INTERVAL
…) with `pipeline.auto-watermark-interval = 0`, and per-partition watermarks of its Kafka source.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    FINAL_WATERMARK,
    INITIAL_WATERMARK,
    ChangeBatch,
    Int64s,
    StepFunction,
    numpy_column,
)
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.plan.nodes import AssignWatermark as AssignWatermarkNode


class AssignWatermark(Operator):
    """Gives the edge the watermark of its time column; see the plan node of the same name.

    `partitions` is how many partitions the source has; one that has not delivered anything yet holds the watermark
    back.
    """

    def __init__(self, context: OperatorContext, node: AssignWatermarkNode, partitions: int) -> None:
        self._context = context
        self._time = f"c{node.time_column}"
        self._partition = None if node.partition_column is None else f"c{node.partition_column}"
        self._delay = node.delay_ms
        self._highest = np.full(partitions if self._partition else 1, INITIAL_WATERMARK, np.int64)
        self._opening = INITIAL_WATERMARK

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The same rows, less those without a time, under the new watermark."""
        (batch,) = inputs
        rows = self._without_null_time(batch.rows)
        seqs, values = self._steps(rows)
        final = batch.watermark.seqs[batch.watermark.values == FINAL_WATERMARK]
        if len(final):
            seqs, values = np.append(seqs, final[0]), np.append(values, FINAL_WATERMARK)
        watermark = StepFunction(self._opening, seqs, values)
        self._opening = watermark.closing
        return ChangeBatch(rows, batch.first_seq, batch.end_seq, watermark, batch.processing_time)

    def snapshot(self) -> dict[str, pa.Table]:
        """The highest watermark of each partition and of the edge."""
        return {"highest": pa.table({"ms": self._highest}), "edge": pa.table({"ms": np.array([self._opening])})}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._highest = numpy_column(state["highest"], "ms").copy()
        self._opening = int(numpy_column(state["edge"], "ms")[0])

    def _without_null_time(self, rows: pa.Table) -> pa.Table:
        time = rows.column(self._time)
        if not time.null_count:
            return rows
        missing = np.asarray(time.is_null())
        bad = rows.filter(pa.array(missing))
        self._context.counters.dead_lettered += bad.num_rows
        self._context.failures(bad, ["the event time is NULL"] * bad.num_rows)
        return rows.filter(pa.array(~missing))

    def _steps(self, rows: pa.Table) -> tuple[Int64s, Int64s]:
        """The events at which the watermark of the edge rises, and to what."""
        if not rows.num_rows:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        seq: Int64s = numpy_column(rows, "seq")
        candidate = event_time_ms(rows.column(self._time)) - self._delay
        edge = self._edge_watermark(rows, candidate)
        last_of_event = np.append(seq[1:] != seq[:-1], True)
        seq, edge = seq[last_of_event], edge[last_of_event]
        rises = edge > np.concatenate([[self._opening], edge[:-1]])
        return seq[rises], edge[rises]

    def _edge_watermark(self, rows: pa.Table, candidate: Int64s) -> Int64s:
        """The minimum over partitions of each one's running maximum, after every row."""
        if self._partition is None:
            running = np.maximum.accumulate(np.maximum(candidate, self._highest[0]))
            self._highest[0] = running[-1]
            return running
        partition = numpy_column(rows, self._partition)
        edge: Int64s = np.full(len(candidate), FINAL_WATERMARK, np.int64)
        for p in range(len(self._highest)):
            own = np.where(partition == p, candidate, self._highest[p])
            running = np.maximum.accumulate(np.maximum(own, self._highest[p]))
            self._highest[p] = running[-1]
            edge = np.minimum(edge, running)
        return edge


def event_time_ms(column: pa.ChunkedArray) -> Int64s:
    """A TIMESTAMP or TIMESTAMP_LTZ column without nulls as milliseconds since the epoch, rounded down."""
    ms: Int64s = np.floor_divide(column.cast(pa.int64()).to_numpy(), 1000)
    return ms
