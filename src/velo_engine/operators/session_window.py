"""SESSION windows over event time, per key, emitted once when they close.

The rows of live sessions are kept and aggregated when their session closes, in order of arrival; `session_assigner`
states the rules of merging and lateness. Over TIMESTAMP_LTZ all of it happens in local time. Source: Flink's
WindowOperator with SessionWindowAssigner (UnsliceWindowAggProcessor).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, Int64s, empty_rows, make_rows, numpy_column, renumbered
from velo_engine.operators.accumulators import AggregateCalls
from velo_engine.operators.assign_watermark import event_time_ms
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.session_assigner import LATE, Sessions, assign
from velo_engine.operators.session_time import SessionTime
from velo_engine.operators.vectors import Vector, to_arrow
from velo_engine.plan import nodes
from velo_engine.schema import RowSchema
from velo_engine.types import TypeName


class SessionWindow(Operator):
    """See `plan.nodes.WindowAggregate` with WindowKind.SESSION."""

    def __init__(self, context: OperatorContext, node: nodes.WindowAggregate, input_schema: RowSchema) -> None:
        self._context = context
        self._node = node
        self._input = input_schema
        self._gap = node.window.size_ms
        local = input_schema.types[node.time_column].name is TypeName.TIMESTAMP_LTZ
        self._time = SessionTime(context.time_zone if local else None)
        self._keys = KeyDictionary(input_schema.select(node.keys).types) if node.keys else None
        self._calls = AggregateCalls(node.calls, input_schema, retracting=False)
        self._live = Sessions.none()
        self._rows = empty_rows(input_schema)
        self._row_session: Int64s = np.empty(0, np.int64)
        self._next_id = 0

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The sessions that close."""
        (batch,) = inputs
        if len(batch):
            self._take_in(batch)
        closing = self._live.end - 1 <= self._time.passed(np.array([batch.watermark.closing]))
        out = self._closed(batch, self._live.where(closing)) if closing.any() else empty_rows(self._node.schema)
        self._live = self._live.where(~closing)
        self._context.counters.state_rows = self._rows.num_rows
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """Live sessions, their rows, the keys."""
        live = self._live
        sessions = pa.table({"id": live.id, "key": live.key, "start": live.start, "end": live.end})
        tables = {
            "sessions": sessions,
            "rows": self._rows.append_column("session", pa.array(self._row_session)),
            "next_id": pa.table({"id": np.array([self._next_id])}),
        }
        return tables if self._keys is None else tables | {"keys": self._keys.snapshot()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        sessions = state["sessions"]
        self._live = Sessions(*(numpy_column(sessions, n).copy() for n in ("id", "key", "start", "end")))
        self._row_session = numpy_column(state["rows"], "session").copy()
        self._rows = state["rows"].drop_columns(["session"])
        self._next_id = int(numpy_column(state["next_id"], "id")[0])
        if self._keys is not None:
            self._keys.restore(state["keys"])

    def _take_in(self, batch: ChangeBatch) -> None:
        """Assign the rows to sessions, keep them, hand over the late ones."""
        rows = batch.rows
        n = rows.num_rows
        key = np.zeros(n, np.int64)
        if self._keys is not None:
            key = self._keys.encode([rows.column(i) for i in self._node.keys])
        time = self._time.local(event_time_ms(rows.column(self._node.time_column)))
        watermark = self._time.passed(batch.watermark.before(batch.seq))
        touched = np.isin(self._live.key, key)
        found = assign(key, time, watermark, self._gap, self._live.where(touched), self._next_id)
        self._next_id += n
        self._live = self._live.where(~touched).plus(found.sessions)
        late = found.row_session == LATE
        if late.any():
            self._context.counters.late += int(late.sum())
            self._context.late(rows.filter(pa.array(late)), (watermark - (time + self._gap - 1))[late])
            rows = rows.filter(pa.array(~late))
        kept = np.concatenate([self._row_session, found.row_session[~late]])
        if found.merged:
            kept = np.array([found.merged.get(s, s) for s in kept.tolist()], np.int64)
        self._row_session = kept
        self._rows = pa.concat_tables([self._rows, rows])

    def _closed(self, batch: ChangeBatch, closing: Sessions) -> pa.Table:
        """One row per session, at the event whose step closes it; equal ends in order of opening."""
        seq = batch.watermark.first_reaching(self._time.timers(closing.end - 1))
        belongs = np.isin(self._row_session, closing.id)
        rows = self._rows.filter(pa.array(belongs))
        opened = _first_rows(closing.id, self._row_session[belongs])
        order = np.lexsort((opened, closing.end, seq))
        slot_of = np.empty(len(order), np.int64)
        slot_of[order] = np.arange(1, len(order) + 1)
        by_id = np.argsort(closing.id)
        slots = slot_of[by_id[np.searchsorted(closing.id[by_id], self._row_session[belongs])]]
        self._rows = self._rows.filter(pa.array(~belongs)).combine_chunks()
        self._row_session = self._row_session[~belongs]
        all_slots = np.arange(1, len(order) + 1)
        self._calls.reserve(len(order) + 1)
        self._calls.fold(slots, rows, None)
        values = self._calls.values(all_slots)
        self._calls.clear(all_slots)
        first = pa.array(opened[order])
        columns = [rows.column(i).take(first) for i in self._node.keys]
        columns += [to_arrow(v, c.type) for v, c in zip(values, self._node.calls, strict=True)]
        last = self._time.instants(closing.end[order] - 1)
        columns += [
            to_arrow(Vector(ms * 1000), self._node.schema.types[len(columns) + i])
            for i, ms in enumerate((closing.start[order], closing.end[order], last))
        ]
        self._forget_keys(closing)
        seq = seq[order]
        return make_rows(self._node.schema, columns, np.zeros(len(order), np.int8), seq, renumbered(seq))

    def _forget_keys(self, closing: Sessions) -> None:
        if self._keys is None:
            return
        live = self._live.where(~np.isin(self._live.id, closing.id))
        gone = np.setdiff1d(closing.key, live.key)
        if len(gone):
            self._keys.free(gone)


def _first_rows(ids: Int64s, row_session: Int64s) -> Int64s:
    """For each session the position of its first row."""
    found, first = np.unique(row_session, return_index=True)
    return first[np.searchsorted(found, ids)]
