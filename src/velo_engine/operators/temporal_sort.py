"""ORDER BY event time: rows wait for the watermark and leave in the order of their time.

Source: Flink's RowTimeSortOperator. A row is late when its time is not after that of the last row given out, whatever
the watermark; one that only the watermark has passed waits for its next step.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    INITIAL_WATERMARK,
    Bools,
    ChangeBatch,
    Int64s,
    StepFunction,
    empty_rows,
    numpy_column,
    physical_schema,
    renumbered,
)
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.sort_codes import sort_codes
from velo_engine.operators.vectors import from_arrow
from velo_engine.plan import nodes

MICROSECONDS = 1000


class TemporalSort(Operator):
    """See `plan.relation_nodes.TemporalSort`. State: the rows that wait, in the order in which they arrived."""

    def __init__(self, context: OperatorContext, node: nodes.TemporalSort) -> None:
        self._context = context
        self._node = node
        self._waiting = empty_rows(node.schema)
        self._last_ms = INITIAL_WATERMARK
        """The time of the last row given out."""

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The rows whose time the watermark reaches, at the steps that do."""
        (batch,) = inputs
        held = self._waiting.num_rows
        rows = pa.concat_tables([self._waiting, batch.rows]) if len(batch) else self._waiting
        if not rows.num_rows:
            return batch.with_rows(rows)
        times = self._times(rows)
        arrival = numpy_column(rows, "seq").copy()
        arrival[:held] = batch.first_seq
        step = _firing_step(times, arrival, batch.watermark)
        on_time = self._on_time(rows, times, step, held, batch)
        fires = on_time & (step < len(batch.watermark.seqs))
        fired = rows.filter(pa.array(fires))
        out = self._sorted(fired, times[fires], step[fires], batch.watermark)
        if len(fired):
            self._last_ms = max(self._last_ms, int(times[fires].max()))
        self._waiting = rows.filter(pa.array(on_time & ~fires)).combine_chunks()
        self._context.counters.state_rows = self._waiting.num_rows
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """The waiting rows, and the time of the last row given out."""
        return {"waiting": self._waiting, "last": pa.table({"ms": pa.array([self._last_ms], pa.int64())})}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._waiting = state["waiting"].cast(physical_schema(self._node.schema))
        self._last_ms = int(state["last"].column("ms")[0].as_py())
        self._context.counters.state_rows = self._waiting.num_rows

    def _times(self, rows: pa.Table) -> Int64s:
        column, kind = self._node.time_column, self._node.schema.types[self._node.time_column]
        times: Int64s = from_arrow(rows.column(column), kind).values // MICROSECONDS
        return times

    def _on_time(self, rows: pa.Table, times: Int64s, step: Int64s, held: int, batch: ChangeBatch) -> Bools:
        """The rows that were not late when they came; late ones are handed over.

        A late row counts among those given out as if it had been on time: what made it late has at least its time and
        left no later.
        """
        latest = np.full(len(batch.watermark.seqs) + 1, self._last_ms)
        np.maximum.at(latest[1:], step[step < len(batch.watermark.seqs)], times[step < len(batch.watermark.seqs)])
        latest = np.maximum.accumulate(latest)
        passed = np.searchsorted(batch.watermark.seqs, numpy_column(rows, "seq")[held:], side="left")
        late_by = latest[passed] - times[held:]
        late = latest[passed] >= times[held:]
        on_time = np.ones(len(times), np.bool_)
        if late.any():
            self._context.counters.late += int(late.sum())
            on_time[held:] = ~late
            self._context.late(batch.rows.filter(pa.array(late)), late_by[late])
        return on_time

    def _sorted(self, rows: pa.Table, times: Int64s, step: Int64s, watermark: StepFunction) -> pa.Table:
        """Fired rows by step, time, and `order`; else in the order of arrival."""
        if not rows.num_rows:
            return empty_rows(self._node.schema)
        codes = sort_codes(self._node.order, rows, self._node.schema.types)
        order = np.lexsort((*reversed(codes), times, step))
        rows = rows.take(pa.array(order))
        seq = watermark.seqs[step[order]]
        columns = [rows.column(i) for i in range(len(self._node.schema))]
        kind = np.zeros(len(seq), np.int8)
        system = [pa.array(kind), pa.array(seq, pa.int64()), pa.array(renumbered(seq), pa.int32())]
        return pa.table([*columns, *system], schema=physical_schema(self._node.schema))


def _firing_step(times: Int64s, arrival: Int64s, watermark: StepFunction) -> Int64s:
    """The first step at or after the arrival of each row that reaches its time; the number of steps for none."""
    reaching = np.searchsorted(watermark.values, times, side="left")
    following = np.searchsorted(watermark.seqs, arrival, side="left")
    return np.maximum(reaching, following)
