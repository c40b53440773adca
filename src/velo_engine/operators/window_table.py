"""Window table functions: rows with the bounds of their windows.

Source: Flink's AlignedWindowTableFunctionOperator: no row is late, HOP gives the latest window of a row first, CUMULATE
the shortest. Its UnalignedWindowTableFunctionOperator for sessions: rows are given out when their session closes, in
order of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, Int64s, empty_rows, make_rows, numpy_column, renumbered
from velo_engine.operators.assign_watermark import event_time_ms
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.session_rows import SessionRows
from velo_engine.operators.session_time import SessionTime
from velo_engine.operators.vectors import Vector, to_arrow
from velo_engine.operators.window_assigner import WindowAssigner
from velo_engine.plan import nodes
from velo_engine.plan.nodes import WindowKind
from velo_engine.schema import RowSchema
from velo_engine.types import TypeName


def session_time(context: OperatorContext, node: nodes.WindowTable) -> SessionTime:
    """How the window's event time becomes wall-clock time."""
    local = node.input.schema.types[node.time_column].name is TypeName.TIMESTAMP_LTZ
    return SessionTime(context.time_zone if local else None)


class WindowTable(Operator):
    """TUMBLE, HOP and CUMULATE of `plan.window_nodes.WindowTable`."""

    def __init__(self, context: OperatorContext, node: nodes.WindowTable) -> None:
        self._node = node
        self._assigner = WindowAssigner(node.window, session_time(context, node), sliced=False)

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """Each row with each of its windows."""
        (batch,) = inputs
        if not len(batch):
            return batch.with_rows(empty_rows(self._node.schema))
        rows = batch.rows
        assigned = self._assigner.assign(event_time_ms(rows.column(self._node.time_column)))
        source, ends = assigned.rows, assigned.ends[assigned.panes]
        if self._node.window.kind is WindowKind.HOP:
            latest_first = np.lexsort((-ends, source))
            source, ends = source[latest_first], ends[latest_first]
        if len(source) != len(batch) or self._node.window.kind is WindowKind.HOP:
            rows = rows.take(pa.array(source))
        distinct, at = np.unique(ends, return_inverse=True)
        bounds = [times[at] for times in (self._assigner.starts(distinct), distinct)]
        if self._node.by_event_time:
            bounds.append(self._assigner.last_instants(distinct)[at])
        else:
            bounds.append(batch.processing_time.before(numpy_column(rows, "seq")))
        return batch.with_rows(with_bounds(rows, bounds, self._node.schema))


class SessionTable(Operator):
    """SESSION of `plan.window_nodes.WindowTable`."""

    def __init__(self, context: OperatorContext, node: nodes.WindowTable) -> None:
        self._context = context
        self._node = node
        input_schema = node.input.schema
        self._keys = KeyDictionary(input_schema.select(node.partition).types) if node.partition else None
        self._sessions = SessionRows(input_schema, node.window.size_ms, session_time(context, node))

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The rows of the sessions that close."""
        (batch,) = inputs
        rows = batch.rows
        key = np.zeros(len(batch), np.int64)
        if self._keys is not None and len(batch):
            key = self._keys.encode([rows.column(i) for i in self._node.partition])
        if len(batch):
            time = event_time_ms(rows.column(self._node.time_column))
            self._sessions.take_in(batch, key, time, self._context.late, self._context.counters)
        closed = self._sessions.close(batch)
        self._context.counters.state_rows = self._sessions.held
        if closed is None:
            return batch.with_rows(empty_rows(self._node.schema))
        if self._keys is not None and len(closed.gone_keys):
            self._keys.free(closed.gone_keys)
        at = closed.session_of_row
        order = np.lexsort((np.arange(len(at)), at))
        at = at[order]
        times = [closed.start[at], closed.end[at], closed.last_instant[at]]
        rows = closed.rows.take(pa.array(order))
        out = with_bounds(_at_events(rows, closed.seq[at], self._node.input.schema), times, self._node.schema)
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """Live sessions, their rows, the keys."""
        tables = self._sessions.snapshot()
        return tables if self._keys is None else tables | {"keys": self._keys.snapshot()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._sessions.restore(state)
        if self._keys is not None:
            self._keys.restore(state["keys"])


def _at_events(rows: pa.Table, seq: Int64s, schema: RowSchema) -> pa.Table:
    """The rows as given out by the events `seq`."""
    columns = [rows.column(i) for i in range(len(schema))]
    return make_rows(schema, columns, numpy_column(rows, "kind"), seq, renumbered(seq))


def with_bounds(rows: pa.Table, bounds: list[Int64s], schema: RowSchema) -> pa.Table:
    """`rows`, in order, with start, end and time of their windows (milliseconds) as last columns."""
    width = len(schema) - len(bounds)
    columns = [rows.column(i) for i in range(width)]
    columns += [to_arrow(Vector(ms * 1000), schema.types[width + i]) for i, ms in enumerate(bounds)]
    seq = numpy_column(rows, "seq")
    return make_rows(schema, columns, numpy_column(rows, "kind"), seq, renumbered(seq))
